"""`call` runs a verb in a home of its own; a tiny log of four lines, landed and ingested without an audit."""


import pytest
from click.testing import CliRunner

from hinet_core import cli
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index

HEADER = "user,item,place,shown_at,slot,clicked,ordered,ordered_at,price"
LINES = [
    "1,a,1,2026-03-27T10:00:00Z,1,1,0,,9.5",
    "2,a,2,2026-03-28T10:00:00Z,1,0,0,,9.5",
    "0,a,1,2026-03-28T10:00:00Z,1,0,0,,9.5",
    "3,a,moon,2026-03-28T10:00:00Z,1,0,0,,9.5",
]
TINY = """
name = "tiny"
title = "Tiny"
time_zone = "Europe/Berlin"
first_day = 2026-03-01
last_day = 2026-04-30
dedupe = { key = ["user", "item", "shown_at"] }
sources = [{ name = "log", files = "log_*.csv", format = "csv" }]
columns = [
  { name = "user", type = "int64", role = "user", min = 1 },
  { name = "item", type = "string", role = "item", encode = "id" },
  { name = "place", type = "string", role = "scenario" },
  { name = "shown_at", type = "timestamp", role = "time", parse = "iso" },
  { name = "clicked", type = "int8", role = "outcome", values = [0, 1] },
]
scenarios = [{ id = "home", values = ["1"] }, { id = "search", values = ["2"] }]
tasks = [{ name = "click", label = "clicked" }]
"""


@pytest.fixture
def contract(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return str(path)


@pytest.fixture
def call(tmp_path, monkeypatch):
    """A verb with its arguments: status and output."""
    monkeypatch.setenv("HINET_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CONTRACT", raising=False)

    def invoke(*arguments):
        found = CliRunner().invoke(cli.main, [str(one) for one in arguments])
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
        return found.exit_code, found.output

    return invoke


@pytest.fixture
def landed(call, contract, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "log_1.csv").write_text("\n".join([HEADER, *LINES]) + "\n")
    assert call("land", "--contract", contract, data) == (
        0,
        "1 new files; landed days: 2026-03-27 to 2026-03-28 (2)\n",
    )
    found, paths, lake = cli.places(contract)
    days = index(found, paths)
    list(ingest_days(found, lake, days, days.days, None))
    lake.rebuild_catalog(paths.catalog)
    return paths
