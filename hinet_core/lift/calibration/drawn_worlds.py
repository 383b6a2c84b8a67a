"""Worlds drawn from a seed: other scenarios, shares, rates, variance parts, slots and sizes than any packaged one.

So that nothing here can be right for one world alone. One in four is extreme on purpose.
"""

import numpy as np

from hinet_core.contract import Contract, load_contract
from hinet_core.contract.grammar import Scenario

BASE = "meishi"
# What an ordinary draw seldom is: settings by name of the extreme.
EXTREMES = ("one scenario", "a tiny share", "high rates", "few users")


def drawn_contract(seed: int, extreme: str | None = None) -> Contract:
    """A contract with a world of its own; the extreme is drawn too where none is named."""
    rng = np.random.default_rng([seed, 77])
    if extreme is None and rng.random() < 0.25:
        extreme = EXTREMES[rng.integers(len(EXTREMES))]
    n_scenarios = 1 if extreme == "one scenario" else int(rng.integers(2, 7))
    n_factors = int(rng.integers(1, 4))
    candidates = int(rng.integers(6, 17))
    shares = rng.dirichlet(np.full(n_scenarios, 1.5))
    if extreme == "a tiny share":
        shares = np.concatenate([[0.0005], 0.9995 * rng.dirichlet(np.full(n_scenarios - 1, 1.5))])
    ids = [f"place_{number}" for number in range(n_scenarios)]
    scenarios = {
        name: scenario(rng, float(share), n_factors, high=extreme == "high rates")
        for name, share in zip(ids, even_out(shares), strict=True)
    }
    world = {
        "seed": seed,
        "users": int(rng.integers(20, 60)) if extreme == "few users" else int(rng.integers(4000, 12_000)),
        "items": int(rng.integers(60, 400)),
        "candidates": candidates,
        "slots": int(rng.integers(2, candidates // 2 + 1)),
        "dimensions": 3 + n_factors + 3 * n_scenarios + int(rng.integers(0, 6)),
        "calibration_requests": 500,
        "logger_noise": float(rng.uniform(0.5, 3)),
        "variance": variance(rng),
        "scenarios": scenarios,
    }
    update = {"name": f"drawn_{seed}", "scenarios": tuple(Scenario(id=name) for name in ids), "world": world}
    return load_contract(BASE).model_copy(update=update)


def scenario(rng: np.random.Generator, share: float, n_factors: int, *, high: bool) -> dict[str, object]:
    loading = rng.standard_normal(n_factors)
    ctr = float(rng.uniform(0.25, 0.35) if high else np.exp(rng.uniform(np.log(0.04), np.log(0.2))))
    pairs = (rng.uniform(0, 0.5, 2), rng.uniform(0, 1.2, 2), rng.uniform(0, 0.8, 2))
    quality, distance, price = (tuple(pair.tolist()) for pair in pairs)
    return {
        "share": share, "ctr": ctr, "ctcvr": ctr * float(rng.uniform(0.7, 0.9) if high else rng.uniform(0.15, 0.5)),
        "loading": tuple((loading / np.linalg.norm(loading)).tolist()), "quality": quality, "distance": distance,
        "price": price, "position_decay": float(rng.uniform(0, 0.3) if high else rng.uniform(0, 0.8)),
        "peak_hour": int(rng.integers(24)),
    }  # fmt: skip


def variance(rng: np.random.Generator) -> dict[str, float]:
    """Parts that sum to 1, with products of matches in one world of three."""
    parts = dict(zip(("shared", "task", "factor", "scenario"), rng.dirichlet(np.ones(5)).tolist(), strict=False))
    interaction = float(rng.uniform(0.2, 0.6)) if rng.random() < 1 / 3 else 0.0
    return parts | {"scenario_task": 1 - sum(parts.values()), "interaction": interaction}


def even_out(shares: np.ndarray) -> list[float]:
    """Shares that sum to 1 as floats do."""
    found: list[float] = shares.tolist()
    return [*found[:-1], 1 - sum(found[:-1])]
