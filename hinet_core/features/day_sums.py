"""The sums of one day's history for the keys that its rows ask for."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import duckdb
import numpy as np

from hinet_core.contract import Contract, Entity
from hinet_core.features import state, windows
from hinet_core.features.daily import STEP as DAILY
from hinet_core.features.daily import daily_schema
from hinet_core.features.history import history_days
from hinet_core.features.sql import as_view, key_sql
from hinet_core.lake import Lake, quote_identifier, quote_literal

LAST_SHOWN = "last_shown"
# The day number of the last showing of a key that no day of the history has shown.
NEVER = int(np.iinfo(np.int32).min)


class DaySums(Protocol):
    """What is known as of a day."""

    def of(self, entity: Entity, met: str, n_keys: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns of `sums` (windows.py) for keys of an entity, int64; 0, or NEVER, where a key has no history.

        `met` names a view with the parts of the keys and their places `nth` from 0.
        """


class SumsAlone:
    """A day's history added up by DuckDB, within its memory limit."""

    def __init__(self, con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date) -> None:
        self.con = con
        tables = ", ".join(history_sums(con, contract, day, lake))
        con.execute(f"CREATE OR REPLACE TEMP TABLE sums_of_day AS WITH {tables} SELECT * FROM sums")

    def of(self, entity: Entity, met: str, n_keys: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        columns = [f"COALESCE(s.{quote_identifier(one)}, {nothing(one)}) AS {quote_identifier(one)}" for one in names]
        mine = f"s.entity = {quote_literal(entity.name)} AND s.key = {key_sql(entity.keys, 'm')}"
        query = f"SELECT {', '.join(['m.nth', *columns])} FROM {met} AS m JOIN sums_of_day AS s ON {mine}"
        found = self.con.sql(query).to_arrow_table()
        nth = found["nth"].to_numpy()
        return {name: placed(nth, found[name].to_numpy(), n_keys, nothing(name)) for name in names}


def history_sums(con: duckdb.DuckDBPyConnection, contract: Contract, day: date, lake: Lake) -> list[str]:
    """The common tables that add the history of a day up from what is committed; the last is `sums`."""
    daily = lake.source(DAILY, history_days(contract, day), schema=daily_schema(contract))
    before = state.scan_before(con, lake, day) if state.kept_entities(contract) else None
    counted = None if before is None else as_view(con, before, "state")
    return windows.history_sums_sql(contract, daily, counted, day)


def nothing(name: str) -> int:
    """What a column of `sums` holds for a key without history."""
    return NEVER if name == LAST_SHOWN else 0


def placed(nth: np.ndarray, values: np.ndarray, n_keys: int, missing: int) -> np.ndarray:
    """Values at the places of their keys."""
    found = np.full(n_keys, missing, np.int64)
    found[nth] = values
    return found
