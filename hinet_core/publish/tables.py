"""Fill the tables of a snapshot from the committed lake, the contract's words and the champion.

Every table is written in the order of its key, so two snapshots of the same lake hold the same rows in the same order.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from hinet_core.contract import Contract
from hinet_core.lake import Lake, parquet_list, quote_identifier, quote_literal
from hinet_core.publish.schema import TABLES, Table
from hinet_core.publish.words import METRIC_WORDS, MODEL_WORDS

Champion = dict[str, Any]

# The tables whose metrics have a row in `metrics`.
WITH_METRICS = ("eval_metrics", "lift", "lift_test", "lift_guardrails")


def fill(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, champion: Champion | None) -> None:
    """Create and fill every table but the two manifests."""
    for table in TABLES:
        columns = ", ".join(f"{quote_identifier(name)} {kind}" for name, kind in table.columns.items())
        con.execute(f"CREATE TABLE {quote_identifier(table.name)} ({columns})")
    for table in TABLES:
        if table.name in SPECIAL:
            SPECIAL[table.name](con, lake, table)
        elif table.source:
            files = lake.files(table.source)
            if files:
                insert_query(con, table, select_as_declared(con, table, files))
    insert_rows(con, "scenarios", scenario_rows(con, contract))
    insert_rows(con, "tasks", task_rows(contract))
    insert_rows(con, "metrics", metric_rows(con))
    insert_rows(con, "models", model_rows(con, contract, champion))


def insert_query(con: duckdb.DuckDBPyConnection, table: Table, query: str) -> None:
    key = ", ".join(quote_identifier(name) for name in table.key)
    con.execute(f"INSERT INTO {quote_identifier(table.name)} BY NAME SELECT * FROM ({query}) ORDER BY {key}")


def insert_rows(con: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        names = ", ".join(quote_identifier(name) for name in row)
        marks = ", ".join("?" for _ in row)
        con.execute(f"INSERT INTO {quote_identifier(table)} ({names}) VALUES ({marks})", list(row.values()))


def select_as_declared(con: duckdb.DuckDBPyConnection, table: Table, files: list[Path], **given: str) -> str:
    """The declared columns of some Parquet files; what the files lack is NULL, `given` adds literal columns."""
    source = parquet_list(files)
    found = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    parts = []
    for name, kind in table.columns.items():
        column = quote_identifier(name)
        value = quote_literal(given[name]) if name in given else column if name in found else "NULL"
        parts.append(f"CAST({value} AS {kind}) AS {column}")
    return f"SELECT {', '.join(parts)} FROM {source}"


def fill_dq_results(con: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> None:
    """Findings of committed days, and of days that a critical check keeps out."""
    kept_out = [folder / "dq_results.parquet" for folder in lake.blocked("ingest").values()]
    for status, files in (("committed", lake.files(table.source)), ("blocked", kept_out)):
        there = [path for path in files if path.exists()]
        if there:
            insert_query(con, table, select_as_declared(con, table, there, day_status=status))


def fill_ingest_days(con: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> None:
    """One row per day from the first to the last that was seen; a day with no data at all is a gap."""
    committed = set(lake.days("ingest"))
    blocked = {day: folder for day, folder in lake.blocked("ingest").items() if day not in committed}
    counts = count_rows_by_day(con, lake.files(table.source))
    for day, folder in blocked.items():
        file = folder / f"{table.source}.parquet"
        counts[day] = count_rows_by_day(con, [file]).get(day, {}) if file.exists() else {}
    seen = committed | set(blocked)
    if not seen:
        return
    first, last = min(seen), max(seen)
    rows = []
    for day in (first + timedelta(days=offset) for offset in range((last - first).days + 1)):
        status = "committed" if day in committed else "blocked" if day in blocked else "gap"
        rows.append({"day": day, "status": status, **counts.get(day, {})})
    insert_rows(con, table.name, rows)


def count_rows_by_day(con: duckdb.DuckDBPyConnection, files: list[Path]) -> dict[date, dict[str, int]]:
    """day -> rows_read, rows_kept, rows_duplicate, rows_quarantined."""
    if not files:
        return {}
    names = ("rows_read", "rows_kept", "rows_duplicate", "rows_quarantined")
    sums = ", ".join(f"sum({name})::BIGINT" for name in names)
    found = con.execute(f"SELECT day, {sums} FROM {parquet_list(files)} GROUP BY day").fetchall()
    return {day: dict(zip(names, counts, strict=True)) for day, *counts in found}


def fill_ingest_counters(con: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> None:
    """Counters per day, summed over the files of the day."""
    files = lake.files(table.source)
    if files:
        query = select_as_declared(con, table, files)
        insert_query(
            con,
            table,
            "SELECT day, counter, coalesce(detail, '') AS detail, sum(rows)::BIGINT AS rows "
            f"FROM ({query}) GROUP BY ALL",
        )


def fill_label_rates(con: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> None:
    """Judged days of neighbouring as_ofs overlap; the newest evaluation of a day counts."""
    parts = [
        f"SELECT *, {number} AS file FROM ({select_as_declared(con, table, [path])})"
        for number, path in enumerate(lake.files(table.source))
    ]
    if parts:
        key = ", ".join(table.key)
        insert_query(
            con,
            table,
            f"SELECT * EXCLUDE (file) FROM ({' UNION ALL '.join(parts)}) "
            f"QUALIFY file = max(file) OVER (PARTITION BY {key})",
        )


SPECIAL = {
    "dq_results": fill_dq_results,
    "ingest_days": fill_ingest_days,
    "ingest_counters": fill_ingest_counters,
    "label_rates": fill_label_rates,
}


def scenario_rows(con: duckdb.DuckDBPyConnection, contract: Contract) -> list[dict[str, Any]]:
    counted = dict(
        con.execute(
            "SELECT detail, sum(rows)::BIGINT FROM ingest_counters WHERE counter = 'scenario_rows' GROUP BY detail"
        ).fetchall()
    )
    total = sum(counted.values())
    return [
        {
            "scenario_id": one.id,
            "name": one.title or one.id,
            "sort_order": order,
            "modelled": one.modelled,
            "impressions": counted.get(one.id, 0) if total else None,
            "traffic_share": counted.get(one.id, 0) / total if total else None,
        }
        for order, one in enumerate(contract.scenarios)
    ]


def task_rows(contract: Contract) -> list[dict[str, Any]]:
    return [
        {
            "task": one.name,
            "name": one.title or readable(one.name),
            "unit": one.unit,
            "after": one.after or "",
            "sort_order": order,
        }
        for order, one in enumerate(contract.tasks)
    ]


def metric_rows(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The metrics we have words for, then those that only the rows know."""
    found = con.execute(" UNION ".join(f"SELECT metric FROM {one}" for one in WITH_METRICS) + " ORDER BY 1").fetchall()
    names = list(METRIC_WORDS) + [name for (name,) in found if name not in METRIC_WORDS]
    rows = []
    for order, metric in enumerate(names):
        name, description, unit, better = METRIC_WORDS.get(metric, (readable(metric), "", "", "unknown"))
        rows.append(
            {
                "metric": metric,
                "name": name,
                "description": description,
                "unit": unit,
                "better": better,
                "sort_order": order,
            }
        )
    return rows


