"""Late outcomes from the shell: what landed, what was read again, and where every row of their files went."""

import csv
import io
import json

import pytest
from late_log import late_raw, write_csv

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(tmp_path):
    """The contract file, written as the TOML that its dictionary stands for, and a folder with one log file."""
    path, data = tmp_path / "late.toml", tmp_path / "data"
    path.write_text(as_toml(late_raw()))
    data.mkdir()
    write_csv(data, "log_1.csv", ["1,7,a,home,2026-03-27T10:00:00Z,1", "2,7,a,search,2026-03-28T10:00:00Z,1"])
    return path, data


def as_toml(raw):
    """JSON is TOML once keys stand before '=', which inline tables allow for all but the top level."""
    return "\n".join(f"{key} = {inline(value)}" for key, value in raw.items())


def inline(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


def test_a_late_file_is_landed_read_and_kept_in_the_books(call, shop):
    contract, data = shop
    assert call("land", "--contract", contract, data) == (
        0, "1 new files; landed days: 2026-03-27 to 2026-03-28 (2)\n",
    )  # fmt: skip
    assert call("ingest", "--contract", contract)[0] == 0
    write_csv(data, "orders_1.csv", ["2,a,1,2026-03-29T09:00:00Z,3", "9,a,1,2026-03-29T09:00:00Z,", "2,a,5,,"])
    assert call("land", "--contract", contract, data) == (
        0,
        "1 new files; landed days: 2026-03-27 to 2026-03-28 (2); outcomes known from 2026-03-29 to 2026-03-29 (1)\n",
    )
    _, said = call("ingest", "--contract", contract)
    assert "2026-03-28: 1 read = 1 kept + 0 duplicate + 0 quarantined\n" in said
    assert "outcome files: 3 read = 1 matched + 0 duplicate + 1 unmatched + 1 quarantined\n" in said
    assert table(call, "books", "--contract", contract, "--outcomes") == [
        ["day", "source", "file", "state", "read", "matched", "duplicate", "unmatched", "quarantined"],
        ["2026-03-29", "orders", "orders_1.csv", "committed", "3", "1", "0", "1", "1"],
        ["all", "orders", "", "committed", "3", "1", "0", "1", "1"],
    ]
    refused = table(call, "quarantine", "--contract", contract, "--by", "row")
    assert [row[1:5] for row in refused[1:]] == [
        ["committed", "orders_1.csv", "3", "ordered: not an allowed value; ordered_at: missing"],
        ["waiting", "orders_1.csv", "2", "waiting: no exposure that it belongs to"],
    ]


def table(call, *arguments):
    status, text = call(*arguments, "--csv")
    assert status == 0
    return list(csv.reader(io.StringIO(text)))
