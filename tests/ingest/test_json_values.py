"""What stands for an id in NDJSON: a text, or a number, which is the same id however it is written."""

import json

import pytest
from test_layouts import BASE, PLACE, ROW, action, item, time, user

from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake

LINE = '{"user": %s, "item": "i", "at": "2026-03-01T10:00:00Z", "action": 1}'


@pytest.fixture
def read(paths, con):
    """Land users as they stand in JSON; answers with what was kept, and record number -> reasons of what was not."""

    def run(*users, **of_user):
        columns = [ROW, PLACE, user("user") | of_user, item("item"), time("at"), action("action")]
        source = {"name": "log", "files": "log*", "format": "ndjson"}
        contract = parse_contract(BASE | {"sources": [source], "columns": columns})
        (paths.landing / "log_1.ndjson").write_text("\n".join(LINE % one for one in users) + "\n")
        lake, landed = Lake(paths.lake), index(contract, paths)
        list(ingest_days(contract, lake, landed, landed.days, None))
        kept = lake.scan(con, "impressions").project('record_number, "user"').order("1").fetchall()
        refused = lake.scan(con, "quarantine").project("record_number, reasons").fetchall()
        return [one for _, one in kept], dict(refused)

    return run


def test_a_float_that_stands_for_a_whole_number_is_the_same_id(read):
    users = ["12", "12.0", "1.2e1", '"12.0"', '"1e2"', "12.5", "-0.0", "9007199254740991.0", "12345678901234567890"]
    assert read(*users)[0] == [
        "12", "12", "12", "12.0", "1e2", "12.5", "0", "9007199254740991", "12345678901234567890",
    ]  # fmt: skip


@pytest.mark.parametrize("one", ['{"id": 1}', '["a"]', "true", "false", "9007199254740992.0", "1e20", "1e400"])
def test_what_is_no_text_is_refused(read, one):
    text = json.dumps(one)
    assert read("1", one, text) == (["1", one], {2: ["user: not a string"]})


def test_a_map_reads_true_and_false(read):
    assert read("true", "false", map={"true": "yes", "false": "no"}) == (["yes", "no"], {})
