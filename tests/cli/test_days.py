"""`hinet ingest` and `hinet features` on a tiny log with a whole funnel: the same days that Dagster would make."""

import pytest
from tiny_shop import CONTRACT, HEADER, line

from hinet_core.lake import Lake, connect

pytestmark = pytest.mark.slow

DAYS = ["2026-03-01", "2026-03-02", "2026-03-03"]


@pytest.fixture
def shop(tmp_path, call):
    """Contract file, data folder, and the lake after landing three good days."""
    contract = tmp_path / "shop.toml"
    contract.write_text(CONTRACT)
    data = tmp_path / "data"
    data.mkdir()
    for number, day in enumerate(DAYS, 1):
        rows = [line(user, f"{day}T{hour:02}:00:00Z") for user in range(1, 4) for hour in (9, 10)]
        (data / f"log_{number}.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    assert call("land", "--contract", contract, data)[0] == 0
    return contract, data, Lake(tmp_path / "home" / "shop" / "lake")


def test_ingest_reads_what_is_new_and_says_the_books(call, shop):
    contract, _, lake = shop
    status, said = call("ingest", "--contract", contract)
    assert (status, said.splitlines()) == (0, [f"{day}: 6 read = 6 kept + 0 duplicate + 0 quarantined" for day in DAYS])
    assert call("ingest", "--contract", contract) == (0, "nothing to read: all 3 landed days are in\n")
    before = lake.manifest("ingest", lake.days("ingest")[1])
    status, said = call("ingest", "--contract", contract, "--days", "2026-03-02")
    assert (status, said) == (0, "2026-03-02: 6 read = 6 kept + 0 duplicate + 0 quarantined\n")
    after = lake.manifest("ingest", lake.days("ingest")[1])
    assert after.run != before.run and after.content_hash == before.content_hash
    said = call("ingest", "--contract", contract, "--days", "2026-03-02..2026-03-09")[1]
    assert [text[:10] for text in said.splitlines()] == DAYS[1:]


def test_a_day_that_is_kept_out_is_one_sentence_and_status_1(call, shop):
    contract, data, lake = shop
    (data / "log_4.csv").write_text("\n".join([HEADER, line(1, "2026-03-04T09:00:00Z", place="moon")]) + "\n")
    assert call("land", "--contract", contract, data)[0] == 0
    status, said = call("ingest", "--contract", contract)
    assert status == 1
    assert "2026-03-04: 1 read = 0 kept + 0 duplicate + 1 quarantined; kept out\n" in said
    assert "Error: 2026-03-04 is kept out by check unknown_scenario_share" in said
    assert "; 1 of 1 rows are refused, `hinet quarantine` says why" in said
    assert [day.isoformat() for day in lake.days("ingest")] == DAYS


def test_a_refused_file_and_a_gap_are_told(call, shop):
    contract, data, _ = shop
    (data / "log_5.csv").write_text("\n".join([HEADER, line(1, "2026-03-05T09:00:00Z")]) + "\n")
    call("land", "--contract", contract, data)
    status, said = call("ingest", "--contract", contract)
    assert status == 1
    assert "Error: 2026-03-04: no landed file has a row of this day" in said
    (data / "log_6.csv").write_bytes(b"")
    call("land", "--contract", contract, data)
    status, said = call("ingest", "--contract", contract)
    assert (status, said.count("Error: ")) == (1, 1)
    assert "Error: log_6.csv: the file is empty" in said


@pytest.mark.parametrize("day", DAYS[1:])
def test_a_day_whose_files_are_gone_stays_and_is_named(call, shop, day):
    contract, _, lake = shop
    assert call("ingest", "--contract", contract)[0] == 0
    rows = lake.scan(connect(), "impressions").fetchall()
    for path in (lake.root.parent / "landing").glob(f"log_{int(day[-1])}.csv"):
        path.unlink()
    status, said = call("ingest", "--contract", contract)
    assert (status, f"{day}: no landed file has a row of this day any more; what was read" in said) == (0, True), said
    assert lake.scan(connect(), "impressions").fetchall() == rows


@pytest.mark.parametrize("days", ["2026-02-30", "2026-03-02..2026-03-01", "yesterday"])
def test_days_that_are_none_are_refused_with_what_is_allowed(call, shop, days):
    status, said = call("ingest", "--contract", shop[0], "--days", days)
    assert status == 2
    assert f"found '{days}', allowed:" in said


def test_days_that_nobody_landed_are_one_sentence(call, shop):
    status, said = call("ingest", "--contract", shop[0], "--days", "2026-04-01")
    assert (status, said.count("\n")) == (1, 1)
    assert "landed days are 2026-03-01 to 2026-03-03" in said


def test_features_follow_what_was_ingested(call, shop):
    contract, _, lake = shop
    status, said = call("features", "--contract", contract)
    assert status == 1 and "run `hinet ingest" in said
    call("ingest", "--contract", contract)
    status, said = call("features", "--contract", contract)
    assert status == 0
    assert said.splitlines()[-1] == "examples: 3 days, 18 rows"
    assert lake.days("examples") == lake.days("entity_daily") == lake.days("ingest")
    assert call("features", "--contract", contract)[1].splitlines()[-1] == "examples: 0 days, 0 rows"
    assert call("features", "--contract", contract, "--days", DAYS[0])[1].splitlines()[-1] == "examples: 1 days, 6 rows"
    status, text = call("sql", "--contract", contract, "--csv", "select count(*) from examples")
    assert text.split() == ["count_star()", "18"]


def test_a_day_whose_rows_moved_is_taken_back_when_asked(call, shop):
    contract, data, lake = shop
    call("ingest", "--contract", contract)
    call("features", "--contract", contract)
    assert call("withdraw", "--contract", contract, "2026-03-03")[0] == 1
    (data / "log_3.csv").write_text("\n".join([HEADER, line(9, "2026-03-02T09:00:00Z")]) + "\n")
    call("land", "--contract", contract, data)
    status, said = call("ingest", "--contract", contract)
    assert (status, "2026-03-03: no landed file has a row" in said, "`hinet withdraw`" in said) == (0, True, True)
    assert [day.isoformat() for day in lake.days("ingest")] == DAYS
    status, said = call("withdraw", "--contract", contract, "2026-03-03")
    assert (status, said) == (0, "1 days taken back: 2026-03-03; `hinet features` or make run follows\n")
    assert [day.isoformat() for day in lake.days("ingest")] == DAYS[:2]
    assert [day.isoformat() for day in lake.days("examples")] == DAYS[:2]
    assert "2026-03-03" not in call("books", "--contract", contract, "--csv")[1]
    assert call("ingest", "--contract", contract) == (0, "nothing to read: all 2 landed days are in\n")
    assert call("withdraw", "--contract", contract, "2026-03-03")[1].count("no such day is ingested") == 1
