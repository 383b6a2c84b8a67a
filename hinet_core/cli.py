"""`hinet`: look at contracts, tables, models and refused rows; land files and publish. Verbs import what they need."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import click

from hinet_core.contract import Contract, load_contract, packaged_contracts
from hinet_core.lake import Lake, LakeError, connect, parquet_list
from hinet_core.settings import Paths, load_settings

ROWS_SHOWN = 200

contract_option = click.option(
    "--contract",
    "name",
    default=lambda: os.environ.get("CONTRACT") or "meishi",
    show_default="CONTRACT, else meishi",
    help="Name of a packaged contract, or the path of a .toml file.",
)


@contextmanager
def one_sentence() -> Iterator[None]:
    """What people can repair ends in one sentence and status 1."""
    import duckdb

    try:
        yield
    except (ValueError, LakeError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except duckdb.Error as error:
        raise click.ClickException(str(error).strip().splitlines()[0]) from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Logs, tables and models of the platform. Everything is kept under HINET_HOME (default: var)."""


@main.group("contract")
def contract_group() -> None:
    """Check and show contracts."""


@contract_group.command("check")
@click.argument("file")
def contract_check(file: str) -> None:
    """Check a contract FILE (or packaged name); every mistake is listed with its key, and the status is 1."""
    with one_sentence():
        contract = load_contract(file)
    click.echo(
        f"{file}: a valid contract: {len(contract.columns)} columns, {len(contract.modelled)} modelled of "
        f"{len(contract.scenarios)} scenarios, {len(contract.tasks)} tasks"
    )


@contract_group.command("show")
@click.argument("name")
def contract_show(name: str) -> None:
    """Show what a contract declares and what follows from it."""
    with one_sentence():
        contract = load_contract(name)
    click.echo(f"{contract.name}: {contract.title}\n{contract.description}".rstrip())
    days = f"{contract.first_day} to {contract.last_day or 'today'}, {contract.time_zone}"
    click.echo(f"days {days}; settled after {contract.maturity_days} days; fingerprint {contract.data_fingerprint}\n")
    show(
        ["column", "type", "role", "input", "description"],
        [[one.name, one.type, one.role, one.encode or "", one.description] for one in contract.columns],
    )
    show(
        ["scenario", "values in the log", "modelled", "title"],
        [[one.id, ", ".join(one.log_values), "yes" if one.modelled else "no", one.title] for one in contract.scenarios],
    )
    show(
        ["task", "after", "settled after", "title"],
        [[one.name, one.after or "", str(one.matures_after), one.title] for one in contract.tasks],
    )


@main.command()
def init() -> None:
    """Make HINET_HOME with Dagster's settings and print the environment that Dagster's own commands need."""
    with one_sentence():
        settings = load_settings()
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
        target = settings.dagster_home / "dagster.yaml"
        if not target.exists():
            target.write_text((resources.files("orchestration") / "dagster.yaml").read_text())
    click.echo(f"export HINET_HOME={settings.home}\nexport DAGSTER_HOME={settings.dagster_home}")
    click.echo("export DAGSTER_DISABLE_TELEMETRY=yes")
    click.echo(f"# contracts that come along: {', '.join(packaged_contracts())}")


@main.command()
@contract_option
@click.argument("folder", type=click.Path(path_type=Path))
def land(name: str, folder: Path) -> None:
    """Copy the files that the contract names from FOLDER into landing."""
    from hinet_core.ingest.landing import index
    from hinet_core.ingest.landing import land as copy_in

    with one_sentence():
        contract, paths, _ = places(name)
        copied = copy_in(contract, paths, folder)
        days = index(contract, paths).days
    click.echo(f"{len(copied)} new files; landed days: {days[0]} to {days[-1]} ({len(days)})")


@main.command()
@contract_option
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated on stdout, all rows.")
@click.argument("query")
def sql(name: str, as_csv: bool, query: str) -> None:
    """Answer an SQL QUERY over the committed tables (read-only)."""
    with one_sentence():
        _, paths, _ = places(name)
        if not paths.catalog.exists():
            raise LakeError(f"{paths.catalog}: no catalog yet; run `make run CONTRACT={name}` first")
        con = connect(paths.catalog, read_only=True)
        try:
            found = con.sql(query)
            columns = [] if found is None else found.columns
            rows = [] if found is None else found.fetchall()
        finally:
            con.close()
    if as_csv:
        write_csv(columns, rows)
        return
    show(columns, rows[:ROWS_SHOWN])
    if len(rows) > ROWS_SHOWN:
        click.echo(f"{len(rows)} rows, {ROWS_SHOWN} shown; --csv gives all")


@main.command()
@contract_option
def models(name: str) -> None:
    """List the trained versions and the champion."""
    from hinet_core import registry

    with one_sentence():
        _, paths, lake = places(name)
        rows = registry.versions(paths.models, lake)
        champion = registry.champion(paths.models)
    show(
        ["version", "as of", "preset", "examples", "parameters", "folder"],
        [
            [row["version"], row["as_of"], row["preset"], row["n_train"], row["n_params"],
             "there" if row["present"] else "missing"]
            for row in rows
        ],
    )  # fmt: skip
    click.echo(f"champion: {champion['version']} ({champion['reason']})" if champion else "champion: none yet")


@main.command()
@contract_option
def quarantine(name: str) -> None:
    """Count refused rows by reason, of committed days and of days that are kept out, each with an example."""
    with one_sentence():
        _, _, lake = places(name)
        kept_out = [folder / "quarantine.parquet" for folder in lake.blocked("ingest").values()]
        files = [*lake.files("quarantine"), *(path for path in kept_out if path.exists())]
        rows = refused_rows(files) if files else []
    if not rows:
        click.echo("no refused rows")
        return
    show(["reason", "rows", "first day", "last day", "for example"], rows)


def refused_rows(files: Sequence[Path]) -> list[tuple[Any, ...]]:
    con = connect()
    try:
        return con.execute(
            f"""
            SELECT reason, count(*) AS n, min(day), max(day),
                   arg_min(source_file || ' record ' || record_number || ': ' || left(raw, 80), (day, record_number))
            FROM (SELECT *, unnest(reasons) AS reason FROM {parquet_list(list(files))})
            GROUP BY reason ORDER BY n DESC, reason
            """
        ).fetchall()
    finally:
        con.close()


@main.command()
@contract_option
def publish(name: str) -> None:
    """Publish a new snapshot of what is committed, for the dashboard."""
    from hinet_core import registry
    from hinet_core.publish.run import PublishError
    from hinet_core.publish.run import publish as publish_now

    try:
        with one_sentence():
            contract, paths, lake = places(name)
            if not lake.days("ingest"):
                raise PublishError(f"{contract.name}: no day is committed under {paths.root}; run it first")
            url = os.environ.get("HINET_DAGSTER_URL", "http://127.0.0.1:3000")
            path = publish_now(contract, lake, paths, champion=registry.champion(paths.models), dagster_url=url)
    except PublishError as error:
        raise click.ClickException(str(error)) from error
    click.echo(str(path))


def places(name: str) -> tuple[Contract, Paths, Lake]:
    """The contract, its folders under HINET_HOME and its lake."""
    contract = load_contract(name)
    paths = load_settings().paths(contract.name)
    return contract, paths, Lake(paths.lake)


def show(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*map(str, columns))
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console(width=None if sys.stdout.isatty() else 160).print(table, markup=False)


def write_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    import csv

    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows(rows)
