"""What tells a label too well is an outcome itself: measured on the sample, each column alone against each label."""

from datetime import timedelta
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from hinet_core.draft.nested import never_parts
from hinet_core.draft.outcomes import held
from hinet_core.draft.plan import UNSURE, Drafted, Plan, Task
from hinet_core.lake import quote_identifier

TELLS_TOO_MUCH = 0.9  # AUC of one column alone
LEAST_POSITIVES = 20


def exclude_leaks(plan: Plan, con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Make an outcome of whatever predicts a label alone, and a known-at time of what is there where one is 1."""
    labels = {task.name: condition for task in plan.tasks if (condition := held(plan, task))}
    counts = {
        name: con.execute(f"SELECT count(*) FILTER ({condition}) FROM {table}").fetchall()[0][0]
        for name, condition in labels.items()
    }
    enough = {name: labels[name] for name, count in counts.items() if count >= LEAST_POSITIVES}
    for column in plan.columns:
        if column.role == "plain" and column.source is None:
            _judge(con, table, column, enough)
    for column in plan.columns:
        if column.role == "outcome" and column.type == "timestamp":
            _be_known_at(plan, con, table, column)


def _judge(con: duckdb.DuckDBPyConnection, table: str, column: Drafted, tasks: dict[str, str]) -> None:
    """A column that alone predicts a label, or is there only where the label is 1, is an outcome itself."""
    one = column.guess
    if one is None or column.type.startswith("list") or (one.distinct < 2 and one.missing == 0):
        return
    value = quote_identifier(column.name)
    for task, condition in tasks.items():
        there, there_and_one = con.execute(
            f"SELECT count({value}), count({value}) FILTER ({condition}) FROM {table}"
        ).fetchall()[0]
        if 0 < there < 0.9 * one.rows and there_and_one >= 0.99 * there and there >= LEAST_POSITIVES:
            column.role = "outcome"
            column.why.append(
                f"never an input: it is there in {there} rows, {there_and_one} of them with {task} = 1, so it is known "
                "only afterwards"
            )
            return
        if column.type in ("timestamp", "date"):
            continue
        found = auc_alone(con, table, value, condition, numeric=one.is_number)
        if found is not None and found > TELLS_TOO_MUCH:
            column.role = "outcome"
            column.why.append(
                f"never an input: it alone predicts {task} with AUC {found:.2f} (above {TELLS_TOO_MUCH:g}); if it is "
                "known before the exposure, make it a feature"
            )
            return
        same = never_parts(con, table, column, task, condition)
        if same is not None:
            column.role = "outcome"
            column.why.append(
                f"{UNSURE}never an input: {same[1]}; {same[0]}? then make it a task, or leave it so; if it is known "
                "before the exposure, make it a feature"
            )
            return


def auc_alone(
    con: duckdb.DuckDBPyConnection, table: str, value: str, condition: str, numeric: bool
) -> float | None:
    """AUC of one column for a label, at least 0.5; of text by its values' rates in the other half of the rows.

    None when text has too many values to tell, or a half lacks one of both labels.
    """
    if numeric:
        rows = con.execute(
            f"SELECT CAST({value} AS DOUBLE), CAST(coalesce({condition}, false) AS TINYINT) FROM {table} "
            f"WHERE {value} IS NOT NULL"
        ).fetchnumpy()
        scores, labels = (np.asarray(one) for one in rows.values())
    else:
        few, total = con.execute(f"SELECT count(DISTINCT {value}), count(*) FROM {table}").fetchall()[0]
        if few > total / 20:
            return None
        rows = con.execute(
            f"""
            WITH halves AS (
                SELECT {value} AS v, CAST(coalesce({condition}, false) AS TINYINT) AS y, rowid % 2 AS half FROM {table}
            ), rates AS (SELECT v, avg(y) AS rate FROM halves WHERE half = 0 GROUP BY v)
            SELECT coalesce(rate, 0), y FROM halves LEFT JOIN rates ON halves.v IS NOT DISTINCT FROM rates.v
            WHERE half = 1
            """
        ).fetchnumpy()
        scores, labels = (np.asarray(one) for one in rows.values())
    return _auc(scores, labels)


def _auc(scores: NDArray[Any], labels: NDArray[Any]) -> float | None:
    from scipy.stats import rankdata

    n_one = int(labels.sum())
    n_zero = len(labels) - n_one
    if n_one < LEAST_POSITIVES or n_zero < LEAST_POSITIVES:
        return None
    below = rankdata(scores)[labels == 1].sum() - n_one * (n_one + 1) / 2
    auc = float(below) / (n_one * n_zero)
    return max(auc, 1 - auc)


def _be_known_at(plan: Plan, con: duckdb.DuckDBPyConnection, table: str, column: Drafted) -> None:
    """A time that is there exactly where a label is 1 says when it happened; the longest delay becomes its window."""
    time, value = plan.one("time"), quote_identifier(column.name)
    if time is None:
        return
    shown = quote_identifier(time.name)
    for task in plan.tasks:
        condition = held(plan, task)
        there, both, ones = con.execute(
            f"SELECT count({value}), count({value}) FILTER ({condition}), count(*) FILTER ({condition}) FROM {table}"
        ).fetchall()[0]
        if both < 0.9 * max(there, ones) or both == 0 or task.known_at:
            continue
        column.role = "known_at"
        column.why.append(f"when {task.name} happened")
        task.known_at = column.name
        wait_for(con, task, f"SELECT epoch_us({value}) - epoch_us({shown}) AS d FROM {table}")
        return
    column.why.append(f"{UNSURE}a time that goes with no label of this draft")


def wait_for(con: duckdb.DuckDBPyConnection, task: Task, delays: str) -> None:
    """A window that holds the longest delay seen. `delays`: a query of delays `d` in microseconds."""
    longest = con.execute(f"SELECT max(d) FROM ({delays})").fetchall()[0][0]
    begun = f"SELECT CAST(ceil(d / {timedelta(days=1) // timedelta(microseconds=1)}) AS INTEGER) AS days, count(*)"
    task.delays = dict(con.execute(f"{begun} FROM ({delays}) WHERE d IS NOT NULL GROUP BY days").fetchall())
    delay = timedelta(microseconds=max(longest or 0, 0))
    task.window = as_duration(delay)
    task.why.append(f"the longest delay seen is {delay}; later than {task.window} after the exposure will not count")


def as_duration(longest: timedelta) -> str:
    """The next whole hour up to two days, else the next whole day."""
    hours = -(-longest // timedelta(hours=1)) or 1
    return f"{hours}h" if hours <= 48 else f"{-(-longest // timedelta(days=1))}d"
