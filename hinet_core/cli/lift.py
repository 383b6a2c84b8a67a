"""`hinet lift`: any two rankings against each other in a simulated world."""

from typing import TYPE_CHECKING

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.cli.output import show, write_csv
from hinet_core.cli.quarantine import csv_option

if TYPE_CHECKING:
    from hinet_core.lift.tables import Row

COLUMNS = ("estimator", "scenario", "metric", "lift", "95 % interval", "truth", "oracle", "p", "BH", "MDE", "orders")


@main.command()
@click.argument("a")
@click.argument("b")
@contract_option
@click.option("--requests", type=click.IntRange(min=1), default=400, show_default=True,
              help="Fresh requests of each scenario.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Of requests and outcomes.")
@csv_option
def lift(a: str, b: str, name: str, requests: int, seed: int, as_csv: bool) -> None:
    """Lift of ranking B over ranking A: trained models, or the policies oracle, logger, random (docs/lift.md).

    L1 is the expected value, L2 a replay of both with the same luck; each beside the truth and the best lift that any
    ranking can have.
    """
    from hinet_core.lift.ab_test.named import contest
    from hinet_core.lift.ab_test.paired_rows import paired_rows
    from hinet_core.lift.ab_test.replay import replay

    with one_sentence():
        contract, paths, lake = places(name)
        with contest(contract, lake, paths.models, (a, b)) as found:
            world = found.world
            rows = paired_rows(world, replay(world, found.scorers, (a, b), found.days, requests, seed, seed), (a, b))
            common = {"as_of": found.as_of, "world_hash": world.hash, "seed": seed}
    if as_csv:
        write_csv(list(rows[0]), [list((row | common).values()) for row in rows])
        return
    click.echo(f"lift of {b} over {a}, days {', '.join(map(str, found.days))}, world {world.hash}")
    show(COLUMNS, [cells(row) for row in rows])
    for reason in dict.fromkeys(row["reason"] for row in rows if row["reason"]):
        click.echo(reason)
    click.echo("* found at 5 %: pooled by itself, scenarios after Benjamini and Hochberg. MDE: found with 80 % power")


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
        f"{row['p_raw']:.3f}" if estimated else "",
        f"{row['p_bh']:.3f}{' *' if row['p_bh'] <= 0.05 else ''}" if estimated else "",
        f"{row['mde80']:.2%}" if estimated else "",
        "" if row["orders_a"] is None else f"{row['orders_a']:.0f} / {row['orders_b']:.0f}",
    ]


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.2%}"
