"""Great Expectations 1.24 inside DuckDB: expectations become SQL on a table or view of our own connection.

Great Expectations knows no DuckDB; it reaches it through the SQLAlchemy dialect of duckdb-engine. Out of the box every
result is lost: SQLAlchemy rolls back when it takes its connection back, DuckDB drops the open result with the
transaction, and Great Expectations fetches only after that. `BorrowedConnection` is the repair: transactions and
the closing of the connection stay with the owner, so a rollback of SQLAlchemy's is nothing to DuckDB.

What it answers as Great Expectations does on pandas, and what it does not support: docs/quality.md. A query that raises
(a comparison of text with a number, say) takes all aggregates of the batch with it, so rules over a column of the
wrong type are left out before.

The connection is used while a suite runs: an open result of the caller on it is lost, and one thread at a time.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from great_expectations.datasource.fluent.interfaces import Batch

# Counts are needed, lists of offending values are not: the sample comes from our own query, with hashed ids.
RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}
# Of a small frame: which of its rows failed.
ROWS_FORMAT = {"result_format": "COMPLETE", "partial_unexpected_count": 0}


class BorrowedConnection:
    """A DuckDB connection lent to SQLAlchemy, which may neither close it nor touch its transaction."""

    autocommit = None
    closed = False

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self.notices: list[str] = []

    def cursor(self) -> Any:
        from duckdb_engine import CursorWrapper

        return CursorWrapper(self._con, self)  # type: ignore[arg-type]

    def begin(self) -> None: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What one expectation came to. `unexpected` rows failed it; `error` is set when it could not run."""

    success: bool
    severity: str
    unexpected: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Wanted:
    """An expectation by Great Expectations' class name."""

    expectation: str
    arguments: dict[str, Any]
    severity: str = "critical"


def new_context() -> Any:
    """A context that writes nothing, draws no progress bars and calls nobody."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    # The default ephemeral context leaves a temporary folder behind for each one made.
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def table_batch(con: duckdb.DuckDBPyConnection, view: str) -> "Batch":
    """A batch over a table or view of this connection; expectations on it run inside DuckDB."""
    return lent_batch(BorrowedConnection(con), view)


def lent_batch(connection: Any, view: str) -> "Batch":
    from sqlalchemy.pool import StaticPool

    quote_keywords()

    source = new_context().data_sources.add_sql(
        "duckdb",
        connection_string="duckdb:///:memory:",
        create_temp_table=False,
        kwargs={"creator": lambda: connection, "poolclass": StaticPool},
    )
    asset = source.add_table_asset("table", table_name=view)
    return asset.add_batch_definition_whole_table("whole").get_batch()


def quote_keywords() -> None:
    """Have the dialect quote every keyword of DuckDB: it leaves out some that are no column names, such as `at`."""
    from duckdb_engine import DuckDBIdentifierPreparer

    words = duckdb.cursor().execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()
    DuckDBIdentifierPreparer.reserved_words.update(word for (word,) in words)


def frame_batch(frame: Any) -> "Batch":
    """A batch over a pandas frame, judged by Great Expectations' own pandas engine."""
    asset = new_context().data_sources.add_pandas("pandas").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})


def judge(batch: "Batch", wanted: Sequence[Wanted]) -> list[Outcome]:
    """Run expectations as one suite; one outcome each, in their order."""
    return [outcome(one) for one in run(batch, wanted, RESULT_FORMAT)]


def judge_values(frame: Any, wanted: Sequence[Wanted]) -> list[list[Outcome]]:
    """Expectations about single values of a pandas frame; for each, one outcome per row."""
    found = []
    for result in run(frame_batch(frame), wanted, ROWS_FORMAT):
        whole = outcome(result)
        failed = set(result.result.get("unexpected_index_list") or ())
        found.append(
            [replace(whole, success=whole.error is None and row not in failed) for row in range(len(frame))]
        )
    return found


def run(batch: "Batch", wanted: Sequence[Wanted], result_format: dict[str, Any]) -> list[Any]:
    """Great Expectations' own results, in the order of what was wanted."""
    if not wanted:
        return []
    import great_expectations as gx
    from great_expectations import expectations

    suite = gx.ExpectationSuite(
        name="day",
        expectations=[
            getattr(expectations, one.expectation)(severity=one.severity, meta={"place": place}, **one.arguments)
            for place, one in enumerate(wanted)
        ],
    )
    results = batch.validate(suite, result_format=result_format).results
    by_place = {one.expectation_config.meta["place"]: one for one in results if one.expectation_config}  # type: ignore[index]
    return [by_place[place] for place in range(len(wanted))]


def outcome(result: Any) -> Outcome:
    """One of Great Expectations' results in our words."""
    details = result.result
    unexpected = details.get("unexpected_count")
    if result.expectation_config.type == "unexpected_rows_expectation" and "observed_value" in details:
        unexpected = details["observed_value"]
    if unexpected is None and details.get("element_count") == 0:
        unexpected = 0  # the sum over no rows is NULL in SQL
    severity = result.expectation_config.severity
    return Outcome(
        success=bool(result.success),
        severity=getattr(severity, "value", severity),
        unexpected=unexpected,
        error=error_text(result.exception_info),
    )


def error_text(info: dict[str, Any]) -> str | None:
    """The message of an expectation that raised; Great Expectations nests it under the metric that failed."""
    for one in (info, *info.values()):
        if isinstance(one, dict) and one.get("raised_exception"):
            return str(one.get("exception_message")).strip().splitlines()[0]
    return None
