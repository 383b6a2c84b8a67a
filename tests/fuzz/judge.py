"""Ingest a random log and compare every row, every book and every refusal with the truth."""

import gzip
import math
import re
import shutil
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from late_truth import compare_books, shown
from log_truth import Log, LogFile, Row, local_day, outcomes, violated
from written import write_late, write_log

from hinet_core.contract import ContractError, parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import LandingIndex, index
from hinet_core.ingest.outcome_books import write_books
from hinet_core.ingest.pending import pending_days
from hinet_core.ingest.readers import LandingError
from hinet_core.lake import Lake, LakeError
from hinet_core.settings import Paths

Place = tuple[str, int]  # source_file, record_number


DOCUMENTED = (LandingError, LakeError, ContractError)
UNDOCUMENTED = (duckdb.Error, LookupError, TypeError, AttributeError, ArithmeticError, ValueError, OSError)


class WrongError(AssertionError):
    """What ingest did is not what the truth says; the text holds all that is needed to see it again."""


@dataclass
class Seen:
    """What the lake holds after ingest."""

    refused: dict[str, str]
    kept: dict[Place, dict[str, Any]] = field(default_factory=dict)
    quarantined: dict[Place, tuple[list[str], str | None]] = field(default_factory=dict)
    books: dict[str, list[int]] = field(default_factory=dict)  # file: read, kept, duplicate, quarantined
    counters: dict[tuple[str, str], int] = field(default_factory=dict)
    outcomes: dict[int, str] = field(default_factory=dict)  # records that wait or are refused
    outcome_books: list[int] = field(default_factory=list)


def judge(log: Log, home: Path) -> None:
    """Raise WrongError with a reproducer unless all is as the truth says."""
    complaints: list[str] = []
    try:
        complaints = compare(log, ingest(log, log.raw, home))
    except DOCUMENTED as error:
        if log.may_fail is None or not re.search(log.may_fail, str(error)):
            complaints = [f"{type(error).__name__}: {error}"]
    except UNDOCUMENTED as error:
        complaints = [f"no documented error: {type(error).__name__}: {error}"]
    if complaints:
        raise WrongError("\n".join(["", *complaints[:12], "", *reproducer(log.raw, home)]))


def only_documented_errors(log: Log, raw: dict[str, Any], home: Path) -> None:
    """Ingest the log under another contract: books that balance, or an error that is documented."""
    try:
        complaints = unbalanced(ingest(log, raw, home))
    except DOCUMENTED:
        return
    except UNDOCUMENTED as error:
        complaints = [f"no documented error: {type(error).__name__}: {error}"]
    if complaints:
        raise WrongError("\n".join(["", *complaints, "", *reproducer(raw, home)]))


def ingest(log: Log, raw: dict[str, Any], home: Path) -> Seen:
    paths = Paths(home)
    shutil.rmtree(home, ignore_errors=True)
    paths.landing.mkdir(parents=True)
    paths.lake.mkdir()
    write_log(log, paths.landing)
    log.meddle.get("written", Path)(paths.landing)
    contract = parse_contract(raw, "fuzzed.toml")
    landed = index(contract, paths)
    log.meddle.get("indexed", Path)(paths.landing)
    lake = Lake(paths.lake)
    for _ in ingest_days(contract, lake, landed, landed.days, None):
        pass
    if log.late and log.late.after:
        write_late(log, paths.landing)
        landed = index(contract, paths)
        for _ in ingest_days(contract, lake, landed, pending_days(lake, landed), None):
            pass
    write_books(lake, landed)
    return look(lake, landed)


def look(lake: Lake, landed: LandingIndex) -> Seen:
    seen = Seen({whole(path): sentence for path, sentence in landed.refused.items()})
    for row in records(lake, "impressions"):
        place = row["source_file"], row["record_number"]
        assert place not in seen.kept, f"{place} was kept twice"
        seen.kept[place] = row
    for row in records(lake, "quarantine"):
        place = row["source_file"], row["record_number"]
        assert place not in seen.quarantined, f"{place} was quarantined twice"
        seen.quarantined[place] = row["reasons"], row["raw"]
    for row in records(lake, "ingest_files"):
        books = seen.books.setdefault(row["source_file"], [0, 0, 0, 0])
        for number, name in enumerate(("read", "kept", "duplicate", "quarantined")):
            books[number] += row[f"rows_{name}"]
    for row in records(lake, "ingest_counters"):
        key = row["counter"], row["detail"]
        seen.counters[key] = seen.counters.get(key, 0) + row["rows"]
    for row in records(lake, "outcome_quarantine"):
        seen.outcomes[row["record_number"]] = "quarantined"
    for row in records(lake, "outcome_waiting"):
        seen.outcomes[row["record_number"]] = "unmatched"
    for row in records(lake, "outcome_files"):
        counts = [row[f"rows_{name}"] for name in ("read", "matched", "duplicate", "unmatched", "quarantined")]
        seen.outcome_books = [sum(pair) for pair in zip(seen.outcome_books or [0] * 5, counts, strict=True)]
    return seen


