"""Which days a model as of a day trains on, is stopped by, and is judged on.

As of D: V is the last committed day whose every task is settled at 00:00 of D. Training uses the `train_days` before
V and, for the tasks that are settled, the days between V and D. Judging uses the `judged_days` from D on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from hinet_core.contract import Contract

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class NotEnoughDays(ValueError):  # noqa: N818  the name other rooms import
    """The committed days do not reach for a model as of the day asked; the message says what is missing."""


@dataclass(frozen=True)
class Window:
    """Days of one as_of, each tuple oldest first. `judged_days` are calendar days, committed or not;
    `missing_days` are days of the training window and up to as_of that are not committed."""

    as_of: date
    train_days: tuple[date, ...]
    valid_day: date
    fresh_days: tuple[date, ...]
    judged_days: tuple[date, ...]
    missing_days: tuple[date, ...]

    @property
    def fitted_days(self) -> tuple[date, ...]:
        """All days whose rows train the model; the encoder learns its vocabulary from exactly these."""
        return self.train_days + self.fresh_days


def cutoff_us(contract: Contract, day: date) -> int:
    """00:00 of the day in the contract's time zone, as microseconds since 1970 UTC."""
    return (datetime.combine(day, time(), contract.zone) - EPOCH) // MICROSECOND


def is_settled(contract: Contract, day: date, as_of: date) -> bool:
    """Whether every task of every impression of the day has its final label at 00:00 of as_of.

    Counted on the clock, not in dates: over a clock change a day has 23 or 25 hours.
    """
    longest = max(task.matures_after for task in contract.tasks) // MICROSECOND
    return cutoff_us(contract, day + timedelta(days=1)) + longest <= cutoff_us(contract, as_of)


def window(contract: Contract, committed_days: Iterable[date], as_of: date) -> Window:
    """The days of a model as of `as_of`, chosen among the committed days of `examples`.

    The first `burn_in_days` of the log are never trained on. Raises NotEnoughDays.
    """
    committed = sorted(set(committed_days))
    past = [day for day in committed if day < as_of]
    first_usable = committed[0] + timedelta(days=contract.features.burn_in_days) if committed else as_of
    usable = [day for day in past if day >= first_usable]
    settled = [day for day in usable if is_settled(contract, day, as_of)]
    if len(settled) < 2:
        raise NotEnoughDays(shortage(contract, committed, settled, as_of))
    valid_day = settled[-1]
    settles = contract.maturity_days + 1
    if (as_of - valid_day).days > settles + contract.split.train_days:
        raise NotEnoughDays(
            f"the last settled day of examples before {as_of} is {valid_day}, {(as_of - valid_day).days} days earlier: "
            f"expected at most {settles + contract.split.train_days}, the {settles} until a day is settled and "
            f"train_days ({contract.split.train_days}). Ingest the days between, or take an as_of of "
            f"{past[-1] + timedelta(days=1)} or earlier"
        )
    oldest = valid_day - timedelta(days=contract.split.train_days)
    train_days = tuple(day for day in settled[:-1] if day >= oldest)
    if not train_days:
        raise NotEnoughDays(shortage(contract, committed, [valid_day], as_of))
    expected_from = max(oldest, first_usable)
    expected = [expected_from + timedelta(days=n) for n in range((as_of - expected_from).days)]
    return Window(
        as_of,
        train_days,
        valid_day,
        tuple(day for day in usable if day > valid_day),
        tuple(as_of + timedelta(days=n) for n in range(contract.split.judged_days)),
        tuple(day for day in expected if day not in set(past)),
    )


def shortage(contract: Contract, committed: list[date], settled: list[date], as_of: date) -> str:
    """Why no model as of the day can be trained."""
    have = f"{len(committed)} ({committed[0]} to {committed[-1]})" if committed else "none"
    first = (committed[0] if committed else contract.first_day) + timedelta(
        days=contract.features.burn_in_days + 2 + contract.maturity_days
    )
    return (
        f"a model as of {as_of} needs one training day and one validation day within {contract.split.train_days} days "
        f"of each other, after {contract.features.burn_in_days} burn-in days and settled for "
        f"{contract.maturity_days} days; found {len(settled)} such of {have} committed days of examples. "
        f"Ingest more days, or choose an as_of of {first} or later."
    )
