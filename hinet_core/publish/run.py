"""Tables to snapshot to pointer: an immutable file, checked, then named by a pointer that is replaced atomically.

A reader follows `current.json` and opens the file it names; the file never changes afterwards, so no reader sees half
a publish and no reader holds one up.
"""

import json
import logging
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import duckdb

from hinet_core.contract import Contract
from hinet_core.lake import Lake, connect, crash_point, fsync_path, quote_identifier, replace_text
from hinet_core.publish.schema import SCHEMA_VERSION, TABLES, Table
from hinet_core.publish.tables import Champion, fill, insert_rows
from hinet_core.settings import Paths

log = logging.getLogger("hinet")

POINTER = "current.json"
KEPT_SNAPSHOTS = 3
KEPT_S = 15 * 60.0


class PublishError(RuntimeError):
    """Nothing was published; the pointer still names the earlier snapshot."""


def publish(
    contract: Contract,
    lake: Lake,
    paths: Paths,
    champion: Champion | None = None,
    dagster_url: str | None = None,
) -> Path:
    """Publish what is committed and return the new snapshot's path.

    `champion` has model, version, as_of and reason. Raises PublishError, leaving the pointer as it was, when a table
    breaks its schema, key or rules or when the disk refuses.
    """
    folder = paths.published
    publish_id, now = uuid.uuid4().hex[:12], datetime.now(UTC).replace(tzinfo=None)
    target = folder / f"pub-{now:%Y%m%dT%H%M%S}Z-{publish_id}.duckdb"
    draft = folder / f".{target.name}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        build(draft, contract, lake, champion, publish_id, now, dagster_url)
        check(draft)
        fsync_path(draft)
        draft.replace(target)
        fsync_path(folder)
        crash_point("before-pointer")
        pointer = {"file": target.name, "publish_id": publish_id, "published_at": f"{now.isoformat()}Z"}
        replace_text(folder / POINTER, json.dumps(pointer))
    except (OSError, duckdb.Error) as error:
        raise PublishError(
            f"{contract.name}: could not publish to {folder}: {error}. The earlier snapshot stays; "
            "free some space or check the folder's rights, then publish again."
        ) from error
    finally:
        for leftover in (draft, Path(f"{draft}.wal")):
            with suppress(OSError):
                leftover.unlink()
    sweep(folder)
    log.info("published %s", target.name)
    return target


def build(
    path: Path,
    contract: Contract,
    lake: Lake,
    champion: Champion | None,
    publish_id: str,
    published_at: datetime,
    dagster_url: str | None,
) -> None:
    """Write all tables of a snapshot into a new file."""
    con = connect(path)
    try:
        fill(con, contract, lake, champion)
        through = con.execute("SELECT max(day) FROM ingest_days WHERE status = 'committed'").fetchone()
        manifest = {
            "publish_id": publish_id,
            "published_at": published_at,
            "schema_version": SCHEMA_VERSION,
            "contract": contract.name,
            "title": contract.title or contract.name,
            "description": contract.description,
            "time_zone": contract.time_zone,
            "data_through": through[0] if through else None,
            "retrain_at": contract.schedule.retrain_at,
            "code_version": code_version(),
            "data_fingerprint": contract.data_fingerprint,
            "full_fingerprint": contract.full_fingerprint,
            "dagster_base_url": dagster_url,
            "n_tables": len(TABLES),
        }
        insert_rows(con, "publish_manifest", [manifest])
        described = [table for table in TABLES if table.name not in ("publish_manifest", "table_manifest")]
        insert_rows(con, "table_manifest", [describe(con, table) for table in described])
        con.execute("CHECKPOINT")
    finally:
        con.close()


def describe(con: duckdb.DuckDBPyConnection, table: Table) -> dict[str, object]:
    """The row of `table_manifest`: the hash is of the rows in key order, so equal content has equal hashes."""
    name, key = quote_identifier(table.name), ", ".join(quote_identifier(one) for one in table.key)
    newest = "max(day)" if "day" in table.columns else "max(as_of)" if "as_of" in table.columns else "NULL"
    row = con.execute(
        f"SELECT count(*), coalesce(md5(string_agg(md5(CAST(t AS VARCHAR)), '' ORDER BY {key})), ''), {newest} "
        f"FROM {name} AS t"
    ).fetchone()
    count, content_hash, max_day = row or (0, "", None)
    return {
        "table_name": table.name,
        "n_rows": count,
        "content_hash": content_hash,
        "source_table": table.source,
        "max_day": max_day,
    }


def check(path: Path) -> None:
    """Read a finished file as a dashboard would and refuse one that breaks its promises."""
    con = connect(path, read_only=True)
    try:
        counted = dict(con.execute("SELECT table_name, n_rows FROM table_manifest").fetchall())
        problems = [problem for table in TABLES for problem in problems_of(con, table, counted)]
    finally:
        con.close()
    if problems:
        raise PublishError("the new snapshot is not published, the earlier one stays: " + "; ".join(problems))


def problems_of(con: duckdb.DuckDBPyConnection, table: Table, counted: dict[str, int]) -> list[str]:
    """What is wrong with a table: columns, row count, key, rules."""
    name = quote_identifier(table.name)
    columns = {row[0]: row[1] for row in con.execute(f"DESCRIBE {name}").fetchall()}
    if columns != table.columns:
        return [f"{table.name}: expected columns {table.columns}, found {columns}"]
    problems = []
    found = count_of(con, f"SELECT count(*) FROM {name}")
    if found != counted.get(table.name, found):
        problems.append(f"{table.name}: expected {counted[table.name]} rows, found {found}")
    key = [quote_identifier(one) for one in table.key]
    missing = count_of(con, f"SELECT count(*) FROM {name} WHERE {' OR '.join(f'{one} IS NULL' for one in key)}")
    if missing:
        problems.append(f"{table.name}: {missing} rows lack a part of the key {', '.join(table.key)}")
    joined = ", ".join(key)
    repeated = count_of(con, f"SELECT count(*) FROM (FROM {name} SELECT 1 GROUP BY {joined} HAVING count(*) > 1)")
    if repeated:
        problems.append(f"{table.name}: {repeated} keys ({', '.join(table.key)}) occur more than once, expected once")
    for sentence, broken in table.rules.items():
        rows = count_of(con, f"SELECT count(*) FROM {name} WHERE {broken}")
        if rows:
            problems.append(f"{table.name}: {rows} rows break the rule '{sentence}'")
    return problems


def count_of(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    return int(row[0]) if row else 0


def sweep(folder: Path) -> list[Path]:
    """Delete snapshots that are neither among the newest three nor younger than 15 minutes, and old drafts."""
    pointed = json.loads((folder / POINTER).read_text())["file"]
    ages = {path: age_s(path) for path in folder.glob("pub-*.duckdb")}
    candidates = sorted(ages, key=lambda path: ages[path])[KEPT_SNAPSHOTS:]
    candidates += folder.glob(".pub-*.tmp*")
    gone = [path for path in candidates if age_s(path) > KEPT_S and path.name != pointed]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def age_s(path: Path) -> float:
    """Seconds since a file was written; 0 for one that another publisher just swept."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def code_version() -> str:
    try:
        return version("hinet-platform")
    except PackageNotFoundError:
        return "unknown"