def whole(path: str) -> str:
    """An archive that is refused as a whole stands for the one file in it."""
    return f"{path}/{Path(path).stem}" if path.endswith(".zip") else path


def records(lake: Lake, table: str) -> list[dict[str, Any]]:
    """The committed rows of a table; read without DuckDB, which is the judged one's."""
    return [row for file in lake.files(table) for row in pq.ParquetFile(file).read().to_pylist()]


def compare(log: Log, seen: Seen) -> list[str]:
    """Every difference as a sentence."""
    complaints = [one for file in log.files for one in compare_refusal(file, seen)]
    if any(one.unknowable for one in log.files):
        return complaints + unbalanced(seen)  # its rows may be duplicates of others, or the other way round
    accepted: list[tuple[datetime, str, int, Row]] = []
    fates: dict[Place, str] = {}
    read = [one for one in log.files if one.name not in seen.refused]
    for file in read:
        for place, row in places(log, file):
            fate = "quarantined" if place in seen.quarantined else "kept"
            if fate not in row.fates:
                expected = " or ".join(row.fates)
                complaints.append(f"{place}: {fate} {seen.quarantined.get(place, '')}, expected {expected}")
            fates[place] = fate
            if fate == "kept":
                accepted.append((row.values[log.role("time").name], *place, row))
    for place in duplicates(log, accepted):
        fates[place] = "duplicate"
    for file in read:
        complaints += compare_file(log, file, seen, fates)
    strange = {place for place in (*seen.kept, *seen.quarantined) if place not in fates}
    complaints += [f"{place}: no such record was written: {seen.quarantined.get(place)}" for place in sorted(strange)]
    return complaints + unbalanced(seen) + compare_counters(log, seen, fates) + compare_late(log, seen, fates)


def unbalanced(seen: Seen) -> list[str]:
    return [
        f"{path}: read {books[0]} is not kept + duplicate + quarantined ({books[1:]})"
        for path, books in seen.books.items()
        if books[0] != sum(books[1:])
    ]


def compare_refusal(file: LogFile, seen: Seen) -> list[str]:
    sentence = seen.refused.get(file.name)
    if file.unknowable:
        return []
    if file.refused is None:
        return [f"{file.name}: refused though nothing is wrong with it: {sentence}"] if sentence else []
    if sentence is None:
        return [] if file.or_read else [f"{file.name}: read, expected to be refused ({file.refused})"]
    if not re.search(file.refused, sentence) or "Traceback" in sentence:
        return [f"{file.name}: refused with {sentence!r}, expected a sentence like {file.refused!r}"]
    return []


def places(log: Log, file: LogFile) -> list[tuple[Place, Row]]:
    """Records have numbers from 1. In NDJSON these are line numbers, so a blank line takes one."""
    found, number = [], 0
    for position, row in enumerate(file.rows):
        number += 1 + (len(file.gaps.get(position, [])) if log.source["format"] == "ndjson" else 0)
        found.append(((file.name, number), row))
    return found


def duplicates(log: Log, accepted: list[tuple[datetime, str, int, Row]]) -> list[Place]:
    """Rows with an equal one before them, at most `horizon_days` earlier (time, file and number decide)."""
    zone, horizon = ZoneInfo(log.raw["time_zone"]), log.raw["dedupe"].get("horizon_days", 0)
    days: dict[Any, list[date]] = defaultdict(list)
    found = []
    for moment, path, number, row in sorted(accepted, key=lambda one: one[:3]):
        key = tuple(row.values[name] for name in log.raw["dedupe"]["key"])
        day = local_day(moment, zone)
        if any(day - earlier <= timedelta(days=horizon) for earlier in days[key]):
            found.append((path, number))
        days[key].append(day)
    return found


def compare_file(log: Log, file: LogFile, seen: Seen, fates: dict[Place, str]) -> list[str]:
    complaints = []
    ends = [fates[place] for place, _ in places(log, file)]
    expected = [len(ends), ends.count("kept"), ends.count("duplicate"), ends.count("quarantined")]
    if (found := seen.books.get(file.name, [0, 0, 0, 0])) != expected:
        complaints.append(f"{file.name}: books [read, kept, duplicate, quarantined] {found}, "
                          f"expected {expected}")  # fmt: skip
    for place, row in places(log, file):
        if fates[place] == "quarantined":
            reasons, raw = seen.quarantined[place]
            if not any(re.search(row.reason, one) for one in reasons) or raw is None:
                complaints.append(f"{place}: quarantined for {reasons} with {raw!r}, expected {row.reason!r}")
        elif fates[place] == "kept" and place in seen.kept:
            complaints += [f"{place}: {one}" for one in compare_row(log, row, seen.kept[place])]
        elif fates[place] == "kept" or place in seen.kept:
            complaints.append(f"{place}: {'kept' if place in seen.kept else 'not kept'}, expected {fates[place]}")
    return complaints


