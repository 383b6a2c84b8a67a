"""The books of ingest: per file and day read = kept + duplicate + quarantined, and the refused rows by any view.

Both cover committed days and days that a check keeps out; `state` tells them apart, since a day can be both: an
earlier reading is committed while a later one is kept out. Rows of outcome files may also be `waiting`. A refused file
stands below: nobody knows how many rows it has, nor of which days.
"""

from pathlib import Path
from typing import Any, Literal

from hinet_core.ingest.days import STEP
from hinet_core.ingest.refused_files import ROWS_UNKNOWN, recorded
from hinet_core.lake import Lake, connect, parquet_list, quote_literal

COMMITTED, KEPT_OUT, WAITING = "committed", "kept out", "waiting"
ANY_DAY = "unknown"
RAW_SHOWN = 80

BooksBy = Literal["file", "day"]
RefusedBy = Literal["reason", "file", "day", "row"]
Table = tuple[list[str], list[tuple[Any, ...]]]


def books(lake: Lake, by: BooksBy) -> Table:
    """Column names and rows: counts per day and file or per day, one total per state, and refused files."""
    what = ["day", "file", "state"] if by == "file" else ["day", "state"]
    counts = ["read", "kept", "duplicate", "quarantined"]
    columns, rows = _counted(_of_both_states(lake, "ingest_files"), what, counts)
    return columns, rows + _refused_files(lake, ["log"], what, counts)


def outcome_books(lake: Lake, by: BooksBy) -> Table:
    """The same of outcome files, by the day on which their rows became known."""
    what = ["day", "source", "file", "state"] if by == "file" else ["day", "source", "state"]
    counts = ["read", "matched", "duplicate", "unmatched", "quarantined"]
    columns, rows = _counted(_in_state(COMMITTED, lake.files("outcome_files")), what, counts)
    return columns, rows + _refused_files(lake, ["outcomes"], what, counts)


def side_books(lake: Lake) -> Table:
    """Records of the side tables as the newest committed day was read with them: read = used + repeated + refused, and
    below why records were refused, or values are missing that are not of their type."""
    columns = ["day", "source", "what", "rows"]
    files = [path for day in lake.days(STEP)[-1:] for path in lake.files("side_counters", [day])]
    if not files:
        return columns, []
    order = "list_position(['read', 'used', 'repeated', 'refused'], counter) NULLS LAST, rows DESC, detail"
    what = "CASE counter WHEN 'reason' THEN detail ELSE counter END"
    return columns, _answer(f"SELECT day, source, {what}, rows FROM {parquet_list(files)} ORDER BY source, {order}")


def _refused_files(lake: Lake, kinds: list[str], what: list[str], counts: list[str]) -> list[tuple[Any, ...]]:
    """A line for each refused file (or one for several that the columns `what` do not tell apart), without counts."""
    shown = ({"day": ANY_DAY, "source": one.source, "file": one.file, "state": ROWS_UNKNOWN}
             for one in recorded(lake) if one.kind in kinds)  # fmt: skip
    lines = dict.fromkeys(tuple(one[name] for name in what) for one in shown)
    return [line + (None,) * len(counts) for line in lines]


def _counted(source: str | None, what: list[str], counts: list[str]) -> Table:
    columns = [*what, *counts]
    if source is None:
        return columns, []
    sums = ", ".join(f"CAST(sum(rows_{name}) AS BIGINT)" for name in counts)
    total = {"day": "'all'", "file": "''"}
    return columns, _answer(
        f"""
        WITH counted AS (SELECT *, source_file AS file FROM ({source}))
        SELECT {", ".join(f"CAST({name} AS VARCHAR)" for name in what)}, {sums} FROM counted GROUP BY {", ".join(what)}
        UNION ALL
        SELECT {", ".join(total.get(name, name) for name in what)}, {sums}
        FROM counted GROUP BY {", ".join(name for name in what if name not in total)}
        ORDER BY {", ".join(str(place) for place in range(1, len(what) + 1))}
        """
    )


def refused(lake: Lake, by: RefusedBy) -> Table:
    """Column names and rows of the refused rows: counted by reason, file or day with an example, or each of them.

    By file, refused files stand below: their rows are not known.
    """
    text = f"source_file || ' record ' || record_number || ': ' || left(raw, {RAW_SHOWN})"
    example = f"arg_min({text}, (day, record_number))"
    views = {
        "reason": (
            ["reason", "rows", "first day", "last day", "for example"],
            f"SELECT reason, count(*) AS n, min(day), max(day), {example} "
            "FROM (SELECT *, unnest(reasons) AS reason FROM found) GROUP BY reason ORDER BY n DESC, reason",
        ),
        "file": (
            ["file", "rows", "first day", "last day", "most frequent reason"],
            "SELECT source_file, count(*) AS n, min(day), max(day), mode(reasons[1]) "
            "FROM found GROUP BY source_file ORDER BY n DESC, source_file",
        ),
        "day": (
            ["day", "state", "rows", "files", "most frequent reason"],
            "SELECT day, state, count(*), count(DISTINCT source_file), mode(reasons[1]) "
            "FROM found GROUP BY day, state ORDER BY day, state",
        ),
        "row": (
            ["day", "state", "file", "record", "reasons", "raw"],
            "SELECT day, state, source_file, record_number, array_to_string(reasons, '; '), raw "
            "FROM found ORDER BY day, state, source_file, record_number",
        ),
    }
    columns, query = views[by]
    found = [
        _of_both_states(lake, "quarantine"),
        _in_state(COMMITTED, lake.files("outcome_quarantine")),
        _in_state(WAITING, lake.files("outcome_waiting")),
    ]
    source = " UNION ALL BY NAME ".join(filter(None, found))
    rows = _answer(f"WITH found AS ({source}) {query}") if source else []
    if by == "file":
        rows += [(one.file, None, None, None, one.reason) for one in recorded(lake)]
    return columns, rows


def _of_both_states(lake: Lake, table: str) -> str | None:
    """SELECT of the table's rows with their `state`; None when there is no file."""
    parts = [_in_state(COMMITTED, lake.files(table)), _in_state(KEPT_OUT, lake.blocked_files(STEP, table))]
    return " UNION ALL BY NAME ".join(filter(None, parts)) or None


def _in_state(state: str, files: list[Path]) -> str | None:
    return f"SELECT *, {quote_literal(state)} AS state FROM {parquet_list(files)}" if files else None


def _answer(query: str) -> list[tuple[Any, ...]]:
    con = connect()
    try:
        return con.execute(query).fetchall()
    finally:
        con.close()
