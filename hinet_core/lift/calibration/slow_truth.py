"""The lift that estimates are judged against, the slow way: user by user, slot by slot, in plain Python.

It shares nothing with the statistics or with the draws but the numbers that describe the users.
"""

import math

from hinet_core.lift.calibration.population import N_SLOTS, Population


def true_lift(people: Population, scenario: int | None) -> float:
    """Expected orders of all users under B over those under A, minus 1; pooled where `scenario` is None."""
    scenarios = range(len(people.rate_S)) if scenario is None else (scenario,)
    under_a: list[float] = []
    under_b: list[float] = []
    for activity, taste in zip(people.activity_U.tolist(), people.taste_U.tolist(), strict=True):
        for s in scenarios:
            per_request = 0.0
            for slot in range(1, N_SLOTS + 1):
                seen = slot ** -float(people.steep_S[s])
                per_request += seen * float(people.rate_S[s]) * math.exp(taste)
            expected = activity * float(people.requests_S[s]) * per_request
            under_a.append(expected)
            under_b.append(expected * (1 + float(people.effect_S[s]) + 0.03 * math.tanh(taste)))
    return math.fsum(under_b) / math.fsum(under_a) - 1
