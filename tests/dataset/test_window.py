"""Which days train, stop and judge a model, worked out by hand."""

from datetime import UTC, date, datetime, timedelta

import pytest
from tiny_log import tiny_contract

from hinet_core.contract import Contract, load_contract
from hinet_core.dataset import NotEnoughDays, cutoff_us, window

FIRST = date(2024, 3, 1)


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def contract(burn_in: int = 0, train_days: int = 5, mature: str = "24h", zone: str = "UTC") -> Contract:
    tasks = [{"name": "click", "label": "clicked"}, {"name": "order", "label": "ordered", "matures_after": mature}]
    return tiny_contract(
        time_zone=zone,
        tasks=tasks,
        features={"windows_days": [1], "burn_in_days": burn_in},
        split={"train_days": train_days, "judged_days": 2},
    )


def test_the_days_of_a_model_as_of_a_day() -> None:
    found = window(contract(), days(FIRST, date(2024, 3, 20)), date(2024, 3, 12))
    assert found.valid_day == date(2024, 3, 10)  # the 11th is not settled for a day yet
    assert found.train_days == tuple(days(date(2024, 3, 5), date(2024, 3, 9)))
    assert found.fresh_days == (date(2024, 3, 11),)
    assert found.judged_days == (date(2024, 3, 12), date(2024, 3, 13))
    assert found.missing_days == ()
    assert found.fitted_days == (*days(date(2024, 3, 5), date(2024, 3, 9)), date(2024, 3, 11))


def test_a_month_later_the_same_days_are_chosen() -> None:
    now = window(contract(), days(FIRST, date(2024, 3, 11)), date(2024, 3, 12))
    later = window(contract(), days(FIRST, date(2024, 4, 12)), date(2024, 3, 12))
    assert now == later


@pytest.mark.parametrize(
    ("mature", "valid_day"),
    [("0s", date(2024, 3, 11)), ("1s", date(2024, 3, 10)), ("24h", date(2024, 3, 10)), ("25h", date(2024, 3, 9))],
)
def test_the_validation_day_is_settled(mature: str, valid_day: date) -> None:
    assert window(contract(mature=mature), days(FIRST, date(2024, 3, 11)), date(2024, 3, 12)).valid_day == valid_day


def test_a_short_day_settles_later() -> None:
    """The clocks of New York skip an hour on 10 March 2024: 24 hours after the 9th end at 01:00 of the 11th."""
    committed = days(FIRST, date(2024, 3, 20))
    spring = contract(zone="America/New_York")
    assert window(spring, committed, date(2024, 3, 11)).valid_day == date(2024, 3, 8)
    assert window(spring, committed, date(2024, 3, 12)).valid_day == date(2024, 3, 10)


def test_burn_in_days_are_not_trained_on() -> None:
    found = window(contract(burn_in=2, train_days=30), days(FIRST, date(2024, 3, 11)), date(2024, 3, 8))
    assert found.train_days == (date(2024, 3, 3), date(2024, 3, 4), date(2024, 3, 5))
    assert found.missing_days == ()


def test_gaps_are_named_and_the_validation_day_moves_back() -> None:
    committed = [day for day in days(FIRST, date(2024, 3, 20)) if day.day not in (7, 10)]
    found = window(contract(), committed, date(2024, 3, 12))
    assert found.valid_day == date(2024, 3, 9)
    assert found.train_days == tuple(date(2024, 3, day) for day in (4, 5, 6, 8))
    assert found.fresh_days == (date(2024, 3, 11),)
    assert found.missing_days == (date(2024, 3, 7), date(2024, 3, 10))


def test_days_that_are_long_gone_are_no_ground_for_a_model() -> None:
    """Maturity is one day, the window five: the last settled day may be seven days before as_of."""
    committed = days(FIRST, date(2024, 3, 11))
    assert window(contract(), committed, date(2024, 3, 18)).valid_day == date(2024, 3, 11)
    said = r"is 2024-03-11, 8 days earlier: expected at most 7, the 2 until .* \(5\)\. .* as_of of 2024-03-12"
    with pytest.raises(NotEnoughDays, match=said):
        window(contract(), committed, date(2024, 3, 19))
    late = contract(mature="168h")
    assert window(late, committed, date(2024, 3, 24)).valid_day == date(2024, 3, 11)
    with pytest.raises(NotEnoughDays, match="14 days earlier: expected at most 13, the 8 until a day is settled"):
        window(late, committed, date(2024, 3, 25))


@pytest.mark.parametrize("committed", [[], [FIRST], [FIRST, date(2024, 3, 10)]])
def test_too_few_days_say_what_is_missing(committed: list[date]) -> None:
    with pytest.raises(NotEnoughDays, match=r"as of 2024-03-12 needs one training day .* Ingest more days"):
        window(contract(), committed, date(2024, 3, 12))


def test_the_earliest_day_that_is_advised_is_enough() -> None:
    with pytest.raises(NotEnoughDays, match="or choose an as_of of 2024-03-06 or later"):
        window(contract(burn_in=2), days(FIRST, date(2024, 3, 20)), date(2024, 3, 5))
    assert window(contract(burn_in=2), days(FIRST, date(2024, 3, 20)), date(2024, 3, 6)).train_days


def test_a_day_begins_at_midnight_of_the_zone() -> None:
    for zone, day, hour in [("Asia/Shanghai", 5, 16), ("America/New_York", 6, 5), ("UTC", 6, 0)]:
        expected = datetime(2024, 3, day, hour, tzinfo=UTC)
        assert cutoff_us(contract(zone=zone), date(2024, 3, 6)) == int(expected.timestamp()) * 1_000_000
    summer = contract(zone="America/New_York")
    lengths = [cutoff_us(summer, date(2024, 3, day + 1)) - cutoff_us(summer, date(2024, 3, day)) for day in (9, 10)]
    assert [length / 3_600_000_000 for length in lengths] == [24, 23]


def test_kuairand_as_its_split_is_documented() -> None:
    found = window(load_contract("kuairand"), days(date(2022, 4, 24), date(2022, 5, 7)), date(2022, 5, 6))
    assert found.valid_day == date(2022, 5, 5)
    assert (found.train_days[0], found.train_days[-1]) == (date(2022, 4, 26), date(2022, 5, 4))
    assert found.judged_days == (date(2022, 5, 6), date(2022, 5, 7))
