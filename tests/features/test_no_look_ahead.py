"""Nothing that is known at or after a cutoff moves a feature of that day or of an earlier one."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from feature_lakes import built, features_of, hashes
from slow_features import ONE_OF_EACH
from tiny_log import HOUR_US, Row, midnight_us, number, random_rows, row, tiny_contract

from hinet_core.contract import Contract, computed_features
from hinet_core.lake import connect

pytestmark = pytest.mark.slow

FIRST = date(2024, 3, 6)
DAYS = [FIRST + timedelta(days=n) for n in range(6)]
CUT = number(DAYS[3])
Change = Callable[[list[Row]], list[Row]]


def other_values(rows: list[Row]) -> list[Row]:
    changed = {"shop": 77, "city": "elsewhere", "slot": 9, "place": "map", "scenario_id": "map", "user": "u1"}
    return [one | changed if one["day_number"] >= CUT else one for one in rows]


def more_rows(rows: list[Row]) -> list[Row]:
    return rows + [one | {"record_number": 1000 + one["record_number"]} for one in random_rows(8, "UTC", DAYS[3], 3)]


def fewer_rows(rows: list[Row]) -> list[Row]:
    return [one for one in rows if one["day_number"] < CUT or one["record_number"] % 3]


def flipped_labels(rows: list[Row]) -> list[Row]:
    """Every outcome that became known, or could have, at or after the cutoff; most belong to impressions before it."""
    changed = []
    for one in rows:
        for task in ("click", "order"):
            if max(one[f"known_day_{task}"], one["day_number"]) >= CUT:
                one = one | {f"label_{task}": 1 - one[f"label_{task}"]}
        changed.append(one)
    return changed


def later_outcomes(rows: list[Row]) -> list[Row]:
    later = [(one["known_day_order"] + 1, one["known_us_order"] + 24 * HOUR_US) for one in rows]
    return [one | {"known_day_order": day, "known_us_order": us} if one["known_day_order"] >= CUT else one
            for one, (day, us) in zip(rows, later, strict=True)]  # fmt: skip


def features_by_day(
    con: duckdb.DuckDBPyConnection, root: Path, rows: list[Row], probes: list[Row]
) -> tuple[dict[tuple[str, date], str], dict[date, list[Any]]]:
    """The hash of every table and day that features are made from, and the features of the same probes each day."""
    contract = tiny_contract(features=ONE_OF_EACH)
    lake = built(con, contract, root, rows, upto="examples")
    found = {day: features_of(con, contract, lake, [one for one in probes if one["day"] == day], day) for day in DAYS}
    return hashes(contract, lake), found


ROWS = random_rows(7, "UTC", FIRST, n_days=6)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[tuple[str, date], str], dict[date, list[Any]]]:
    con = connect()
    found = features_by_day(con, tmp_path_factory.mktemp("before"), ROWS, ROWS)
    con.close()
    return found


@pytest.mark.parametrize("change", [other_values, more_rows, fewer_rows, flipped_labels, later_outcomes])
def test_what_is_known_from_the_cutoff_on_moves_nothing_before(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, before: Any, change: Change
) -> None:
    left = before[0]
    after = features_by_day(con, tmp_path, change(ROWS), ROWS)
    early = [place for place in left if place[1] < DAYS[3]]
    assert len(early) == 3 * 3
    assert {place: after[0][place] for place in early} == {place: left[place] for place in early}
    for day in DAYS:
        assert (before[1][day] == after[1][day]) == (day <= DAYS[3]), day


def log_with_taste(shuffled: bool) -> list[Row]:
    """30 users and 20 shops that differ in how often they click and are clicked; or the same clicks on other rows."""
    draw = random.Random(0)
    users, shops = [draw.gauss(0, 1) for _ in range(30)], [draw.gauss(0, 1) for _ in range(20)]
    rows, clicks = [], []
    for record in range(4000):
        user, shop = draw.randrange(30), draw.randrange(20)
        day = FIRST + timedelta(days=record % 10)
        us = midnight_us(day, "UTC") + draw.randrange(24 * HOUR_US)
        clicks.append(int(draw.random() < 1 / (1 + np.exp(1 - users[user] - shops[shop]))))
        rows.append(row("UTC", us, record, user=f"u{user}", shop=shop))
    if shuffled:
        draw.shuffle(clicks)
    return [one | {"clicked": click, "label_click": click} for one, click in zip(rows, clicks, strict=True)]


def auc_with_interval(con: duckdb.DuckDBPyConnection, contract: Contract, root: Path, rows: list[Row]) -> list[float]:
    """Low, value and high (95 %, over bootstrap draws of rows) of a logistic regression on the features alone."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = ", ".join(one.name for one in computed_features(contract) if one.encode == "number")
    table = built(con, contract, root, rows).scan(con, "examples").order("record_number")
    x_NK = np.array(table.project(names).fetchall(), dtype=float)
    day_N, y_N = np.array(table.project("day_number, label_click").fetchall()).T
    train_N, test_N = (day_N >= number(FIRST) + 2) & (day_N < number(FIRST) + 7), day_N >= number(FIRST) + 7
    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=1000))
    logit_M, y_M = model.fit(x_NK[train_N], y_N[train_N]).decision_function(x_NK[test_N]), y_N[test_N]
    draws = np.random.default_rng(0).integers(len(y_M), size=(200, len(y_M)))
    low, high = np.quantile([roc_auc_score(y_M[draw], logit_M[draw]) for draw in draws], [0.025, 0.975])
    return [low, roc_auc_score(y_M, logit_M), high]


@pytest.mark.slow
def test_shuffled_labels_leave_nothing_to_learn(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    """Features made of shuffled clicks say nothing of them; one that saw its own row's click would."""
    entities = [{"name": name, "keys": [name], "counts": ["impressions", "click"], "coec": ["click"], "lifetime": True}
                for name in ("user", "shop")]  # fmt: skip
    pair = {"name": "pair", "keys": ["user", "shop"], "residual": ["click"], "lifetime": True}
    contract = tiny_contract(features={"windows_days": [1, 7], "burn_in_days": 2, "entities": [*entities, pair]})
    low, _, high = auc_with_interval(con, contract, tmp_path / "shuffled", log_with_taste(shuffled=True))
    assert low < 0.5 < high
    low, value, _ = auc_with_interval(con, contract, tmp_path / "real", log_with_taste(shuffled=False))
    assert low > 0.6, value