def model_rows(con: duckdb.DuckDBPyConnection, contract: Contract, champion: Champion | None) -> list[dict[str, Any]]:
    """Every model with a run, a metric or a lift; the two compared models keep the first two colours."""
    found = con.execute("SELECT model FROM runs UNION SELECT model FROM eval_metrics ORDER BY 1").fetchall()
    pair = [contract.lift.challenger, contract.lift.baseline]
    names = [name for name in pair if (name,) in found]
    names += [name for (name,) in found if name not in pair]
    chosen = champion or {}
    rows = []
    for model in names:
        is_champion = model == chosen.get("model")
        role = "champion" if is_champion else "baseline" if model == contract.lift.baseline else "challenger"
        rows.append(
            {
                "model": model,
                "display_name": MODEL_WORDS.get(model, readable(model)),
                "role": role,
                "color_slot": pair.index(model) if model in pair else 2 + sorted(set(names) - set(pair)).index(model),
                "champion_version": chosen.get("version") if is_champion else None,
                "champion_as_of": chosen.get("as_of") if is_champion else None,
                "champion_reason": chosen.get("reason") if is_champion else None,
            }
        )
    return rows


def readable(name: str) -> str:
    """'long_view' as 'Long view'."""
    return name.replace("_", " ").capitalize()
