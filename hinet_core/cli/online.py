"""`hinet ab`: a user's own online test."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hinet_core.cli.group import main, one_sentence
from hinet_core.cli.output import show, write_csv
from hinet_core.cli.quarantine import csv_option

if TYPE_CHECKING:
    from hinet_core.lift.own_test.analyse import Checked
    from hinet_core.lift.tables import Row

COLUMNS = ("arm", "scenario", "metric", "lift", "95 % interval", "p", "BH", "MDE", "users", "orders")


class Share(click.ParamType):
    """`B=10`: the weight of an arm in the intended split."""

    name = "ARM=WEIGHT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        arm, _, weight = str(value).rpartition("=")
        try:
            return arm, float(weight)
        except ValueError:
            self.fail(f"found {value!r}, allowed: an arm and its weight, B=10", param, ctx)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--baseline", help="The arm that the others are compared with; the file's first if not given.")
@click.option("--share", "shares", type=Share(), multiple=True, help="Intended split, of each arm; default equal.")
@click.option(
    "--overdispersion", type=click.FloatRange(min=1), help="For totals: variance of orders per user over their mean."
)
@csv_option
def ab(
    file: Path, baseline: str | None, shares: Sequence[tuple[str, float]], overdispersion: float | None, as_csv: bool
) -> None:
    """Analyse an online test: FILE is a CSV of arm totals or of outcomes per user (docs/lift.md).

    Lift of orders per request and per user with intervals, pooled and per scenario, the check of the split and the
    smallest effect that a test of this size finds.
    """
    from hinet_core.lift.own_test.analyse import analyse
    from hinet_core.lift.own_test.read import read

    with one_sentence():
        found = analyse(read(file), baseline, dict(shares) or None, overdispersion)
    if as_csv:
        columns = list(found.rows[0])
        write_csv(columns, [[row[name] for name in columns] for row in found.rows])
        return
    click.echo(f"baseline: {found.baseline}")
    for check in found.checks:
        click.echo(said(check))
    show(COLUMNS, [cells(row) for row in found.rows])
    methods = dict.fromkeys((row["metric"], row["method"]) for row in found.rows if row["method"])
    for metric, method in methods:
        click.echo(f"{metric}: {method}")
    for reason in dict.fromkeys(row["reason"] for row in found.rows if row["reason"]):
        click.echo(reason)
    click.echo("* found at 5 %: pooled by itself, scenarios after Benjamini and Hochberg. MDE: found with 80 % power")


def said(check: "Checked") -> str:
    """The check of the split as one line."""
    where = f"split of users who entered in {check.scenario}" if check.scenario else "split of users"
    if check.found is None:
        return f"{where}: not checked, {check.reason}"
    one = check.found
    users = " / ".join(map(str, one.users))
    return f"{where}: {one.light}, {users}, p {one.p:.2g}; a shift of {100 * one.detectable:.2f} points would be red"


def cells(row: "Row") -> list[str | None]:
    estimated = row["low"] is not None
    return [
        row["model_b"],
        row["scenario_id"] or "pooled",
        row["metric"],
        "" if row["lift"] is None else f"{row['lift']:+.2%}",
        f"{row['low']:+.2%} to {row['high']:+.2%}" if estimated else row["status"].replace("_", " "),
        *p_cells(row),
        f"{row['mde80']:.1%}" if estimated else "",
        "" if row["n_users"] is None else str(row["n_users"]),
        "" if row["orders_a"] is None else f"{row['orders_a']:g} / {row['orders_b']:g}",
    ]


def p_cells(row: "Row") -> tuple[str, str]:
    """p, and p adjusted with a star where something is found; nothing where there is no interval."""
    if row["low"] is None:
        return "", ""
    return f"{row['p_raw']:.3f}", f"{row['p_bh']:.3f}{' *' if row['p_bh'] <= 0.05 else ''}"
