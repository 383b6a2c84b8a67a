"""The books of outcome files: per file and day, rows read = matched + duplicate + unmatched + quarantined.

A row stands in the books of the day on which it became known; a row without a usable time in those of its file's
first day, and of a file without any in those of the contract's first day. Rows equal in all that the contract reads of
them, in the books of one day, are duplicates of the first by file and record. A row is matched when it belongs to an
exposure of a committed day (`outcome_matches` of that day says so); until then it waits, and is unmatched.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import duckdb

from hinet_core.contract import Contract, Source, fingerprint
from hinet_core.ingest import forgotten
from hinet_core.ingest.files import LandedFile
from hinet_core.ingest.landing import LandingIndex, identity
from hinet_core.ingest.outcomes import FILE_ID, KNOWN_DAY, key_column, stage_outcomes, table_of, value_columns
from hinet_core.ingest.touched import Late, outcome_files
from hinet_core.lake import Lake, Manifest, connect, parquet_list, quote_identifier, quote_literal

STEP = "outcomes"
WAITING = "waiting: no exposure that it belongs to"
VERDICTS = ("matched", "duplicate", "unmatched", "quarantined")


def total_counts(manifests: Iterable[Manifest]) -> dict[str, int]:
    """Rows of several days' books: read = matched + duplicate + unmatched + quarantined."""
    counts = [one.info["counts"] for one in manifests]
    return {name: sum(one[name] for one in counts) for name in ("read", *VERDICTS)}


def book_days(contract: Contract, one: LandedFile) -> set[date]:
    """The days in whose books rows of a file may stand."""
    return {date.fromisoformat(day) for day in one.rows} | {one.first_day or contract.first_day}


def pending_books(lake: Lake, landed: LandingIndex) -> list[date]:
    """Days whose books are not those of the present outcome files and of what they match now."""
    now = book_inputs(lake, landed)
    return [day for day, inputs in sorted(now.items()) if not lake.made_from(STEP, day, inputs=inputs)]


def book_inputs(lake: Lake, landed: LandingIndex) -> dict[date, dict[str, Any]]:
    """What the books of each day are made from: files, rules, and the matches of the days that these files touch."""
    contract = landed.contract
    files: dict[date, set[tuple[str, str, str]]] = {day: set() for day in lake.days(STEP)}
    for source in contract.outcome_sources:
        for one in landed.files_from(source):
            for day in book_days(contract, one):
                files.setdefault(day, set()).add((source.name, one.path, identity(source, one)))
    matches = _matches_by_file(lake) if files else {}
    hashes_of_users = sorted(forgotten.load(landed.root.parent).hashes)
    inputs = {}
    for day, found in files.items():
        hashes = [one for name, _, file in found for one in matches.get((name, file), {}).items()]
        inputs[day] = {
            "files": sorted(list(one) for one in found), "matches": dict(sorted(hashes)), "rules": landed.rules,
            "forgotten": fingerprint(hashes_of_users),
        }  # fmt: skip
    return inputs


def _matches_by_file(lake: Lake) -> dict[Late, dict[str, str]]:
    """Outcome file -> days of exposures that it matches -> the content of their `outcome_matches`."""
    found: dict[Late, dict[str, str]] = {}
    manifests = (lake.manifest("ingest", day) for day in lake.days("ingest"))
    for manifest in filter(None, manifests):
        for late in outcome_files(manifest, "matched"):
            found.setdefault(late, {})[manifest.day.isoformat()] = manifest.hash_of("outcome_matches")
    return found


def write_books(lake: Lake, landed: LandingIndex, days: Iterable[date] | None = None) -> list[Manifest]:
    """Commit the books of the days, by default of those that are pending."""
    wanted = sorted(pending_books(lake, landed) if days is None else set(days))
    if not wanted:
        return []
    contract, inputs = landed.contract, book_inputs(lake, landed)
    con = connect()
    try:
        matched = sorted({date.fromisoformat(day) for one in wanted for day in inputs[one]["matches"]})
        _stage_matches(con, lake, matched)
        for source in contract.outcome_sources:
            files = [one for one in landed.files_from(source) if book_days(contract, one) & set(wanted)]
            stage_outcomes(
                con, contract, source, {one.path: identity(source, one) for one in files}, landed, keep_raw=True
            )
        con.execute(f"CREATE TEMP TABLE booked AS {_booked(landed)}").fetchall()
        return [_write_day(con, lake, day, inputs[day]) for day in wanted]
    finally:
        con.close()


