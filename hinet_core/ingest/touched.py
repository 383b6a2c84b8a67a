"""Which committed days a late outcome file touches: those with an exposure that one of its rows belongs to.

A commit of a day records which outcome files it saw and which of them matched. For a file that landed later the match
is computed once, on the keys of the days that its times reach, and remembered until the day is written again.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import duckdb

from hinet_core.contract import Contract
from hinet_core.ingest.attach import matches_of
from hinet_core.ingest.landing import LandingIndex, identity
from hinet_core.ingest.outcomes import FILE_ID, belongs, stage_outcomes, table_of
from hinet_core.lake import Lake, Manifest, connect, parquet_list, quote_identifier, replace_text

MEMORY = "_untouched.json"
Late = tuple[str, str]  # source and identity of a file of outcomes


def record_outcomes(
    con: duckdb.DuckDBPyConnection, contract: Contract, landed: LandingIndex, day: date
) -> dict[str, Any]:
    """What the commit of a day says of late outcomes: the files that it saw, and those that matched."""
    if not contract.outcome_sources:
        return {}
    seen, matched = [], []
    for source in contract.outcome_sources:
        seen += [(source.name, name) for name in landed.outcome_files(source, day).values()]
        found = con.execute(f"SELECT DISTINCT {quote_identifier(FILE_ID)} FROM {matches_of(source)}").fetchall()
        matched += [(source.name, name) for (name,) in found]
    return {"outcomes": {"seen": sorted(seen), "matched": sorted(matched)}}


def outcome_files(manifest: Manifest, what: str) -> set[Late]:
    """The outcome files that a commit `seen` or `matched`."""
    return {(source, name) for source, name in manifest.info.get("outcomes", {}).get(what, [])}


def touched_days(lake: Lake, landed: LandingIndex, days: Iterable[date]) -> list[date]:
    """Of these committed days, those that a landed outcome file touches, or a file that matched has left."""
    touched = set()
    unseen: dict[Late, dict[date, Manifest]] = {}
    sources = landed.contract.outcome_sources
    there = {(source.name, identity(source, one)) for source in sources for one in landed.files_from(source)}
    for day in days if sources else []:
        manifest = lake.manifest("ingest", day)
        if manifest is None:
            continue
        if outcome_files(manifest, "matched") - there:
            touched.add(day)
            continue
        seen = outcome_files(manifest, "seen")
        for source in sources:
            for name in landed.outcome_files(source, day).values():
                if (source.name, name) not in seen:
                    unseen.setdefault((source.name, name), {})[day] = manifest
    return sorted(touched | _reached(lake, landed, unseen))


def _reached(lake: Lake, landed: LandingIndex, unseen: dict[Late, dict[date, Manifest]]) -> set[date]:
    """The days on which a row of an unseen file belongs to a committed exposure."""
    known = _remembered(lake, landed.contract)
    # Files without times reach the same days, which are then read once for all of them.
    together: dict[tuple[str, tuple[date, ...]], set[str]] = {}
    for late, manifests in unseen.items():
        before = known.get(" ".join(late), {})
        fresh = tuple(day for day, one in manifests.items() if before.get(day.isoformat()) != one.run)
        if fresh:
            together.setdefault((late[0], fresh), set()).add(late[1])
    hits: set[tuple[Late, date]] = set()
    con = connect()
    try:
        for (source, days), files in together.items():
            hits |= _hits(con, lake, landed, source, files, days)
    finally:
        con.close()
    memory = {
        " ".join(late): {day.isoformat(): one.run for day, one in manifests.items() if (late, day) not in hits}
        for late, manifests in unseen.items()
    }
    if memory != known:
        content = {"contract": landed.contract.full_fingerprint, "untouched": memory}
        replace_text(lake.root / MEMORY, json.dumps(content))
    return {day for _, day in hits}


def _remembered(lake: Lake, contract: Contract) -> dict[str, dict[str, str]]:
    """File -> day -> the run of the day's commit that the file did not touch."""
    try:
        raw = json.loads((lake.root / MEMORY).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return raw["untouched"] if raw.get("contract") == contract.full_fingerprint else {}


def _hits(
    con: duckdb.DuckDBPyConnection, lake: Lake, landed: LandingIndex, name: str, wanted: set[str], days: Sequence[date]
) -> set[tuple[Late, date]]:
    """Which of the files of a source have a row that belongs to an exposure of which of the days."""
    contract = landed.contract
    source = next(one for one in contract.outcome_sources if one.name == name)
    files = {file: one.path for one in landed.files_from(source) if (file := identity(source, one)) in wanted}
    stage_outcomes(con, contract, source, {path: file for file, path in files.items()}, landed)
    columns = ", ".join(["day", "exposed_us", *(quote_identifier(key) for key in source.join)])
    shown = parquet_list(lake.files("impressions", days))
    found = con.execute(
        f"SELECT DISTINCT late.{quote_identifier(FILE_ID)}, row.day FROM (SELECT {columns} FROM {shown}) AS row "
        f"JOIN {table_of(source)} AS late ON {belongs(contract, source, 'row', 'late')}"
    ).fetchall()
    return {((name, file), day) for file, day in found}
