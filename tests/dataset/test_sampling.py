"""Which rows a sampled training set keeps, against MD5 in plain Python; and that nothing else is ever sampled."""

import hashlib
import random
from datetime import date
from pathlib import Path

import duckdb
import pytest
from example_rows import DAY, SETTLED, START, plain, relation_of
from tiny_log import CONTRACT, HOUR_US, Row, row, tiny_contract

from hinet_core.contract import ContractError
from hinet_core.dataset import Encoder

RATES = {"home": 0.25}
DAY_NUMBER = (DAY - date(1970, 1, 1)).days


def log(n: int) -> list[Row]:
    draw = random.Random(5)
    rows = []
    for record in range(n):
        us = START + record
        delay = draw.choice([None, None, None, 0, 30 * HOUR_US])
        place = draw.choice(["home", "map"])
        rows.append(row("UTC", us, record, place=place, click=draw.random() < 0.3 or delay is not None,
                        order_us=None if delay is None else us + delay, user=f"u{draw.randrange(9)}",
                        source_file=draw.choice(["a.csv", "b|1.csv"])))  # fmt: skip
    return rows


def is_kept(one: Row, positive: bool) -> bool:
    """Positives, rows of scenarios that are not sampled, and a quarter of the rest by their hash."""
    identity = f"{DAY_NUMBER}|{one['record_number']}|{one['source_file']}"
    luck = int.from_bytes(hashlib.md5(identity.encode()).digest()[:8], "little")
    return one["scenario_id"] != "home" or positive or luck < 2**64 // 4


def test_positives_stay_and_negatives_at_their_rate(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract, rows = plain(), log(2000)
    relation = relation_of(con, contract, tmp_path, rows)
    encoder = Encoder.fit(con, contract, relation)
    kept = {}
    for part, key_N in encoder.stream(con, relation, SETTLED, RATES):
        assert part.negative_rate == (0.25, 1.0)
        kept |= {int(key): part.labels_NT[i].tolist() for i, key in enumerate(key_N)}
    everything = {}
    for part, key_N in encoder.stream(con, relation, SETTLED):
        assert part.negative_rate == ()
        everything |= {int(key): part.labels_NT[i].tolist() for i, key in enumerate(key_N)}
    expected = set()
    for one in rows:
        identity = f"{DAY_NUMBER}|{one['record_number']}|{one['source_file']}"
        key = int.from_bytes(hashlib.md5(identity.encode()).digest()[8:], "little")
        if is_kept(one, positive=max(everything[key]) > 0):
            expected.add(key)
    assert len(everything) == len(rows) == len(encoder.transform(con, relation, SETTLED))
    assert kept.keys() == expected
    assert all(labels == everything[key] for key, labels in kept.items())
    negatives = [one for one in rows if one["scenario_id"] == "home" and not one["label_click"]]
    assert 0.2 < sum(is_kept(one, positive=False) for one in negatives) / len(negatives) < 0.3
    # Which negatives stay says nothing about where they lie in the shuffled order.
    places = sorted(kept)
    early = sum(max(kept[key]) == 0 for key in places[: len(places) // 2])
    late = sum(max(kept[key]) == 0 for key in places[len(places) // 2 :])
    assert abs(early - late) < 0.15 * (early + late)


def test_rows_whose_first_task_is_not_settled_are_left_out_of_sampled_scenarios(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    tasks = [CONTRACT["tasks"][0] | {"matures_after": "24h"}, CONTRACT["tasks"][1]]
    contract = tiny_contract(tasks=tasks, features={"windows_days": [1]})
    rows = [row("UTC", START, 0), row("UTC", START + 1, 1, click=1), row("UTC", START + 2, 2, place="map"),
            row("UTC", START - 1, 3, click=1)]  # fmt: skip
    relation = relation_of(con, contract, tmp_path, rows)
    encoder = Encoder.fit(con, contract, relation)
    masks = {}
    for part, _ in encoder.stream(con, relation, date(2024, 3, 7), {"home": 1e-9}):
        masks |= dict(zip(part.scenario_N.tolist(), part.label_mask_NT.tolist(), strict=True))
        assert len(part) == 2
    assert masks == {0: [1, 1], 1: [0, 0]}


def test_a_rate_of_one_samples_nothing(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    contract = plain()
    relation = relation_of(con, contract, tmp_path, log(50))
    encoder = Encoder.fit(con, contract, relation)
    parts = [part for part, _ in encoder.stream(con, relation, SETTLED, {"home": 1.0})]
    assert sum(len(part) for part in parts) == 50
    assert {part.negative_rate for part in parts} == {()}


@pytest.mark.parametrize(
    ("rates", "tasks", "sentence"),
    [
        ({"nowhere": 0.1}, {}, "split.negative_rate: found 'nowhere', allowed: home, map"),
        ({"other": 0.1}, {}, "split.negative_rate: found 'other', allowed: home, map"),
        ({"home": 0}, {}, "split.negative_rate.home: found 0, allowed: more than 0"),
        ({"home": 1.5}, {}, "split.negative_rate.home: found 1.5, allowed: at most 1"),
        ({"home": 0.5}, {"after": None}, "split.negative_rate: task 'order' does not follow the first task .'click'."),
    ],
)
def test_what_cannot_be_sampled_is_refused(rates: dict[str, float], tasks: dict[str, object], sentence: str) -> None:
    later = {key: value for key, value in (CONTRACT["tasks"][1] | tasks).items() if value is not None}
    with pytest.raises(ContractError, match=sentence):
        tiny_contract(split={"negative_rate": rates}, tasks=[CONTRACT["tasks"][0], later])
