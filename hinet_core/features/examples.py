"""`examples`: what was known about a row when its day began, beside the row's own columns and labels.

`examples` takes any relation with the contract's keys, so logged rows, candidates and a scoring file get equal
features by construction. Features come from days before `day`; the row's own day never enters.
"""

import logging
from collections.abc import Iterable
from datetime import date

import duckdb

from hinet_core.contract import Contract, computed_features
from hinet_core.features import recent, state, windows
from hinet_core.features.daily import STEP as DAILY
from hinet_core.features.day_batches import example_batches
from hinet_core.features.day_sums import DaySums, SumsAlone, history_sums
from hinet_core.features.history import (
    HistoryError,
    Lineage,
    each_day,
    history_days,
    lineage_of,
    step_hashes,
)
from hinet_core.features.joined import joined_sql
from hinet_core.features.own_columns import check_columns, label_sql, leading_sql
from hinet_core.features.recent import STEP as RECENT
from hinet_core.features.running_sums import WORTH_IT_DAYS, RunningSums
from hinet_core.features.sql import as_view
from hinet_core.features.state import STEP as STATE
from hinet_core.lake import Lake, Manifest

log = logging.getLogger(__name__)

STEP = "examples"


def examples(
    con: duckdb.DuckDBPyConnection, contract: Contract, rows: duckdb.DuckDBPyRelation, day: date, lake: Lake
) -> duckdb.DuckDBPyRelation:
    """Rows shown on `day` with their features as of the start of that day; columns as in docs, order not fixed.

    `rows` belongs to `con`. Position, propensity, request, source_file and labels may be absent (NULL, '' for the
    file); record_number may not: with day and file it is the row's identity and order.
    """
    present = rows.columns
    check_columns(contract, present)
    past = [*history_sums(con, contract, day, lake), *windows.base_rates_sql(contract)]
    around = leading_sql(contract, present, day), label_sql(contract, present)
    features, shown = computed_features(contract), as_view(con, rows, "rows")
    return con.sql(joined_sql(contract, lake, shown, day, past, features, *around))


def write_examples(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date, running: RunningSums | None = None
) -> Manifest:
    """Compute and commit the examples of one ingested day, modelled scenarios only."""
    if lake.manifest("ingest", day) is None:
        raise HistoryError(f"examples of {day}: the day has no committed impressions; ingest it first")
    made_from = lineage(contract, lake, day)
    if running is not None and running.move_to(day):
        sums: DaySums = running
    else:
        sums = SumsAlone(con, contract, lake, day)
    with lake.begin(STEP, day) as draft:
        draft.write_batches(STEP, example_batches(con, contract, lake, day, sums), con)
        return draft.commit(made_from)


def history_inputs(contract: Contract, lake: Lake, day: date) -> dict[str, dict[str, str]]:
    """What the features of a day are made from: step, day, content hash."""
    inputs = {DAILY: step_hashes(lake, DAILY, history_days(contract, day))}
    if contract.features.recent:
        inputs[RECENT] = step_hashes(lake, RECENT, recent.look_back(contract, day))
    if state.kept_entities(contract):
        before = state.day_before(lake, day)
        inputs[STATE] = step_hashes(lake, STATE, [before] if before else [])
    return inputs


def lineage(contract: Contract, lake: Lake, day: date) -> Lineage:
    """What a day's examples are made from, and how many days of each window have data."""
    inputs = history_inputs(contract, lake, day)
    held = {
        str(days): sum(one.isoformat() in inputs[DAILY] for one in history_days(contract, day)[-days:])
        for days in contract.features.windows_days
    }
    inputs["ingest"] = step_hashes(lake, "ingest", [day])
    return lineage_of(contract, inputs) | {"window_days_held": held}


def write_examples_range(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, days: Iterable[date]
) -> list[Manifest]:
    """Commit several days, oldest first; windows that the whole log cannot fill are named once."""
    for window in unfilled_windows(contract, lake):
        held = len(lake.days("ingest"))
        log.warning("%s: a window of %d days is longer than the log (%d days)", contract.name, window, held)
    asked = sorted(set(days))
    running = RunningSums(con, contract, lake) if len(asked) >= WORTH_IT_DAYS else None
    return [write_examples(con, contract, lake, day, running) for day in each_day(asked, "examples")]


def unfilled_windows(contract: Contract, lake: Lake) -> list[int]:
    """The windows that no day of the log can fill: the span of committed days is too short."""
    days = lake.days("ingest")
    span = (days[-1] - days[0]).days if days else 0
    return [window for window in contract.features.windows_days if window > span]