def _stage_matches(con: duckdb.DuckDBPyConnection, lake: Lake, days: list[date]) -> None:
    """`told`: of each row that belongs to an exposure, whether one takes it, and why others do not."""
    files = lake.files("outcome_matches", days) if days else []
    columns = "source VARCHAR, outcome_file VARCHAR, outcome_record BIGINT, taken BOOLEAN, refused VARCHAR[]"
    con.execute(f"CREATE TEMP TABLE told ({columns})")
    if files:
        con.execute(
            "INSERT INTO told SELECT source, outcome_file, outcome_record, bool_or(reason IS NULL), "
            "list_sort(list(DISTINCT reason) FILTER (reason IS NOT NULL)) "
            f"FROM {parquet_list(files)} GROUP BY ALL"
        ).fetchall()


def _booked(landed: LandingIndex) -> str:
    """Every staged row with the day of its books, its verdict and its reasons."""
    parts = [_booked_of(landed, source) for source in landed.contract.outcome_sources]
    return (
        "SELECT day, source, source_file, record_number, raw, "
        "CASE WHEN len(reasons) > 0 THEN 'quarantined' WHEN nth > 1 THEN 'duplicate' WHEN taken THEN 'matched' "
        "WHEN taken IS NULL THEN 'unmatched' ELSE 'quarantined' END AS verdict, "
        "CASE WHEN len(reasons) > 0 THEN reasons ELSE refused END AS reasons "
        f"FROM ({' UNION ALL '.join(parts)})"
    )


def _booked_of(landed: LandingIndex, source: Source) -> str:
    contract, name = landed.contract, quote_literal(source.name)
    values = ", ".join(f"late.{column}" for column in value_columns(contract, source))
    own = f"CASE WHEN len(late.reasons) = 0 THEN late.{KNOWN_DAY} END"
    first = " ".join(
        f"WHEN {quote_literal(one.path)} THEN DATE {quote_literal((one.first_day or contract.first_day).isoformat())}"
        for one in landed.files_from(source)
    )
    placed = f"coalesce({own}, CASE late.source_file {first} END)" if first else own
    nth = (
        f"row_number() OVER (PARTITION BY {placed}, len(late.reasons) > 0, {values} "
        "ORDER BY late.source_file, late.record_number)"
    )
    same = f"told.outcome_file = late.{quote_identifier(FILE_ID)} AND told.outcome_record = late.record_number"
    raw = _kept_text(landed, source)
    return (
        f"SELECT {placed} AS day, {name} AS source, late.source_file, late.record_number, {raw} AS raw, late.reasons, "
        f"{nth} AS nth, told.taken, told.refused "
        f"FROM {table_of(source)} AS late LEFT JOIN told ON told.source = {name} AND {same}"
    )


def _kept_text(landed: LandingIndex, source: Source) -> str:
    """A record's text, unless it is of a forgotten user: by its key, else by an id that stands in it as a word.

    A record that names an exposure alone may be about a forgotten one: once there is any, it keeps no text.
    """
    known, user = forgotten.load(landed.root.parent), landed.contract.name_of("user")
    if not known.hashes:
        return "late.raw"
    if user not in source.join:
        return "CAST(NULL AS VARCHAR)"
    key = f"late.{key_column(user)}"
    is_one, is_in = known.is_one(f"CAST({key} AS VARCHAR)"), known.is_in("late.raw")
    return f"CASE WHEN CASE WHEN {key} IS NULL THEN {is_in} ELSE {is_one} END THEN NULL ELSE late.raw END"


def _write_day(con: duckdb.DuckDBPyConnection, lake: Lake, day: date, inputs: dict[str, Any]) -> Manifest:
    mine = f"FROM booked WHERE day = DATE {quote_literal(day.isoformat())}"
    counts = ", ".join(f"count(*) FILTER (verdict = '{one}') AS rows_{one}" for one in VERDICTS)
    totals = con.execute(f"SELECT count(*), {counts} {mine}").fetchall()[0]
    row = "SELECT day, source, source_file, record_number"
    order = "ORDER BY source, source_file, record_number"
    with lake.begin(STEP, day) as draft:
        draft.write(
            "outcome_files",
            f"SELECT day, source, source_file, count(*) AS rows_read, {counts} {mine} GROUP BY ALL ORDER BY ALL",
            con,
        )
        draft.write("outcome_quarantine", f"{row}, reasons, raw {mine} AND verdict = 'quarantined' {order}", con)
        waiting = f"[{quote_literal(WAITING)}] AS reasons"
        draft.write("outcome_waiting", f"{row}, {waiting}, raw {mine} AND verdict = 'unmatched' {order}", con)
        return draft.commit({"inputs": inputs, "counts": dict(zip(("read", *VERDICTS), totals, strict=True))})
