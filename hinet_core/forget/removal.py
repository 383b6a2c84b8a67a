"""Forget a user: remember the hash, rewrite the days that hold the user, make again what follows from them.

Each day is replaced by its manifest and in no other way, and the hash comes first: cut off anywhere, the same call
again ends where an undisturbed one does.
"""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from hinet_core.contract import Contract
from hinet_core.features.tables import day_tables
from hinet_core.forget.holdings import Holding, holdings, landed_files
from hinet_core.forget.matching import is_raw_of, is_user, other_samples, sampled_as, user_column
from hinet_core.forget.models import models_with, remove_models, remove_unfinished
from hinet_core.ingest import forgotten
from hinet_core.ingest.days import STEP
from hinet_core.ingest.landing import index
from hinet_core.ingest.outcome_books import STEP as BOOKS
from hinet_core.ingest.outcome_books import write_books
from hinet_core.lake import Draft, Lake, connect, parquet_list, quote_literal
from hinet_core.lock import TRAINING, exclusive
from hinet_core.progress import track
from hinet_core.quality.docs import forget_rows
from hinet_core.settings import Paths

REASONS = f"[{quote_literal(forgotten.REASON)}]"


class ForgetError(ValueError):
    """The user cannot be forgotten; the message says why."""


@dataclass(frozen=True)
class Report:
    """What was removed, and what is left to do by hand. `models` are gone where that was asked for."""

    held: list[Holding]
    landed: list[str]
    models: list[Path]
    rewritten: dict[str, list[date]] = field(default_factory=dict)


def user_text(contract: Contract, user: str) -> str:
    """The id as the tables have it: '007' is 7 where ids are numbers."""
    if not user_column(contract).type.startswith("int"):
        return user
    try:
        return str(int(user))
    except ValueError:
        raise ForgetError(
            f"user {user!r}: not found, allowed: a whole number, since {user_column(contract).name!r} holds numbers"
        ) from None


def forget(contract: Contract, paths: Paths, lake: Lake, user: str, delete_models: bool) -> Report:
    """Remove the user everywhere under the contract's folder, except from landed files and, unless asked, models.

    Raises BusyError, having changed nothing, during a run or a training: what it learned from would come out after.
    """
    with exclusive(paths.root / ".run.lock"), exclusive(paths.root / TRAINING):
        held, landed = holdings(contract, lake, user), landed_files(contract, lake, paths, user)
        forgotten.remember(paths.root, user)
        done: dict[str, list[date]] = {}
        con = connect()
        try:
            for day in track(_days_of(held, kept_out=False), "removing the user from days"):
                _rewrite(con, contract, lake, day, user)
                done.setdefault(STEP, []).append(day)
            for day in _days_of(held, kept_out=True):
                _rewrite_kept_out(con, contract, lake, day, user)
                done.setdefault(f"{STEP}, kept out", []).append(day)
            for table in day_tables(contract):
                # A running state makes the next day stale only once its own day is written.
                while stale := [day for day in table.pending(contract, lake) if lake.manifest(table.name, day)]:
                    written = [one.day for one in table.write(con, contract, lake, stale)]
                    done[table.name] = sorted({*done.get(table.name, []), *written})
        finally:
            con.close()
        if contract.outcome_sources:  # what belonged to the user's rows waits now, without its text
            done[BOOKS] = [one.day for one in write_books(lake, index(contract, paths))]
        lake.sweep(older_than_s=0)  # what was replaced still holds the user; nobody else is at work
        lake.rebuild_catalog(paths.catalog)
        if pages := forget_rows(paths.docs, sampled_as(paths.root, user)):
            done["pages about data quality"] = pages
        models = models_with(contract, paths, user)
        if delete_models:
            remove_models(paths, models)
        remove_unfinished(paths)
    return Report(held, landed, models, done)


def _days_of(held: list[Holding], kept_out: bool) -> list[date]:
    ingested = ("impressions", "quarantine", "dq_results")
    return sorted({day for one in held if one.kept_out == kept_out and one.table in ingested for day in one.days})


def _rewrite(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date, user: str) -> None:
    """Commit the day anew: the user's rows are in quarantine without their text, all other rows as they were."""
    before = lake.manifest(STEP, day)
    if before is None:
        return
    tables = {name: [lake.root / one.path for one in files] for name, files in before.tables.items()}
    with lake.begin(STEP, day) as draft:
        _write_without(con, contract, lake, draft, user, tables)
        draft.commit(before.info | {"counts": _counts(con, before.info["counts"], tables["impressions"], draft)})


