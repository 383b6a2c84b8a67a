"""An input that knows the answer is named, with its AUC and what to do; honest inputs and unsettled labels are not."""

import random
from datetime import date, datetime, timedelta

import pytest
import tiny_log
from tiny_log import number, tiny_contract

from hinet_core.contract import contract_path, load_contract, packaged_contracts
from hinet_core.contract.bounds import Leaks, Quality
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake
from hinet_core.quality.inputs import settled_until_us
from hinet_core.quality.leaks import leaks, named_like_outcomes, sampled, write_leaks
from hinet_core.settings import Paths

FIRST = date(2024, 3, 6)
N_DAYS = 4


def logged(root, price=lambda place, click, ordered: place % 7):
    """Days of 200 rows: every fourth is clicked, every eighth is ordered; `price` is an input."""
    rows = []
    for day in range(N_DAYS):
        start = number(FIRST + timedelta(days=day)) * 24 * tiny_log.HOUR_US
        for place in range(200):
            click, ordered = place % 4 == 0, place % 8 == 0
            us = start + 1 + place * 60_000_000
            rows.append(
                tiny_log.row("UTC", us, place, user=f"u{place % 50}", shop=place % 9, click=click,
                             order_us=us + 1 if ordered else None, price=price(place, click, ordered))
            )  # fmt: skip
    return tiny_log.write_ingest(root, rows)


def by_name(findings):
    return {one.check_name: one for one in findings}


def test_the_input_that_knows_is_named_with_its_auc_and_what_to_do(con, tmp_path):
    lake = logged(tmp_path, lambda place, click, ordered: 2.0 + place % 3 if click else place % 2)
    contract = tiny_contract()
    found = by_name(write_leaks(con, contract, lake))
    failed = {name for name, one in found.items() if one.status == "fail"}
    assert failed == {"single_input: price for click"}
    finding = found["single_input: price for click"]
    assert finding.observed > 0.95 and finding.n_rows == 800 and not finding.blocks
    assert finding.sentence.startswith(
        "expected column price alone predicts click with an AUC of at most 0.9, found 1.000"
    )
    assert "give the column role = 'outcome'" in finding.sentence
    # Kept beside the findings of ingest, on the newest day.
    rows = lake.scan(con, "dq_results").filter("status = 'fail'").project("day, kind, column_name, severity").fetchall()
    assert rows == [(FIRST + timedelta(days=N_DAYS - 1), "single_input", "price", "warning")]


def test_what_one_scenario_alone_gives_away_is_found_there(con, tmp_path):
    def rows_of(leaking):
        chance = random.Random(3)
        for place in range(2400):
            scenario, click = ("home" if place % 8 else "map"), chance.random() < 0.3
            city = ("xy"[click] if scenario == leaking else None) or chance.choice("xy")  # a code for clicked or not
            price = chance.choice([None, 2.0]) if scenario != leaking else 2.0 if click else None  # there when clicked
            us = number(FIRST) * 24 * tiny_log.HOUR_US + 1 + place * 1_000_000
            yield tiny_log.row("UTC", us, place, place=scenario, click=click, city=city, price=price)

    for leaking in ("map", "home", None):
        lake = tiny_log.write_ingest(tmp_path / str(leaking), list(rows_of(leaking)))
        failed = by_name(one for one in leaks(con, tiny_contract(), lake) if one.status == "fail")
        assert set(failed) == {f"single_input: {one} for click" for one in ("city", "price") if leaking}
        for one in failed.values():
            # Seven of eight rows are of `home`: there all scenarios together tell it.
            where, auc = (" in scenario map", 1.0) if leaking == "map" else ("", pytest.approx(0.94, abs=0.02))
            assert (one.scenario_id, one.observed) == (where.removeprefix(" in scenario "), auc)
            assert f"alone predicts click{where} with an AUC of at most" in one.sentence


def test_only_settled_rows_count(con, tmp_path):
    """An order is settled after 24 hours, so the newest day has none."""
    found = by_name(leaks(con, tiny_contract(), logged(tmp_path)))
    assert found["single_input: price for click"].n_rows == 800
    assert found["single_input: price for order"].n_rows == 600
    end = datetime(2024, 3, 10).timestamp() - datetime(1970, 1, 1).timestamp()
    assert settled_until_us(tiny_contract(), tiny_contract().tasks[1], date(2024, 3, 9)) == (end - 86400) * 1_000_000


def test_few_positives_get_no_verdict(con, tmp_path):
    lake = logged(tmp_path, lambda place, click, ordered: float(ordered))
    contract = tiny_contract(quality={"leaks": {"min_positives": 76}})
    found = by_name(leaks(con, contract, lake))["single_input: price for order"]
    assert (found.status, found.note) == ("pass", "not judged: only 75 settled rows of one class, 76 are needed")
    assert found.observed > 0.95


def test_a_name_is_suspected_before_any_row_can_tell(con, tmp_path):
    lake = logged(tmp_path)
    columns = [
        {**one, "name": "dwell_time"} if one["name"] == "price" else one for one in tiny_log.CONTRACT["columns"]
    ]
    found = by_name(leaks(con, tiny_contract(columns=columns), lake))["input_name: dwell_time"]
    assert found.status == "fail" and "'dwell_time' tells how long somebody stayed" in found.sentence
    assert leaks(con, tiny_contract(), Lake(tmp_path / "empty")) == []


def test_many_rows_are_sampled_evenly(con, tmp_path):
    lake = logged(tmp_path)
    contract = tiny_contract()
    few = contract.model_copy(update={"quality": Quality.model_construct(leaks=Leaks.model_construct(sample_rows=200))})
    assert sampled(con, contract, lake, "impressions", lake.days("ingest")).num_rows == 800
    assert 130 < sampled(con, few, lake, "impressions", lake.days("ingest")).num_rows < 270


def with_play_time_as_input(folder):
    """The packaged contract with one mistake in it."""
    text = contract_path("kuairand").read_text(encoding="utf-8")
    listed = 'name = ["play_time_ms", '
    assert listed in text
    path = folder / "kuairand.toml"
    feature = '[[columns]]\nname = "play_time_ms"\ntype = "int64"\nrole = "feature"\nencode = "number"\n\n[[scenarios]]'
    path.write_text(text.replace(listed, "name = [").replace("[[scenarios]]", feature, 1))
    return load_contract(str(path))


@pytest.mark.slow
def test_play_time_is_caught_on_the_real_log_and_no_honest_input_is(kuairand_data, tmp_path, con):
    contract = with_play_time_as_input(tmp_path)
    paths = Paths(tmp_path / "home")
    land(contract, paths, kuairand_data)
    landed, lake = index(contract, paths), Lake(paths.lake)
    list(ingest_days(contract, lake, landed, landed.days[:4], None))
    failed = [one for one in leaks(con, contract, lake) if one.status == "fail"]
    assert {one.column_name for one in failed} == {"play_time_ms"}
    assert [one.check_name for one in failed] == [
        "input_name: play_time_ms", "single_input: play_time_ms for click", "single_input: play_time_ms for long_view",
    ]  # fmt: skip
    assert all(one.observed > 0.9 for one in failed[1:])


@pytest.mark.parametrize("name", packaged_contracts())
def test_no_packaged_contract_is_suspected_by_name(name):
    contract = load_contract(name)
    assert list(named_like_outcomes(contract, contract.first_day)) == []
