"""`hinet ingest` and `hinet features`: landed files into tables, day by day, as the Dagster assets do it."""

import click

from hinet_core.cli.group import (
    DaySpan,
    DaySpanType,
    contract_option,
    days_option,
    end_with,
    main,
    one_sentence,
    places,
)
from hinet_core.lake import LakeError, connect


@main.command()
@contract_option
@days_option
def ingest(name: str, days: DaySpan | None) -> None:
    """Read the landed days that are new or whose files or rules changed; a day that fails its audit is kept out.

    Every day is judged by Great Expectations before anybody can read it. The status is 1 when a day is kept out, a
    file is refused or a day between others has no file.
    """
    from hinet_core import quality
    from hinet_core.ingest.days import ingest_days
    from hinet_core.ingest.landing import index
    from hinet_core.ingest.outcome_books import total_counts, write_books
    from hinet_core.ingest.pending import gaps, pending_days, without_files
    from hinet_core.quality.docs import write_docs
    from hinet_core.quality.verdict import kept_out

    results = []
    with one_sentence():
        contract, paths, lake = places(name)
        lake.sweep()
        landed = index(contract, paths)
        asked = pending_days(lake, landed) if days is None else [day for day in landed.days if day in days]
        if days is not None and not asked:
            raise LakeError(
                f"--days {days}: no landed file has a row of these days; landed days are {landed.days[0]} to "
                f"{landed.days[-1]}. Put the files under {landed.root} and run again"
            )
        for result in ingest_days(contract, lake, landed, asked, auditor=quality):  # type: ignore[arg-type]
            click.echo(f"{result.day}: {books_of(result.counts)}" + ("" if result.manifest else "; kept out"))
            results.append(result)
        books = write_books(lake, landed)
        if books:
            click.echo(f"outcome files: {words_of(total_counts(books))}")
        lake.rebuild_catalog(paths.catalog)
        write_docs(contract, lake, paths.docs, results)
    if not asked:
        click.echo(f"nothing to read: all {len(landed.days)} landed days are in")
    for said in without_files(landed.days, lake.days("ingest")):
        click.echo(said)
    holes = gaps(landed.days, lake.days("ingest")) if not landed.refused and days is None else []
    end_with([*landed.refused.values(), *holes, *filter(None, [kept_out(results)])])


def books_of(counts: dict[str, int]) -> str:
    """'12 read = 10 kept + 1 duplicate + 1 quarantined'"""
    return words_of({word: counts[f"rows_{word}"] for word in ("read", "kept", "duplicate", "quarantined")})


def words_of(counts: dict[str, int]) -> str:
    (read, total), *parts = counts.items()
    return f"{total} {read} = " + " + ".join(f"{count} {word}" for word, count in parts)


@main.command()
@contract_option
@click.argument("days", type=DaySpanType())
def withdraw(name: str, days: DaySpan) -> None:
    """Take back ingested DAYS of which landing has no row any more, with the aggregates and examples made from them.

    For a file that was corrected and whose rows belong to other days now: without this they are in both. The days are
    not taken back by themselves, since an export that keeps its name looks the same.
    """
    from hinet_core.features.tables import withdraw_orphans
    from hinet_core.ingest.days import STEP
    from hinet_core.ingest.landing import index

    with one_sentence():
        contract, paths, lake = places(name)
        landed = index(contract, paths)
        gone = [day for day in sorted({*lake.days(STEP), *lake.blocked(STEP)}) if day in days]
        if not gone:
            raise LakeError(f"{days}: no such day is ingested; `hinet books --contract {name}` lists those that are")
        if there := [str(day) for day in gone if day in landed.days]:
            raise LakeError(
                f"landed files have rows of {', '.join(there)}, which would be read again; remove or correct the files "
                f"under {landed.root} first. Nothing was taken back"
            )
        for day in gone:
            lake.withdraw(STEP, day)
        withdraw_orphans(contract, lake)
        lake.rebuild_catalog(paths.catalog)
    click.echo(f"{len(gone)} days taken back: {', '.join(map(str, gone))}; `hinet features` or make run follows")


@main.command()
@contract_option
@days_option
def features(name: str, days: DaySpan | None) -> None:
    """Compute the daily aggregates and the examples of ingested days whose inputs changed."""
    from hinet_core.features.tables import day_tables

    with one_sentence():
        contract, paths, lake = places(name)
        if not lake.days("ingest"):
            raise LakeError(f"{contract.name}: no day is ingested yet; run `hinet ingest --contract {name}` first")
        con = connect()
        try:
            for table in day_tables(contract):
                pending = table.pending(contract, lake)
                asked = pending if days is None else [day for day in table.days(contract, lake) if day in days]
                written = table.write(con, contract, lake, asked)
                rows = sum(one.rows[table.name] for one in written)
                click.echo(f"{table.name}: {len(written)} days, {rows} rows")
        finally:
            con.close()
        lake.rebuild_catalog(paths.catalog)
