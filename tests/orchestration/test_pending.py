"""What is missing: stretches of days, the newest day that can be judged, when the next retrain is due."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from hinet_core.contract import load_contract, parse_contract
from hinet_core.ingest.pending import gaps
from hinet_core.lake import Lake
from orchestration.pending import newest_as_of, next_retrain, spans

D = date.fromisoformat


def test_spans_are_stretches_of_consecutive_days():
    days = [D("2026-03-03"), D("2026-03-01"), D("2026-03-02"), D("2026-03-07"), D("2026-03-31"), D("2026-04-01")]
    assert spans(days) == [
        (D("2026-03-01"), D("2026-03-03")),
        (D("2026-03-07"), D("2026-03-07")),
        (D("2026-03-31"), D("2026-04-01")),
    ]
    assert spans([]) == []


def days(first, last):
    return [D(first) + timedelta(days=n) for n in range((D(last) - D(first)).days + 1)]


def test_as_of_of_the_two_logs():
    kuairand, meishi = load_contract("kuairand"), load_contract("meishi")
    assert newest_as_of(kuairand, days("2022-04-24", "2022-05-07")) == D("2022-05-06")
    # T = 24 March, h = 2 judged days, m = 1 day until orders are settled.
    assert newest_as_of(meishi, days("2025-03-03", "2025-03-23")) == D("2025-03-21")


def test_a_gap_among_the_judged_days_moves_the_as_of_back():
    meishi = load_contract("meishi")
    there = [day for day in days("2025-03-03", "2025-03-23") if day != D("2025-03-22")]
    assert newest_as_of(meishi, there) == D("2025-03-20")
    assert newest_as_of(meishi, days("2025-03-03", "2025-03-04")) is None
    assert newest_as_of(meishi, []) is None


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_it_is_the_day_that_evaluation_accepts(tiny_raw, tmp_path, zone):
    from hinet_core.evaluation.run import newest_judged_as_of

    tiny_raw["time_zone"] = zone
    contract = parse_contract(tiny_raw)
    draw = random.Random(1)
    for case in range(40):
        # Around 29 March 2026 a day of Berlin has 23 hours.
        there = [day for day in days("2026-03-24", "2026-04-02") if draw.random() < 0.8]
        lake = Lake(tmp_path / str(case))
        for day in there:
            with lake.begin("examples", day) as draft:
                draft.commit()
        assert newest_as_of(contract, there) == newest_judged_as_of(contract, lake), there


def test_the_next_retrain_is_told_in_the_time_of_the_log():
    meishi = load_contract("meishi")  # 03:00 in Shanghai is 19:00 of the day before in UTC
    before, after = datetime(2026, 1, 1, 18, 59, tzinfo=UTC), datetime(2026, 1, 1, 19, 0, tzinfo=UTC)
    assert next_retrain(meishi, before).isoformat() == "2026-01-02T03:00:00+08:00"
    assert next_retrain(meishi, after).isoformat() == "2026-01-03T03:00:00+08:00"


def test_gaps_between_landed_days_are_one_sentence():
    days = [date(2026, 3, number) for number in (1, 2, 4, 5)]
    assert gaps(days[:2]) == []
    assert gaps(days) == [
        "2026-03-03: no landed file has a row of this day, so readers see a gap; deliver the file and run again"
    ]
    (many,) = gaps([date(2026, 3, 1), date(2026, 3, 20)])
    assert gaps(days, committed=[date(2026, 3, 3)]) == []
    assert many.startswith("18 days, 2026-03-02 to 2026-03-19: no landed file has a row of these days")
    assert many.endswith(
        "or, if times from 2026-03-20 on are wrong (`hinet books` names their file), set `last_day` in the contract"
    )
