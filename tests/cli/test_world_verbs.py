"""`hinet world write` and `hinet world show`, on a small world of one's own."""

import pyarrow.parquet as pq
import pytest

CONTRACT = """
name = "small"
extend = "meishi"
title = "A small world"
[world]
users = 300
items = 120
requests_per_day = 60
days = 3
calibration_requests = 300
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(CONTRACT)
    return path


def test_write_writes_the_days_asked_for_once(call, small, tmp_path):
    out = tmp_path / "log"
    status, said = call("world", "write", small, "--out", out, "--days", "2025-03-04..2025-03-05")
    assert (status, said) == (0, f"4 files of the simulated world in {out}\n")
    assert pq.read_table(out / "impressions" / "day=2025-03-04.parquet").num_rows == 600
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    assert call("world", "write", small, "--out", out)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(out.rglob("*.parquet"))) == 5
    status, said = call("world", "write", small, "--out", out, "--days", "2025-04-01")
    assert (status, "expected days from 2025-03-03 to 2025-03-05, found 2025-04-01" in said) == (1, True)
    status, said = call("world", "write", "kuairand", "--out", out)
    assert (status, "kuairand: expected a [world] section to simulate, found none" in said) == (1, True)