def compare_row(log: Log, row: Row, got: dict[str, Any]) -> list[str]:
    """Every typed value, the day, the scenario, the labels and when they were known."""
    values, zone = row.values, ZoneInfo(log.raw["time_zone"])
    exposed = values[log.role("time").name]
    expected = {one.name: values[one.name] for one in log.fields if one.source == "log"}
    expected |= {"day": local_day(exposed, zone), "scenario_id": scenario(log, row)}
    for task, outcome in outcomes(log.labels, values, exposed).items():
        expected[f"label_{task}"] = outcome.label
        expected[f"known_us_{task}"] = (outcome.known - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    if log.side:
        expected |= joined(log, values)
    if log.late:
        expected |= shown(log.late, values, exposed)
    return [
        f"{name} is {got.get(name, 'not there')!r}, expected {value!r}"
        for name, value in expected.items()
        if name not in got or not same(got[name], value)
    ]


def same(got: Any, expected: Any) -> bool:
    if isinstance(expected, float):
        return isinstance(got, float) and math.isclose(got, expected, rel_tol=1e-7 if abs(got) < 1e300 else 0)
    return type(got) is type(expected) and got == expected


def scenario(log: Log, row: Row) -> str | None:
    columns = [one for one in log.fields if one.role == "scenario"]
    value = "|".join(written(row.values[one.name]) for one in columns)
    for one in log.raw["scenarios"]:
        if value in (written(each) for each in one.get("values") or [one["id"]]):
            return one["id"]
    return None


def written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def joined(log: Log, values: dict[str, Any]) -> dict[str, Any]:
    side = log.side
    assert side is not None
    key = values[side.key.name]
    return next((found for each, found, _ in side.rows if each == key), dict.fromkeys(one.name for one in side.fields))


def compare_late(log: Log, seen: Seen, fates: dict[Place, str]) -> list[str]:
    """The books of the outcomes, given which exposures were kept."""
    if log.late is None:
        return []
    time = log.role("time").name
    kept = [row.values for file in log.files if file.name not in seen.refused
            for place, row in places(log, file) if fates[place] == "kept"]  # fmt: skip
    return compare_books(log.late, [(one, one[time]) for one in kept], seen.outcomes, seen.outcome_books)


def compare_counters(log: Log, seen: Seen, fates: dict[Place, str]) -> list[str]:
    """Violations of the funnel that were kept, unmatched keys and rows per scenario, as counted by ingest."""
    kept = [row for file in log.files if file.name not in seen.refused
            for place, row in places(log, file) if fates[place] == "kept"]  # fmt: skip
    expected: dict[tuple[str, str], int] = {}
    for label in log.labels:
        if label.after:
            hits = sum(label in violated(log.labels, one.values) for one in kept)
            expected["funnel_violation_kept", label.task] = hits
    if log.side:
        known = {key for key, _, _ in log.side.rows}
        expected["unmatched", "side"] = sum(one.values[log.side.key.name] not in known for one in kept)
    for one in log.raw["scenarios"]:
        expected["scenario_rows", one["id"]] = sum(scenario(log, row) == one["id"] for row in kept)
    return [
        f"counter {key} is {seen.counters.get(key, 0)}, expected {count}"
        for key, count in expected.items()
        if seen.counters.get(key, 0) != count
    ]


def readable(data: bytes) -> bytes:
    """What a compressed file holds, where it can be unpacked."""
    try:
        if data[:2] == b"\x1f\x8b":
            return b"(gzip) " + gzip.decompress(data)
        if data[:4] == b"\x28\xb5\x2f\xfd":
            return b"(zstd) " + pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
    except (OSError, EOFError, zlib.error):
        pass
    return data


def reproducer(raw: dict[str, Any], home: Path) -> list[str]:
    """The contract as Python and the first bytes of every file."""
    lines = ["contract = {"] + [f"    {key!r}: {value!r}," for key, value in raw.items()] + ["}"]
    for path in sorted((home / "landing").rglob("*")):
        if path.is_file():
            data = readable(path.read_bytes())
            name = path.relative_to(home / "landing").as_posix()
            lines.append(f"{name!r}: {data[:1500]!r}{' …' if len(data) > 1500 else ''}")
    return lines
