"""Control worlds: their correlations are what their names say."""

import numpy as np
import pytest
from small_world import small_contract

from hinet_core.contract import load_contract
from hinet_core.world.config import read_config
from hinet_core.world.controls import control_worlds
from hinet_core.world.load import load
from hinet_core.world.preferences import correlation, weights

CONTROLS = control_worlds(small_contract())


def matrix_of(name: str) -> np.ndarray:
    """(scenario, outcome, scenario, outcome)"""
    return correlation(read_config(CONTROLS[name].contract)).reshape(6, 2, 6, 2)


def test_every_control_is_a_world_of_its_own_with_a_prediction_and_weights_as_its_closed_form():
    contracts = [control.contract for control in CONTROLS.values()]
    assert [one.name for one in contracts] == [f"meishi_{name}" for name in CONTROLS]
    assert len({load(one).hash for one in [small_contract(), *contracts]}) == 6
    assert all(len(control.prediction) > 40 for control in CONTROLS.values())
    for one in contracts:
        flat = weights(read_config(one)).reshape(12, -1)
        assert flat @ flat.T == pytest.approx(correlation(read_config(one)), abs=1e-9)


def test_all_shared_is_one_taste():
    assert matrix_of("all_shared") == pytest.approx(1.0)


def test_nothing_shared_leaves_little_in_common():
    found = matrix_of("nothing_shared")
    assert found[0, 0, 0, 1] == pytest.approx(0.15)  # click and order of a scenario: shared, factor, scenario
    assert found[0, 0, 1, 0] == pytest.approx(0.05 + 0.05 + 0.05 * 0.8)  # click of two scenarios with <L, L'> = .8
    assert found[0, 0, 3, 1] == pytest.approx(0.05)  # nothing but the shared part
    assert (found.reshape(12, 12) - np.eye(12)).max() == pytest.approx(0.15)


def test_no_task_link_means_that_a_task_has_nothing_in_common_over_scenarios():
    found = matrix_of("no_task_link")
    for s in range(6):
        assert found[s, 0, s, 1] == pytest.approx(0.5)
        for other in set(range(6)) - {s}:
            # The same task elsewhere tells no more than the other task elsewhere.
            assert found[s, 0, other, 0] == pytest.approx(found[s, 0, other, 1])
    # Half of what the shared, factor and scenario parts were of .8: .25 + .15625 * .8 for two scenarios alike.
    assert found[0, 0, 1, 0] == pytest.approx(0.25 + 0.15625 * 0.8)


def test_identical_scenarios_differ_by_their_traffic_only():
    found = matrix_of("scenarios_identical")
    assert found[:, 0, :, 0] == pytest.approx(1.0)
    assert found[:, 0, :, 1] == pytest.approx(0.8)  # as click and order of one scenario of meishi
    world = load(CONTROLS["scenarios_identical"].contract)
    assert np.allclose(world.weights_SKJ, world.weights_SKJ[:1], atol=1e-6)
    assert np.ptp(world.effects_SKE, axis=0) == pytest.approx(0.0)
    assert np.ptp(world.theta_SN, axis=0) == pytest.approx(0.0)
    assert np.array_equal(world.shares_S, load(small_contract()).shares_S)
    # Each scenario's base rates are solved on requests of its own: 1,000 here.
    assert np.ptp(world.bias_SK, axis=0).max() < 0.25


def test_interactions_leave_correlations_as_they_are_and_move_half_of_each_taste_into_products():
    control = CONTROLS["interactions"].contract
    found, packaged = read_config(control), read_config(small_contract())
    assert correlation(found) == pytest.approx(correlation(packaged), abs=0)
    world = load(control)
    linear_SKJ, product_SKJ = np.split(world.weights_on(world.traffic.first_day), 2, axis=-1)
    assert np.square(linear_SKJ).sum(axis=-1) == pytest.approx(0.5, rel=1e-3)
    assert np.square(product_SKJ).sum(axis=-1) == pytest.approx(0.5, rel=1e-3)


def test_a_log_without_a_world_has_no_controls():
    with pytest.raises(ValueError, match=r"expected a \[world\] section"):
        control_worlds(load_contract("kuairand"))
