"""DuckDB: connections, and names, texts and files as its SQL writes them."""

import os
import re
from pathlib import Path
from typing import Any

import duckdb

from hinet_core.lake.spill import spill_folder


def quote_identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A text as an SQL literal, for the places where DuckDB takes no bound value."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """The one file of this name, as an SQL literal: DuckDB would take `log[1].csv` for a pattern."""
    return quote_literal(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))


def parquet_list(files: list[Path]) -> str:
    """A FROM clause over exactly these files; columns are matched by name, so a later column may be absent earlier."""
    names = ", ".join(quote_literal(str(one)) for one in files)
    return f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"


def connect(
    path: Path | None = None,
    *,
    read_only: bool = False,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in UTC that never reaches for the network."""
    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "threads": str(threads or os.environ.get("HINET_THREADS") or os.cpu_count() or 1),
        "memory_limit": memory_limit or os.environ.get("HINET_MEMORY") or "4GB",
        # DuckDB's own choice would be the working directory.
        "temp_directory": str(spill_folder()),
    }
    con = duckdb.connect(str(path) if path else ":memory:", read_only=read_only, config=config)
    con.execute("SET TimeZone = 'UTC'")
    # DuckDB knows how far a query is, and leaves it to hinet_core.progress to show it.
    con.execute("SET enable_progress_bar = true")
    con.execute("SET enable_progress_bar_print = false")
    return con
