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


def test_show_has_rates_ceilings_and_correlations(call, small):
    status, said = call("world", "show", small, "--requests", 40, "--csv")
    assert status == 0
    lines = said.splitlines()
    assert lines[0] == "scenario,rate,asked for,got"
    assert lines[1].startswith("home_feed,ctr,0.1000,0.")
    assert lines[13] == "scenario,latent AUC click,order,feature AUC click,order,oracle lift,random lift"
    assert [line.split(",")[0] for line in lines[14:21]][::6] == ["home_feed", "pooled"]
    assert lines[22] == "1,home_feed click,1.00,0.80,0.70,0.60,0.65,0.55,0.50,0.40,0.50,0.40,0.50,0.40"
    assert call("world", "show", small, "--requests", 40)[1].count("home_feed") == 5
