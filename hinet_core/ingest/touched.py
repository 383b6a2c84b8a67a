"""Which committed days a late outcome file touches: those with an exposure that one of its rows belongs to.

A commit of a day records which outcome files it saw and which of them matched. For a file that landed later the match
is computed once, on the keys of the days that its times reach, and remembered until the day is written again.
"""

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

import duckdb

from hinet_core.contract import Contract, Source
from hinet_core.ingest.landing import LandedFile, LandingIndex
from hinet_core.ingest.outcomes import belongs, matches_of, stage_outcomes, table_of
from hinet_core.lake import Lake, Manifest, connect, parquet_list, quote_identifier, replace_text

MEMORY = "_untouched.json"
FileKey = tuple[str, str, str]  # source, path, hash


def key_of(one: LandedFile) -> FileKey:
    return one.source, one.path, one.sha256


def record_outcomes(
    con: duckdb.DuckDBPyConnection, contract: Contract, landed: LandingIndex, day: date
) -> dict[str, Any]:
    """What the commit of a day says of late outcomes: the files that it saw, and those that matched."""
    seen, matched = set(), set()
    for source in contract.outcome_sources:
        files = {one.path: key_of(one) for one in landed.outcome_files(source, day)}
        seen |= set(files.values())
        found = con.execute(f"SELECT DISTINCT source_file FROM {matches_of(source)}").fetchall()
        matched |= {files[path] for (path,) in found}
    return {"outcomes": {"seen": sorted(seen), "matched": sorted(matched)}} if contract.outcome_sources else {}


def outcome_keys(manifest: Manifest, what: str) -> set[FileKey]:
    """The outcome files that a commit `seen` or `matched`."""
    return {(source, path, digest) for source, path, digest in manifest.info.get("outcomes", {}).get(what, [])}


def touched_days(lake: Lake, landed: LandingIndex, days: Iterable[date]) -> list[date]:
    """Of these committed days, those that a landed outcome file touches, or a file that matched has left."""
    touched = set()
    unseen: dict[FileKey, dict[date, Manifest]] = {}
    there = {key_of(one) for source in landed.contract.outcome_sources for one in landed.files_from(source)}
    for day in days:
        manifest = lake.manifest("ingest", day)
        if manifest is None or not landed.contract.outcome_sources:
            continue
        if outcome_keys(manifest, "matched") - there:
            touched.add(day)
            continue
        for source in landed.contract.outcome_sources:
            for key in new_files(landed, source, day, outcome_keys(manifest, "seen")):
                unseen.setdefault(key, {})[day] = manifest
    return sorted(touched | _reached(lake, landed, unseen))


def new_files(landed: LandingIndex, source: Source, day: date, seen: set[FileKey]) -> list[FileKey]:
    """Files in reach of the day that its commit did not see; a copy of one that it saw says nothing new."""
    files = [key_of(one) for one in landed.outcome_files(source, day)]
    copies = {digest for name, _, digest in seen if name == source.name} if source.path_pattern is None else set()
    return [key for key in files if key not in seen and key[2] not in copies]


def _reached(lake: Lake, landed: LandingIndex, unseen: dict[FileKey, dict[date, Manifest]]) -> set[date]:
    """The days on which a row of an unseen file belongs to a committed exposure."""
    known = _remembered(lake, landed.contract)
    touched: set[date] = set()
    memory: dict[str, dict[str, str]] = {}
    con = connect()
    try:
        for key, manifests in unseen.items():
            name = "\t".join(key)
            before = known.get(name, {})
            fresh = [day for day, one in manifests.items() if before.get(day.isoformat()) != one.run]
            hit = _days_hit(con, lake, landed, key, fresh) if fresh else set()
            touched |= hit
            memory[name] = {day.isoformat(): one.run for day, one in manifests.items() if day not in hit}
    finally:
        con.close()
    if memory != known:
        content = {"contract": landed.contract.full_fingerprint, "untouched": memory}
        replace_text(lake.root / MEMORY, json.dumps(content))
    return touched


def _remembered(lake: Lake, contract: Contract) -> dict[str, dict[str, str]]:
    """File -> day -> the run of the day's commit that the file did not touch."""
    try:
        raw = json.loads((lake.root / MEMORY).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return raw["untouched"] if raw.get("contract") == contract.full_fingerprint else {}


def _days_hit(
    con: duckdb.DuckDBPyConnection, lake: Lake, landed: LandingIndex, key: FileKey, days: list[date]
) -> set[date]:
    contract = landed.contract
    source = next(one for one in contract.outcome_sources if one.name == key[0])
    stage_outcomes(con, contract, source, [landed.root / key[1]], landed.root)
    columns = ", ".join(["day", "exposed_us", *(quote_identifier(name) for name in source.join)])
    files = lake.files("impressions", days)
    found = con.execute(
        f"SELECT DISTINCT row.day FROM (SELECT {columns} FROM {parquet_list(files)}) AS row "
        f"JOIN {table_of(source)} AS late ON {belongs(contract, source, 'row', 'late')}"
    ).fetchall()
    return {day for (day,) in found}
