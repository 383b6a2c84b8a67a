"""The ceilings of a simulated log, row by row against the world, and what the page says of them."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from small_world import small_contract
from tiny_log import tiny_contract

from hinet_core.evaluation.comparison import Estimate
from hinet_core.evaluation.rows import Rows
from hinet_core.experiments.ceilings import KNOWN, TRUE, ceilings
from hinet_core.experiments.page import share_table
from hinet_core.lake import connect
from hinet_core.world.day import day_table
from hinet_core.world.load import load
from hinet_core.world.truth import day_number

CONTRACT = small_contract(users=3000, requests_per_day=2000)
DAYS = (date(2025, 3, 4), date(2025, 3, 5))


def logged() -> tuple[pa.Table, Rows]:
    """Two days of the world's log in the order of `Scorer.score`, with the columns of examples that say where from."""
    world, parts = load(CONTRACT), []
    for day in DAYS:
        table = day_table(world, day)
        more = {"day_number": [day_number(day)] * len(table), "source_file": [f"{day}.parquet"] * len(table)}
        more["record_number"] = list(range(len(table)))
        for name, values in more.items():
            table = table.append_column(name, pa.array(values))
        parts.append(table)
    table = pa.concat_tables(parts)
    labels_NT = np.stack([table["is_click"].to_numpy(), table["is_order"].to_numpy()], axis=1).astype(float)
    rows = Rows(
        scenarios=("all",), tasks=("click", "order"), scenario_N=np.zeros(len(table), np.int64),
        user_N=table["user_id"].to_numpy(), label_NT=labels_NT, counts_NT=np.ones_like(labels_NT, dtype=bool),
    )  # fmt: skip
    return table, rows


def test_rows_have_their_own_chances_whatever_order_they_are_read_in():
    table, rows = logged()
    mixed = table.take(pa.array(np.random.default_rng(0).permutation(len(table))))
    con = connect(threads=1)
    found = ceilings(CONTRACT, con.from_arrow(mixed), DAYS, rows)
    assert list(found) == [KNOWN, TRUE]
    world, chance_NT = load(CONTRACT), expit(found[TRUE].first_NT)
    requests = world.log_requests(DAYS[1])
    click_RC, order_RC = world.probabilities(requests)
    for place in (len(table) - 1, len(table) - 777):
        row = table["request_id"][place].as_py() % 1_000_000_000
        candidate = list(requests.item_RC[row]).index(table["shop_id"][place].as_py() - 1)
        click = click_RC[row, candidate]
        assert chance_NT[place] == pytest.approx([click, click * order_RC[row, candidate]])
    # At its slot, a row is clicked as often as is said: the means agree within three standard errors.
    p_NT = expit(found[TRUE].logged_NT)
    error_T = np.sqrt((p_NT * (1 - p_NT)).sum(axis=0)) / len(rows)
    assert (np.abs(p_NT.mean(axis=0) - rows.label_NT.mean(axis=0)) < 3 * error_T).all()
    # The policy has seen more than the features tell: of what it shows, more is clicked than of what looks alike.
    known_T = expit(found[KNOWN].logged_NT).mean(axis=0)
    assert (known_T < rows.label_NT.mean(axis=0)).all() and (known_T > 0.8 * rows.label_NT.mean(axis=0)).all()
    for task in (0, 1):
        aucs = [roc_auc_score(rows.label_NT[:, task], found[name].logged_NT[:, task]) for name in (KNOWN, TRUE)]
        assert 0.6 < aucs[0] < aucs[1]


def test_a_real_log_has_no_ceiling_and_examples_that_are_not_the_judged_rows_are_refused():
    table, rows = logged()
    con = connect(threads=1)
    assert ceilings(tiny_contract(), con.from_arrow(table), DAYS, rows) == {}
    with pytest.raises(ValueError, match=f"expected the {len(rows):,} judged rows, found {len(rows) - 1:,} examples"):
        ceilings(CONTRACT, con.from_arrow(table.slice(1)), DAYS, rows)


def estimate(model: str, value: float, low: float, high: float, scope: str = "macro") -> Estimate:
    return Estimate(
        model=model, scope=scope, scenario_id="", task="click", metric="auc", value=value, low=low, high=high,
        sd_seeds=None, n_seeds=1, n=10, n_positives=5, n_users=5,
    )  # fmt: skip


def test_the_page_says_which_share_of_the_best_a_model_reaches():
    cells = [estimate("hinet", 0.66, 0.64, 0.68), estimate("hinet", 0.7, 0.6, 0.8, "scenario")]
    tops = [estimate(KNOWN, 0.7, 0.7, 0.7), estimate(TRUE, 0.9, 0.9, 0.9), estimate(KNOWN, 0.8, 0.8, 0.8, "scenario")]
    assert share_table(cells, tops).splitlines()[2:] == ["| hinet | click | macro | 80.0% | 70.0% to 90.0% |"]
    assert share_table(cells, []) == ""
