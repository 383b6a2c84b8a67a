"""T18 reduced: intervals on logs with a known truth hold it as often as they say, and too narrow ones are noticed."""

from dataclasses import replace

import numpy as np
import pytest

from hinet_core.lift.off_policy import gates
from hinet_core.lift.off_policy.calibration import ESTIMATORS, LOW, SETTINGS, calibrate, coverage, report
from hinet_core.lift.off_policy.simulated_log import THETA_S, draw, population, true_value


def test_the_truth_is_the_mean_of_drawn_orders():
    """400 drawn logs of the policy itself (epsilon = 0), against the value that the population states."""
    people = population(1, users=40)
    orders, requests = 0.0, 0
    for seed in range(400):
        log = draw(people, 0.0, 40, seed)
        orders, requests = orders + log.outcome_RS.sum(), requests + len(log.user_R)
    assert orders / requests == pytest.approx(true_value(people, people.rank_a_RC), abs=4 * np.sqrt(1.1 / requests))


def test_a_drawn_log_is_as_it_says():
    people = population(2, users=50)
    log = draw(people, 1.0, 300, 5)
    again, other = draw(people, 1.0, 300, 5), draw(people, 1.0, 300, 6)
    assert (log.shown_RS == again.shown_RS).all() and not np.array_equal(log.request_R, other.request_R)
    for user in range(300):
        mine = log.request_R[log.user_R == user]
        assert (people.user_R[mine] == people.user_R[mine[0]]).all()
        assert len(mine) == (people.user_R == people.user_R[mine[0]]).sum()
    assert all(len(set(slate)) == len(THETA_S) for slate in log.shown_RS.tolist())
    shares = np.bincount(log.shown_RS[:, 0], minlength=20) / len(log.user_R)
    assert shares == pytest.approx(np.full(20, 0.05), abs=0.03)


@pytest.mark.slow
def test_every_row_of_the_calibration_is_within_its_bounds():
    rows = list(calibrate(replications=240))
    assert len(rows) == 3 + 5 * len(ESTIMATORS)
    assert [row for row in rows if not row[2] <= row[1] <= row[3]] == []


@pytest.mark.slow
def test_intervals_a_fifth_too_narrow_would_be_noticed():
    setting, people = SETTINGS[1], population(0)
    truth = true_value(people, people.rank_b_RC)
    reports = [narrowed(report(people, setting, seed), 0.8) for seed in range(100)]
    assert np.mean([coverage(reports, "value_b", name, truth) for name in ESTIMATORS]) < LOW


def narrowed(found, factor):
    def shrunk(one):
        low, high = ((end - one.estimate) * factor + one.estimate for end in (one.low, one.high))
        return replace(one, low=low, high=high)

    kept = tuple(replace(one, interval=one.interval and shrunk(one.interval)) for one in found.estimates)
    return replace(found, estimates=kept)


@pytest.mark.slow
def test_without_the_gate_on_support_orders_the_lift_would_not_be_covered(monkeypatch):
    monkeypatch.setattr(gates, "FEWEST_ORDERS", 0)
    monkeypatch.setattr(gates, "FEW_ORDERS", 0)
    setting = SETTINGS[2]
    people = population(0, noise_a=setting.noise_a, noise_b=setting.noise_b)
    value = true_value(people, people.rank_b_RC)
    reports = [report(people, setting, seed) for seed in range(100)]
    assert coverage(reports, "lift", "IPS", value / true_value(people, people.rank_a_RC) - 1) < 0.85
    assert coverage(reports, "value_b", "IPS", value) > 0.9
    assert min(one.health.ess_share for one in reports) > 0.1
