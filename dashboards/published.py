"""The only reader: pointer -> snapshot -> rows. A page never opens a file by itself.

A snapshot file is immutable and the pointer is replaced atomically, so one resolved `Snapshot` answers a whole rerun
from one publish. Connections are read-only and locked down, and every query has its own cursor: threads that share
one connection object get each other's rows.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import streamlit as st

SCHEMA_VERSION = 1
POINTER = "current.json"
LATE_AFTER_H = 36
LOCKED_DOWN: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "lock_configuration": "true",
    "threads": "2",
    "memory_limit": "512MB",
}


class SnapshotError(Exception):
    """No snapshot can be shown. `title` says what is wrong, `detail` what is known, `next_step` what to do."""

    def __init__(self, title: str, detail: str, next_step: str) -> None:
        super().__init__(f"{title} {detail} {next_step}")
        self.title, self.detail, self.next_step = title, detail, next_step


class NothingPublishedError(SnapshotError):
    """There is no pointer yet: the normal state before the first publish."""


class UnreadableError(SnapshotError):
    """The pointer or the file it names cannot be read."""


class OtherVersionError(SnapshotError):
    """The snapshot has another schema than these pages understand."""


@dataclass(frozen=True)
class Snapshot:
    """One publish of one contract. `key` is the pointer's content: equal keys, equal rows."""

    contract: str
    path: str
    key: str
    publish_id: str
    published_at: datetime


def home() -> Path:
    """HINET_HOME, by default `var` in the working directory."""
    return Path(os.environ.get("HINET_HOME", "var")).expanduser().resolve()


def contracts() -> list[str]:
    """Every contract with a pointer, by name."""
    return sorted(path.parent.parent.name for path in home().glob(f"*/published/{POINTER}"))


def resolve(contract: str) -> Snapshot:
    """Read the pointer."""
    folder = home() / contract / "published"
    try:
        text = (folder / POINTER).read_text()
        pointer = json.loads(text)
        moment = datetime.fromisoformat(pointer["published_at"]).astimezone(UTC)
        return Snapshot(contract, str(folder / Path(pointer["file"]).name), text, pointer["publish_id"], moment)
    except FileNotFoundError as error:
        raise nothing_published() from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(contract, POINTER, error) from error


def open_snapshot(contract: str) -> Snapshot:
    """The current snapshot, proven to open and to have our schema.

    A file can vanish between pointer and open when publishes follow each other fast: then resolve once more.
    """
    snapshot = resolve(contract)
    try:
        found = schema_version(snapshot)
    except (duckdb.Error, OSError):
        snapshot = resolve(contract)
        try:
            found = schema_version(snapshot)
        except (duckdb.Error, OSError) as error:
            raise unreadable(contract, Path(snapshot.path).name, error) from error
    if found != SCHEMA_VERSION:
        raise OtherVersionError(
            "This snapshot has another schema version.",
            f"These pages read version {SCHEMA_VERSION}, the snapshot has version {found}.",
            "Start the dashboard of the same release as the pipeline, or publish again with this one.",
        )
    return snapshot


def schema_version(snapshot: Snapshot) -> int:
    return int(query(snapshot, "SELECT schema_version FROM publish_manifest")["schema_version"].iloc[0])


def nothing_published() -> NothingPublishedError:
    return NothingPublishedError(
        "Nothing is published yet.",
        "The pipeline has not finished its first publish for this folder.",
        "Run `make run`, or materialize the asset `snapshot` in Dagster; this page fills by itself.",
    )


def unreadable(contract: str, name: str, error: Exception) -> UnreadableError:
    return UnreadableError(
        "The published snapshot cannot be read.",
        f"Contract {contract}, file {name}: {type(error).__name__}. {last_good(contract, name)}",
        "Publish again (materialize the asset `snapshot` in Dagster), then retry.",
    )


def last_good(contract: str, broken: str) -> str:
    """A sentence about the newest other snapshot of the contract."""
    folder = home() / contract / "published"
    others = [path for path in folder.glob("pub-*.duckdb") if path.name != broken]
    if not others:
        return "There is no earlier snapshot."
    newest = max(path.stat().st_mtime for path in others)
    return f"The last other snapshot is of {datetime.fromtimestamp(newest, UTC):%Y-%m-%d %H:%M} UTC."


@st.cache_resource(max_entries=4, show_spinner=False)
def connection(path: str, key: str) -> duckdb.DuckDBPyConnection:
    """One connection per snapshot; never closed by hand, since that would kill the cursors of other sessions."""
    return duckdb.connect(path, read_only=True, config=LOCKED_DOWN)


@st.cache_data(max_entries=256, show_spinner=False)
def query_cached(path: str, key: str, sql: str, values: tuple[Any, ...]) -> pd.DataFrame:
    with connection(path, key).cursor() as cursor:
        return cursor.execute(sql, list(values)).df()


def query(snapshot: Snapshot, sql: str, *values: Any) -> pd.DataFrame:
    """Rows of one snapshot; everything a reader chose arrives as a bound value."""
    return query_cached(snapshot.path, snapshot.key, sql, values)


def has_table(snapshot: Snapshot, table: str) -> bool:
    """Whether the snapshot has a table that came after the first ones: adding one keeps the schema's version."""
    found = query(snapshot, "SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = ?", table)
    return bool(found["n"].iloc[0])


def current() -> Snapshot:
    """The snapshot that the entry script chose for this rerun."""
    snapshot: Snapshot = st.session_state["_snapshot"]
    return snapshot


def manifest(snapshot: Snapshot) -> dict[str, Any]:
    """The one row of `publish_manifest`."""
    row: dict[str, Any] = query(snapshot, "SELECT * FROM publish_manifest").iloc[0].to_dict()
    return row


def words(snapshot: Snapshot, table: str, key: str, name: str) -> dict[str, str]:
    """id -> words, in the contract's order; `table` and the columns are ours, never a reader's."""
    order = "color_slot" if table == "models" else "sort_order"
    frame = query(snapshot, f"SELECT {key}, {name} FROM {table} ORDER BY {order}")
    return dict(zip(frame[key], frame[name], strict=True))
