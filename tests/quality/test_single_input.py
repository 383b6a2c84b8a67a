"""One input alone: AUC against pairs counted by hand, planted leaks found, honest inputs left alone."""

import itertools
import random

import numpy as np
import pyarrow as pa
import pytest

from hinet_core.quality.auc import auc_interval, grouped_auc
from hinet_core.quality.inputs import Input, values_of
from hinet_core.quality.single import FOLDS, groups, scores


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_the_share_of_pairs_in_order(seed):
    chance = random.Random(seed)
    rows = [(chance.randrange(4), chance.random() < 0.4) for _ in range(40)]
    scores, labels = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    pairs = [
        (good > bad) + (good == bad) / 2
        for (good, hit), (bad, miss) in itertools.product(rows, rows)
        if hit and not miss
    ]
    assert grouped_auc(scores, labels, 1 - labels) == pytest.approx(sum(pairs) / len(pairs))


def test_auc_of_one_class_is_unknown_and_its_interval_is_that_of_hanley_and_mcneil():
    assert grouped_auc(np.ones(3), np.ones(3), np.zeros(3)) is None
    # Hanley & McNeil 1982: A = 0.893 of 51 abnormal and 58 normal cases has a standard error of 0.032.
    low, high = auc_interval(0.893, 51, 58)
    assert (high - low) / 2 / 1.96 == pytest.approx(0.032, abs=1e-3)


def test_values_of_numbers_ids_and_lists():
    half = pa.chunked_array([[0.0] * 300 + [5.0], [7.0, None]])
    assert [groups(half)[place] for place in (0, 299, 300, 301, 302)] == [0, 0, 1, 1, 2]
    row, code, names = values_of(pa.chunked_array([["b", None], ["b", "a"]]), "id")
    assert (row.tolist(), code.tolist(), names) == ([0, 1, 2, 3], [0, 1, 0, 2], ["b", "missing", "a"])
    tags = pa.chunked_array([[["x", "y"], [], None, ["y"]]], pa.list_(pa.string()))
    row, code, names = values_of(tags, "list")
    assert names == ["none", "x", "y"]
    assert row.tolist() == [0, 0, 1, 2, 3]
    assert code.tolist() == [1, 2, 0, 0, 2]


def rows_of(name, values, labels, encode="number"):
    kind = {"number": pa.float64(), "id": pa.string(), "list": pa.list_(pa.string())}[encode]
    chance = random.Random(0)
    table = pa.table(
        {
            "fold": pa.array([chance.randrange(FOLDS) for _ in labels], pa.int64()),
            name: pa.array(values, kind),
            "y click": pa.array(labels, pa.int8()),
        }
    )
    return scores(table, Input(name, encode), ["click"])["click"]


def clicks(n=4000, rate=0.1):
    chance = random.Random(1)
    return [int(chance.random() < rate) for _ in range(n)], chance


def test_an_input_that_is_the_outcome_is_found_however_it_is_written():
    labels, chance = clicks()
    seconds = [chance.uniform(10, 60) if one else chance.uniform(0, 12) for one in labels]
    assert rows_of("seconds", seconds, labels).low > 0.95
    assert rows_of("low", [-one for one in seconds], labels).low > 0.95
    middle = [chance.gauss(0, 0.1) if one else chance.choice([-1, 1]) * chance.uniform(0.2, 3) for one in labels]
    assert rows_of("middle", middle, labels).low > 0.9  # neither low nor high values: no order tells it
    only_then = [chance.random() if one else None for one in labels]
    assert rows_of("present", only_then, labels).low > 0.99
    order = [f"order {place}" if one else None for place, one in enumerate(labels)]
    assert rows_of("order_id", order, labels, "id").low > 0.99  # every value once, and still only then
    bought = [["thing"] * chance.randrange(1, 3) if one else [] for one in labels]
    assert rows_of("bought", bought, labels, "list").low > 0.99


def test_an_input_that_knows_nothing_has_an_auc_of_one_half():
    labels, chance = clicks()
    number, many = [chance.gauss(0, 1) for _ in labels], [str(chance.randrange(3000)) for _ in labels]
    several = [[str(chance.randrange(50)) for _ in range(chance.randrange(4))] for _ in labels]
    for name, values, encode in (("noise", number, "number"), ("many", many, "id"), ("several", several, "list")):
        found = rows_of(name, values, labels, encode)
        assert 0.45 < found.value < 0.55, (name, found)


@pytest.mark.parametrize("decay", [1.0, 2.0])
def test_a_strong_honest_input_is_not_accused(decay):
    """The slot of ten, examined ever less: that users look at the top tells much, and is known before."""
    chance = random.Random(7)
    slots = [1.0 + place % 10 for place in range(20_000)]
    labels = [int(chance.random() < 0.6 / slot**decay) for slot in slots]
    found = rows_of("slot", slots, labels)
    assert found.value > 0.65 and found.low < 0.9


def test_rows_without_a_settled_label_do_not_count():
    found = rows_of("x", [1.0, 2.0, None, 4.0], [1, 0, None, 1])
    assert (found.n, found.n_positives) == (3, 2)
    assert rows_of("x", [1.0, 2.0], [None, None]).value is None
