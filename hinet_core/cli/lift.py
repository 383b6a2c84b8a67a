"""`hinet lift`: any two rankings against each other in a simulated world."""

from typing import TYPE_CHECKING

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places, seed_option
from hinet_core.cli.online import p_cells, said
from hinet_core.cli.output import show, write_csv
from hinet_core.cli.quarantine import csv_option

if TYPE_CHECKING:
    from hinet_core.lift.tables import Row

GUARD_COLUMNS = ("guardrail", "scenario", "A", "B", "change", "at worst", "margin", "verdict")
DAY_COLUMNS = ("until day", "lift", "fixed interval", "interval to look at daily", "its p", "truth")
COLUMNS = ("estimator", "scenario", "metric", "lift", "95 % interval", "truth", "oracle", "p", "BH", "MDE", "orders")


@main.command()
@click.argument("a")
@click.argument("b")
@contract_option
@click.option("--requests", type=click.IntRange(min=1), default=400, show_default=True,
              help="Fresh requests of each scenario.")  # fmt: skip
@click.option("--online", is_flag=True, help="Also L3: an online test as it would have been seen, day by day.")
@click.option("--days", type=click.IntRange(min=1, max=366), default=14, show_default=True, help="Of the online test.")
@click.option("--test-requests", type=click.IntRange(min=1),
              help="Of both arms in these days; default: the world's traffic.")  # fmt: skip
@seed_option("Of requests, outcomes and arms.")
@csv_option
def lift(
    a: str, b: str, name: str, requests: int, online: bool, days: int, test_requests: int | None, seed: int,
    as_csv: bool,
) -> None:  # fmt: skip
    """Lift of ranking B over ranking A: trained models, or the policies oracle, logger, random (docs/lift.md).

    L1 is the expected value, L2 a replay of both with the same luck, L3 an online test that splits users; each beside
    the truth and the best lift that any ranking can have. Guardrails are what should not get worse.
    """
    from hinet_core.lift.ab_test.compared import replayed_rows, tested_online
    from hinet_core.lift.ab_test.named import contest
    from hinet_core.lift.run import code_version

    with one_sentence():
        contract, paths, lake = places(name)
        with contest(contract, lake, paths.models, (a, b)) as found:
            world = found.world
            rows, guards = replayed_rows(found, (a, b), requests, seed)
            tested = tested_online(found, (a, b), days, test_requests, seed) if online else None
            common = {"as_of": found.as_of, "world_hash": world.hash, "seed": seed, "code_version": code_version()}
    if tested is not None:
        rows += tested.rows
        if tested.no_days:
            click.echo(tested.no_days, err=True)
    if as_csv:
        everything = [*rows, *guards, *(tested.days if tested is not None else [])]
        columns = list(dict.fromkeys(column for row in everything for column in row))
        write_csv(columns, [[(row | common).get(column) for column in columns] for row in everything])
        return
    click.echo(f"lift of {b} over {a}, days {', '.join(map(str, found.days))}, world {world.hash}")
    show(COLUMNS, [cells(row) for row in rows])
    for reason in dict.fromkeys(row["reason"] for row in rows if row["reason"]):
        click.echo(reason)
    show(GUARD_COLUMNS, [guard_cells(row) for row in guards if not row["scenario_id"] or row["verdict"] == "broken"])
    if tested is not None:
        for check in tested.checks:
            click.echo(said(check))
        show(DAY_COLUMNS, [day_cells(row) for row in tested.days])
    click.echo("* found at 5 %: pooled by itself, scenarios after Benjamini and Hochberg. MDE: found with 80 % power")


def guard_cells(row: "Row") -> list[str | None]:
    figures = ("", "") if row["value_a"] is None else (f"{row['value_a']:.4f}", f"{row['value_b']:.4f}")
    return [
        row["metric"], row["scenario_id"] or "pooled", *figures, percent(row["lift"]), percent(row["worst"]),
        f"{row['margin']:.0%}", row["verdict"] or row["reason"],
    ]  # fmt: skip


def day_cells(row: "Row") -> list[str | None]:
    between = [
        f"{percent(low)} to {percent(high)}" if low is not None else (row["reason"] or "too few orders")
        for low, high in ((row["low"], row["high"]), (row["sequential_low"], row["sequential_high"]))
    ]
    return [str(row["day"]), percent(row["lift"]), *between, f"{row['p_sequential']:.3f}", percent(row["true_lift"])]


def cells(row: "Row") -> list[str | None]:
    estimated = row["low"] is not None
    return [
        row["estimator"],
        row["scenario_id"] or "pooled",
        row["metric"],
        percent(row["lift"]),
        f"{percent(row['low'])} to {percent(row['high'])}" if estimated else row["status"].replace("_", " "),
        percent(row["true_lift"]),
        percent(row["oracle_lift"]),
        *p_cells(row),
        f"{row['mde80']:.2%}" if estimated else "",
        "" if row["orders_a"] is None else f"{row['orders_a']:.0f} / {row['orders_b']:.0f}",
    ]


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.2%}"
