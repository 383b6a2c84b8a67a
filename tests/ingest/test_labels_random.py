"""Labels of random rows against plain Python: codes, event names, thresholds, products, three steps, missing values."""

from itertools import pairwise, product
from random import Random

import pytest

from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake

COLUMNS = [
    {"name": "user", "type": "int64", "role": "user"},
    {"name": "item", "type": "string", "role": "item"},
    {"name": "place", "type": "string", "role": "scenario"},
    {"name": "shown_at", "type": "timestamp", "role": "time"},
    {"name": "code", "type": "int8", "role": "outcome", "nullable": True},
    {"name": "event", "type": "string", "role": "outcome", "nullable": True},
    {"name": "seconds", "type": "float64", "role": "outcome", "nullable": True},
    {"name": "paid", "type": "bool", "role": "outcome", "nullable": True},
]
CELLS = {
    "code": {"": None, "0": 0, "1": 1, "2": 2},
    "event": {"": None, "view": "view", "cart": "cart", "buy": "buy", "BUY": "BUY"},
    "seconds": {"": None, "0": 0.0, "29.9": 29.9, "30": 30.0, "3e2": 300.0},
    "paid": {"": None, "true": True, "0": False},
}
# A condition as the contract says it, and as a loop reads it.
CONDITIONS = [
    ("code", {"one_of": [1, 2]}, lambda value: value in (1, 2)),
    ("code", {"equals": 2}, lambda value: value == 2),
    ("code", {"equals": 0}, lambda value: value == 0),
    ("event", {"one_of": ["cart", "buy"]}, lambda value: value in ("cart", "buy")),
    ("event", {"present": True}, lambda value: value is not None),
    ("seconds", {"at_least": 30}, lambda value: value >= 30),
    ("seconds", {"equals": 0}, lambda value: value == 0),
    ("paid", {}, lambda value: value),
    ("paid", {"equals": False}, lambda value: not value),
]
STEPS = ["open", "stay", "pay"]


def claim(label, row):
    """All conditions hold: false as soon as one does not, missing where the rest hang on a missing value."""
    found = []
    for column, how, holds in label:
        value = row[column]
        found.append(None if value is None and "present" not in how else bool(holds(value)))
    return 0 if False in found else None if None in found else 1


def judged(labels, rules, row):
    """(labels, claims, whether the row is refused)"""
    told, claims = {}, {name: claim(labels[name], row) for name in STEPS}
    refused = False
    for before, name in zip([None, *STEPS], STEPS, strict=False):
        told[name] = claims[name]
        if before and claims[name] is not None and told[before] == 0:
            told[name] = 0
        refused |= bool(before) and rules[name] == "quarantine" and (claims[name], claims[before]) == (1, 0)
    return told, claims, refused


@pytest.mark.parametrize("seed", range(6))
def test_labels_violations_and_refusals_are_those_of_a_plain_loop(paths, con, seed):
    draw = Random(seed)
    labels = {name: draw.sample(CONDITIONS, draw.choice([1, 1, 2, 3])) for name in STEPS}
    rules = {name: draw.choice(["clip", "quarantine"]) for name in STEPS}
    tasks = [{"name": name, "label": [{"column": column} | how for column, how, _ in labels[name]]} for name in STEPS]
    for before, task in zip(STEPS, tasks[1:], strict=False):
        task |= {"after": before, "on_violation": rules[task["name"]]}
    contract = parse_contract({
        "name": "labels", "time_zone": "UTC", "first_day": "2026-03-01", "columns": COLUMNS, "tasks": tasks,
        "sources": [{"name": "log", "files": "log_*", "format": "csv"}], "scenarios": [{"id": "home"}],
        "dedupe": {"key": ["user"]},
    })  # fmt: skip
    combinations = list(product(*(CELLS[name] for name in CELLS)))
    texts = [*combinations, *draw.choices(combinations, k=50)]
    rows = [{name: CELLS[name][text] for name, text in zip(CELLS, one, strict=True)} for one in texts]
    lines = [f"{n},a,home,2026-03-01T10:00:00Z,{','.join(one)}" for n, one in enumerate(texts)]
    header = ",".join(column["name"] for column in COLUMNS)
    (paths.landing / "log_1.csv").write_text("\n".join([header, *lines]) + "\n")
    lake, landed = Lake(paths.lake), index(contract, paths)
    list(ingest_days(contract, lake, landed, landed.days, None))

    expected = [judged(labels, rules, row) for row in rows]
    names = ", ".join(f"label_{name}" for name in STEPS)
    got = lake.scan(con, "impressions").order("record_number").project(f"record_number, {names}").fetchall()
    assert got == [(n, *told.values()) for n, (told, _, refused) in enumerate(expected, 1) if not refused]
    counters = lake.scan(con, "ingest_counters").filter("counter LIKE 'funnel%'").project("counter, detail, rows")
    found = {(counter, detail): n for counter, detail, n in counters.fetchall()}
    for before, name in pairwise(STEPS):
        hits = [one for one in expected if (one[1][name], one[1][before]) == (1, 0)]
        assert found["funnel_violation", name] == len(hits)
        assert found["funnel_violation_kept", name] == sum(not refused for _, _, refused in hits)
    for told in (one[0] for one in expected):
        assert all(not (told[before] == 0 and told[name] == 1) for before, name in pairwise(STEPS))
