"""Rankings: ties, bad scores, and the value of a slate by hand."""

import numpy as np
import pytest

from hinet_core.world.slates import slate_value, top_slots


def test_ties_go_to_the_smaller_item_in_whatever_order_candidates_come():
    items = np.array([[30, 10, 20, 40]])
    score = np.array([[1.0, 1.0, 2.0, 1.0]])
    top = top_slots(score, items, 3)
    assert items[0][top[0]].tolist() == [20, 10, 30]
    shuffled = [3, 2, 1, 0]
    again = top_slots(score[:, shuffled], items[:, shuffled], 3)
    assert items[0][shuffled][again[0]].tolist() == [20, 10, 30]


def test_value_by_hand():
    theta = np.array([[1.0, 0.5]])
    worth = np.array([[0.1, 0.4, 0.2]])
    assert slate_value(theta, worth, np.array([[1, 2]])) == pytest.approx([0.4 + 0.5 * 0.2])


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ([[1.0, np.nan, 2.0]], "without NaN, found 1"),
        ([[1.0, 2.0]], "one score per candidate"),
    ],
)
def test_bad_scores_are_refused(score, message):
    with pytest.raises(ValueError, match=message):
        top_slots(np.array(score), np.array([[1, 2, 3]]), 2)


def test_fewer_candidates_than_slots_are_refused():
    with pytest.raises(ValueError, match="at least 4 candidates"):
        top_slots(np.ones((1, 3)), np.array([[1, 2, 3]]), 4)
