"""Damage to files of late outcomes: it refuses rows or the file, and never an exposure."""

from datetime import timedelta
from random import Random

from damages import damage, one_of
from drawn_values import MISSING, Cell
from late_truth import Late, add_outcome
from log_truth import Log, Row


def outcome(rng: Random, log: Log) -> tuple[Late, Row]:
    """A row of outcomes that nothing is wrong with yet, made for the purpose."""
    late: Late = log.late
    exposure = one_of(rng, [row for file in log.files for row in file.rows if row.fates == ("kept",)])
    moment = exposure.values[log.role("time").name] + timedelta(hours=1)
    return late, add_outcome(rng, log, late, exposure.values, moment)


@damage(has=("late",))
def outcome_without_time(rng: Random, log: Log) -> None:
    late, row = outcome(rng, log)
    row.cells[late.at.found_in[0]] = rng.choice([MISSING, Cell("soon"), Cell("2026-02-30")])
    row.refuse(f"^{late.at.name}: ")


@damage(has=("late",))
def outcome_without_key(rng: Random, log: Log) -> None:
    late, row = outcome(rng, log)
    name, column = rng.choice(list(late.keys.items()))
    row.cells[column] = MISSING
    row.refuse(f"^{name}: missing")


@damage(has=("late",))
def outcome_of_nobody(rng: Random, log: Log) -> None:
    """A key that no exposure has: the row waits."""
    late, row = outcome(rng, log)
    user = next(one for one in log.fields if one.role == "user")
    value = 10**15 if user.kind.type == "int64" else "nobody"
    row.values[user.name], row.cells[late.keys[user.name]] = value, Cell(str(value))


@damage(has=("late",), plain=True)
def outcome_line_broken(rng: Random, log: Log) -> None:
    _, row = outcome(rng, log)
    more = rng.randrange(2)
    row.shape = lambda fields: [*fields, "x"] if more else ["x", *fields[1:2]]
    row.refuse("^line: ")


@damage(has=("late",))
def outcome_twice(rng: Random, log: Log) -> None:
    late, row = outcome(rng, log)
    late.file.rows += [row] * (1 + rng.randrange(2))


@damage(has=("late",), compression=".gz")
def outcome_file_cut(rng: Random, log: Log) -> None:
    share = rng.random()
    log.late.file.tamper = lambda data: data[: max(1, int(len(data) * share))][: len(data) - 1]
    log.late.file.refuse(".")


@damage(has=("late",))
def outcome_file_empty(rng: Random, log: Log) -> None:
    log.late.file.tamper = lambda data: b""
    log.late.file.refuse("empty")
