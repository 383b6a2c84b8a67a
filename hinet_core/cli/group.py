"""The group that every verb joins, and what all verbs share: the contract option and errors as one sentence."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

import click

from hinet_core.contract import Contract, load_contract
from hinet_core.lake import Lake, LakeError, told
from hinet_core.lock import BusyError
from hinet_core.settings import Paths, load_settings

# The verbs of a file stand under its heading in `hinet --help`, headings in this order.
HEADINGS = {
    "home": "Start",
    "contracts": "Contracts",
    "logs": "Logs",
    "quarantine": "Logs",
    "forget": "Logs",
    "days": "Tables",
    "tables": "Tables",
    "quality": "Data quality",
    "models": "Models",
    "experiments": "Models",
    "explain": "Models",
    "training": "Models",
    "lift": "Lift",
    "online": "Online tests",
    "off_policy": "Logs with propensities",
    "snapshot": "Dashboard",
    "world": "Simulated world",
}

contract_option = click.option(
    "--contract",
    "name",
    default=lambda: os.environ.get("CONTRACT") or "meishi",
    show_default="CONTRACT, else meishi",
    help="Name of a packaged contract, or the path of a .toml file.",
)

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class DaySpan:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def every(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}..{self.last}"


class DaySpanType(click.ParamType):
    """`2026-03-01` or `2026-03-01..2026-03-07`."""

    name = "A..B"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> DaySpan:
        if isinstance(value, DaySpan):
            return value
        first, _, last = str(value).partition("..")
        try:
            span = DaySpan(date.fromisoformat(first), date.fromisoformat(last or first))
        except ValueError:
            self.fail(f"found {value!r}, allowed: a day such as 2026-03-01, or 2026-03-01..2026-03-07", param, ctx)
        if span.first > span.last:
            self.fail(f"found {value!r}, allowed: the earlier day first", param, ctx)
        return span


days_option = click.option(
    "--days", type=DaySpanType(), help="One day or a range, 2026-03-01..2026-03-07, whether out of date or not."
)


def seed_option(what: str) -> Callable[[Command], Command]:
    """`--seed`, 0 if not given; 32 bits, which is what every generator of random numbers takes."""
    return click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), default=0, show_default=True, help=what)


@contextmanager
def one_sentence() -> Iterator[None]:
    """What people can repair ends in one sentence and status 1."""
    import duckdb

    try:
        yield
    except KeyboardInterrupt as error:
        raise Stopped from error
    except (ValueError, LakeError, OSError, BusyError) as error:
        raise click.ClickException(told(error)) from error
    except duckdb.Error as error:
        raise click.ClickException(str(error).strip().splitlines()[0]) from error
    except RuntimeError as error:
        if str(error) != "Query interrupted":  # so DuckDB says Ctrl-C
            raise
        raise Stopped from error


class Stopped(click.ClickException):
    """Ctrl-C, with the status that shells know it by."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped before it was done. What is finished stays; run the same again to go on")


class ProgressLines(logging.Handler):
    """Progress where there is no terminal for a bar: lines on stderr, whoever reads them."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


class Verbs(click.Group):
    """A group whose help lists its verbs under the heading of the file that they stand in."""

    def invoke(self, ctx: click.Context) -> object:
        """Ctrl-C is the same sentence where a verb is still importing what it needs, which takes seconds."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Stopped from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS.values()}
        for name, command in self.commands.items():
            found[HEADINGS[file_of(command)]].append((name, command.get_short_help_str(limit=500)))
        for heading, rows in found.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def file_of(command: click.Command) -> str:
    """The file of this package that defines a verb: `hinet_core.cli.logs` -> `logs`."""
    return "" if command.callback is None else command.callback.__module__.rpartition(".")[2]


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Logs, tables and models of the platform. Everything is kept under HINET_HOME (default: var)."""
    progress = logging.getLogger("hinet.progress")
    progress.setLevel(logging.INFO)
    progress.handlers = [ProgressLines()]


def places(name: str) -> tuple[Contract, Paths, Lake]:
    """The contract, its folders under HINET_HOME and its lake."""
    contract = load_contract(name)
    paths = load_settings().paths(contract.name)
    return contract, paths, Lake(paths.lake)


def end_with(problems: Iterable[str]) -> None:
    """What did not work, a sentence each on stderr, and status 1; nothing when all went well."""
    said = list(problems)
    for problem in said:
        click.echo(f"Error: {problem}", err=True)
    if said:
        raise SystemExit(1)
