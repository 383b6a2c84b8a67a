"""`hinet ab`: a user's own online test. `hinet own-tests`: those that are kept."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.cli.output import show, write_csv
from hinet_core.cli.quarantine import csv_option

if TYPE_CHECKING:
    from hinet_core.lift.own_test.analyse import Analysis, Checked
    from hinet_core.lift.tables import Row

COLUMNS = ("arm", "scenario", "metric", "lift", "95 % interval", "p", "BH", "MDE", "users", "orders")
# What is the same for every test in the list of tests.
OF_ALL = ("scenario", "metric")


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
@click.option("--keep", "title", metavar="TITLE", help="Keep the rows under this title, in place of those there.")
@contract_option
@csv_option
def ab(
    file: Path, baseline: str | None, shares: Sequence[tuple[str, float]], overdispersion: float | None,
    title: str | None, name: str, as_csv: bool,
) -> None:  # fmt: skip
    """Analyse an online test: FILE is a CSV of arm totals or of outcomes per user (docs/lift.md).

    Lift of orders per request and per user with intervals, pooled and per scenario, the check of the split and the
    smallest effect that a test of this size finds. With --keep these rows (none of single users) are put among the
    tables of the contract and shown beside its simulated lift; `hinet own-tests` lists and removes them.
    """
    from hinet_core.lift.own_test.analyse import analyse
    from hinet_core.lift.own_test.read import read

    with one_sentence():
        found = analyse(read(file), baseline, dict(shares) or None, overdispersion)
        if title is not None:
            for line in kept(name, title, file, found):
                click.echo(line, err=True)
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


def kept(name: str, title: str, file: Path, found: "Analysis") -> Iterator[str]:
    """Keep the test with the contract, and say so."""
    from hinet_core.lift.own_test.kept import TESTS, keep

    contract, paths, lake = places(name)
    done = keep(lake, title, file, found)
    lake.rebuild_catalog(paths.catalog)
    before = "" if done.before is None else f", in place of what was kept at {done.before:%Y-%m-%d %H:%M} UTC"
    how = f"kept{before}" if done.changed else "kept already, nothing changed"
    yield f"{done.title!r}: {how}; {done.n_rows} rows in {TESTS} of {contract.name}. `hinet publish` shows them"
    known = {one.id for one in contract.scenarios}
    strange = sorted({row["scenario_id"] for row in found.rows} - known - {""})
    if strange:
        yield (
            f"not scenarios of {contract.name}, so no simulated lift stands beside them: {', '.join(strange)}; it has "
            f"{', '.join(sorted(known))}"
        )


@main.command("own-tests")
@contract_option
@click.option("--remove", "title", metavar="TITLE", help="Take the test of this title back.")
@csv_option
def own_tests(name: str, title: str | None, as_csv: bool) -> None:
    """List the online tests that `hinet ab --keep` keeps with a contract, or remove one."""
    from hinet_core.lift.own_test.kept import OWN_TESTS, kept_rows, pooled, remove

    with one_sentence():
        contract, paths, lake = places(name)
        if title is not None:
            gone = remove(lake, title)
            lake.rebuild_catalog(paths.catalog)
            click.echo(f"{gone!r}: removed from {contract.name}. `hinet publish` takes it off the page", err=as_csv)
        rows = kept_rows(lake) if as_csv else pooled(lake)
    if as_csv:
        write_csv(OWN_TESTS.names, [[row[column] for column in OWN_TESTS.names] for row in rows])
    elif rows:
        about = [[row["title"], f"{row['kept_at']:%Y-%m-%d %H:%M}", row["file"], row["model_a"]] for row in rows]
        figures = [[one for n, one in enumerate(cells(row)) if COLUMNS[n] not in OF_ALL] for row in rows]
        heads = ("title", "kept (UTC)", "file", "baseline", *(one for one in COLUMNS if one not in OF_ALL))
        show(heads, [[*first, *rest] for first, rest in zip(about, figures, strict=True)])
        click.echo("pooled, orders per request; --csv gives all rows")
    else:
        click.echo(f"{contract.name}: no test is kept; `hinet ab FILE --keep TITLE --contract {name}` keeps one")


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