def _rewrite_kept_out(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date, user: str) -> None:
    """The same for a day that a check keeps out, which stays kept out."""
    info = lake.blocked_info(STEP, day)
    tables = {path.stem: [path] for path in lake.blocked_folder(STEP, day).glob("*.parquet")}
    with lake.begin(STEP, day) as draft:
        _write_without(con, contract, lake, draft, user, tables)
        if "counts" in info:
            info |= {"counts": _counts(con, info["counts"], tables["impressions"], draft)}
        draft.abandon(keep=True, info=info)


def _write_without(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, draft: Draft, user: str,
    tables: dict[str, list[Path]],
) -> None:  # fmt: skip
    sources = {table: parquet_list(files) for table, files in tables.items()}
    for table, source in sources.items():
        query = _without(contract, lake, user, draft.day, sources, table)
        draft.write(table, query or f"SELECT * FROM {source}", con)


def _without(
    contract: Contract, lake: Lake, user: str, day: date, sources: dict[str, str], table: str
) -> str | None:
    """The rows of a table of ingest after the user is gone; None where the user cannot be in it."""
    mine, raw = is_user(contract, user), is_raw_of(contract, user)
    gone = f"(SELECT * FROM {sources['impressions']} WHERE {mine})"
    if table == "impressions":
        return f"SELECT * FROM {sources[table]} WHERE NOT ({mine})"
    if table == "quarantine":
        return (
            f"SELECT * FROM (SELECT * REPLACE (CASE WHEN {raw} THEN {REASONS} ELSE reasons END AS reasons, "
            f"CASE WHEN {raw} THEN NULL ELSE raw END AS raw) FROM {sources[table]} "
            f"UNION ALL BY NAME SELECT day, source_file, record_number, {REASONS} AS reasons, "
            f"CAST(NULL AS VARCHAR) AS raw FROM {gone}) ORDER BY source_file, record_number"
        )
    if table == "ingest_files":
        return (
            "SELECT book.* REPLACE (rows_kept - coalesce(n, 0) AS rows_kept, "
            "rows_quarantined + coalesce(n, 0) AS rows_quarantined) "
            f"FROM {sources[table]} AS book LEFT JOIN (SELECT source_file, count(*) AS n FROM {gone} GROUP BY ALL) "
            "USING (source_file) ORDER BY day, source_file"
        )
    if table == "ingest_counters":
        quarantine = _without(contract, lake, user, day, sources, "quarantine")
        on = f"DATE {quote_literal(day.isoformat())}"
        return (
            f"SELECT * FROM {sources[table]} WHERE counter NOT IN ('scenario_rows', 'reason') UNION ALL "
            f"SELECT {on}, 'scenario_rows', scenario_id, count(*) FROM {sources['impressions']} WHERE NOT ({mine}) "
            f"GROUP BY ALL UNION ALL SELECT {on}, 'reason', reason, count(*) FROM "
            f"(SELECT unnest(reasons) AS reason FROM ({quarantine})) GROUP BY ALL ORDER BY counter, detail"
        )
    if table == "outcome_matches":
        return (
            f"SELECT * FROM {sources[table]} WHERE (log_file, log_record) NOT IN "
            f"(SELECT (source_file, record_number) FROM {gone})"
        )
    if table == "dq_results":
        return f"SELECT * REPLACE ({other_samples(lake.root.parent, user)}) FROM {sources[table]}"
    return None


def _counts(
    con: duckdb.DuckDBPyConnection, counts: dict[str, int], impressions: list[Path], draft: Draft
) -> dict[str, int]:
    """The day's counts after its rows went from kept to quarantined."""
    before = sum(pq.read_metadata(path).num_rows for path in impressions)
    moved = before - sum(one.rows for one in draft.files["impressions"])
    hit = f"list_contains(reasons, {quote_literal(forgotten.REASON)})"
    query = f"SELECT count(*) FROM {parquet_list([draft.path('quarantine')])} WHERE {hit}"
    return counts | {
        "rows_kept": counts["rows_kept"] - moved,
        "rows_quarantined": counts["rows_quarantined"] + moved,
        "rows_forgotten": con.execute(query).fetchall()[0][0],
    }
