"""`hinet quarantine`, `hinet quarantine replay` and `hinet books`: what was refused, and where every row went."""

from collections.abc import Sequence
from typing import Any

import click

from hinet_core.cli.group import contract_option, end_with, main, one_sentence, places
from hinet_core.cli.output import show, write_csv
from hinet_core.lake import LakeError

ROWS_SHOWN = 200

csv_option = click.option("--csv", "as_csv", is_flag=True, help="Comma-separated on stdout, all rows.")


@main.group(invoke_without_command=True)
@contract_option
@click.option(
    "--by",
    type=click.Choice(["reason", "file", "day", "row"]),
    default="reason",
    show_default=True,
    help="Count refused rows so, or list each of them.",
)
@csv_option
@click.pass_context
def quarantine(context: click.Context, name: str, by: str, as_csv: bool) -> None:
    """Count refused rows by reason, file or day, of committed days and of days that are kept out; name refused files.

    Rows of outcome files that belong to no exposure yet are listed too: they wait.
    `hinet quarantine replay` reads refused rows of the log again after a correction, `hinet ingest` those of outcomes.
    """
    from hinet_core.ingest.books import refused
    from hinet_core.ingest.refused_files import recorded

    if context.invoked_subcommand is not None:
        return
    with one_sentence():
        _, _, lake = places(name)
        columns, rows = refused(lake, by)  # type: ignore[arg-type]
        files = recorded(lake)
        if not (rows or files or lake.days("ingest")):
            raise LakeError(f"no day is ingested yet; run `hinet ingest --contract {name}` first")
    if as_csv:
        write_csv(columns, rows)
        return
    if rows:
        show_some(columns, rows)
    else:
        click.echo("no refused rows")
    for one in files if by != "file" else []:
        click.echo(f"refused file: {one.reason}")


@quarantine.command("replay")
@contract_option
def quarantine_replay(name: str) -> None:
    """Read again the days with refused rows, the days kept out and the refused files whose files or rules changed.

    Land a corrected file or correct the contract first. Says what came of every row that was refused before; the
    status is 1 when a day is still kept out or a file still refused.
    """
    from hinet_core import quality
    from hinet_core.cli.days import books_of
    from hinet_core.ingest.landing import index
    from hinet_core.ingest.pending import pending_days
    from hinet_core.ingest.refused_files import recorded
    from hinet_core.ingest.replay import readable_again, replay, replay_days
    from hinet_core.quality.docs import write_docs
    from hinet_core.quality.verdict import kept_out

    with one_sentence():
        contract, paths, lake = places(name)
        refused_before = [one.file for one in recorded(lake)]
        landed = index(contract, paths)
        days = replay_days(lake, landed, refused_before)
        if not days:
            click.echo("nothing to replay: of no day with refused rows, and of no day kept out, a file or rule changed")
            end_with(landed.refused.values())
            return
        done = replay(contract, lake, landed, days, quality)  # type: ignore[arg-type]
        lake.rebuild_catalog(paths.catalog)
        write_docs(contract, lake, paths.docs, done.results)
        waiting = pending_days(lake, landed)
    for result in done.results:
        click.echo(f"{result.day}: {books_of(result.counts)}" + ("" if result.manifest else "; still kept out"))
    for one in readable_again(landed, refused_before):
        click.echo(f"{one.path}: refused before, {sum(one.rows.values())} rows are read now")
    good = [one for one in done.results if one.manifest]
    click.echo(
        f"{len(good)} of {len(done.results)} days committed; of the rows refused before {done.kept} are kept now, "
        f"{done.refused} are still refused, {done.waiting} are good but their day is kept out, "
        f"{done.gone} are duplicates now or no longer in their file"
    )
    others = [day for day in waiting if day not in days]
    if others:
        click.echo(f"{len(others)} more days have new files or rules: `hinet ingest` reads them")
    end_with([*landed.refused.values(), *filter(None, [kept_out(done.results)])])


@main.command()
@contract_option
@click.option("--by", type=click.Choice(["file", "day"]), default="file", show_default=True, help="One line for each.")
@click.option("--outcomes", is_flag=True, help="Outcome files: read = matched + duplicate + unmatched + quarantined.")
@click.option("--sides", is_flag=True, help="Side tables: read = used + repeated + refused, and wrong values.")
@csv_option
def books(name: str, by: str, outcomes: bool, sides: bool, as_csv: bool) -> None:
    """Show the books: per file and day, rows read = kept + duplicate + quarantined, with totals."""
    from hinet_core.ingest import books as bookkeeping

    with one_sentence():
        _, _, lake = places(name)
        if sides:
            columns, rows = bookkeeping.side_books(lake)
        else:
            table = bookkeeping.outcome_books if outcomes else bookkeeping.books
            columns, rows = table(lake, by)  # type: ignore[arg-type]
    if as_csv:
        write_csv(columns, rows)
    elif rows:
        show_some(columns, rows)
    else:
        click.echo("no side table is read yet" if sides else "no day is read yet")


def show_some(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """The last rows of a long table, since the totals stand there."""
    show(columns, rows[-ROWS_SHOWN:])
    if len(rows) > ROWS_SHOWN:
        click.echo(f"{len(rows)} rows, the last {ROWS_SHOWN} shown; --csv gives all")
