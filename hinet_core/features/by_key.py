"""The features of many rows at once: computed once per key and scenario, and handed out to the rows.

A feature leans on its entity's key and on the row's scenario alone, and a day shows few such pairs many times. A join
would carry every column of every row, and the rows would have to be put in order once more.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hinet_core.contract import Computed, Contract, Entity, computed_features
from hinet_core.contract.computed import IMPRESSIONS
from hinet_core.features import recent
from hinet_core.features.arithmetic import smoothed
from hinet_core.features.counters import known_column
from hinet_core.features.daily import ALL_ROWS, EACH_SCENARIO
from hinet_core.features.day_sums import LAST_SHOWN, NEVER, DaySums
from hinet_core.features.formulas import estimate
from hinet_core.features.history import day_number
from hinet_core.features.sql import START_IMPRESSIONS, START_RATE
from hinet_core.features.windows import base_rates, counters_of
from hinet_core.lake import Lake

MET = "met_keys"


class FeaturesByKey:
    """The computed features of rows of modelled scenarios over what was known before their day."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date, sums: DaySums
    ) -> None:
        self.con, self.contract, self.lake, self.day, self.sums = con, contract, lake, day, sums
        self.scenarios = pa.array([one.id for one in contract.modelled], pa.string())
        # The rate of all rows and, smoothed towards it, that of each scenario, by task and window.
        self.overall: dict[tuple[str, str], np.ndarray] = {}
        self.base: dict[tuple[str, str], np.ndarray] = {}
        self.add_base_rates()

    def add_base_rates(self) -> None:
        places = base_rates(self.contract)
        columns = (f"{one}_{window}" for task, window in places for one in (IMPRESSIONS, known_column(task)))
        names = list(dict.fromkeys(columns))
        self.meet({}, 1)
        of_all = self.sums.of(ALL_ROWS, MET, 1, names)
        self.meet({"scenario_id": self.scenarios}, len(self.scenarios))
        of_each = self.sums.of(EACH_SCENARIO, MET, len(self.scenarios), names)
        for task, window in places:
            known, shown = f"{known_column(task)}_{window}", f"{IMPRESSIONS}_{window}"
            start, prior = np.array([START_RATE]), self.contract.features.prior_impressions
            overall = smoothed(of_all[known], of_all[shown], START_IMPRESSIONS, start)
            self.overall[task, window] = overall
            self.base[task, window] = smoothed(of_each[known], of_each[shown], prior, overall)

    def of(self, parts: Mapping[str, pa.ChunkedArray], scenario: pa.ChunkedArray) -> dict[str, pa.Array]:
        """The features of rows from the parts of their keys and their scenarios."""
        scenario_of_row = pc.index_in(scenario, value_set=self.scenarios).to_numpy()
        found: dict[str, pa.Array] = {}
        for entity in self.contract.features.entities:
            found |= self.of_entity(entity, [parts[key] for key in entity.keys], scenario_of_row)
        return {one.name: found[one.name] for one in computed_features(self.contract)}

    def of_entity(
        self, entity: Entity, parts: Sequence[pa.ChunkedArray], scenario_of_row: np.ndarray
    ) -> dict[str, pa.Array]:
        key_of_row = numbered(parts)
        pair_of_row = numbered_pairs(key_of_row, scenario_of_row, len(self.scenarios))
        row_of_key, row_of_pair = one_row_each(key_of_row), one_row_each(pair_of_row)
        key_of_pair, scenario_of_pair = key_of_row[row_of_pair], scenario_of_row[row_of_pair]
        features = [one for one in computed_features(self.contract) if one.entity == entity.name]
        met = {key: part.take(pa.array(row_of_key)) for key, part in zip(entity.keys, parts, strict=True)}
        self.meet(met, len(row_of_key))
        names = dict.fromkeys(f"{one}_{feature.window}" for feature in features for one in counters_of(feature))
        names |= {LAST_SHOWN: None} if entity.recency else {}
        sums = self.sums.of(entity, MET, len(row_of_key), list(names))
        sums_of_pair = {name: of_key[key_of_pair] for name, of_key in sums.items()}
        found = {one.name: self.values(one, sums_of_pair, scenario_of_pair) for one in features if one.kind != "recent"}
        handed_out = {name: values.take(pa.array(pair_of_row)) for name, values in found.items()}
        return handed_out | self.lists(features, key_of_row)

    def values(
        self, feature: Computed, sums_of_pair: Mapping[str, np.ndarray], scenario_of_pair: np.ndarray
    ) -> pa.Array:
        """One feature, but a list, of pairs of a key and a scenario."""
        if feature.kind == "recency":
            days = day_number(self.day) - sums_of_pair[LAST_SHOWN]
            return pa.array(days.astype(np.int32), mask=sums_of_pair[LAST_SHOWN] == NEVER)
        if feature.kind in ("rate", "coec", "residual"):
            place = feature.task, feature.window
            return pa.array(
                estimate(
                    self.contract,
                    feature,
                    total=lambda counter: sums_of_pair[f"{counter}_{feature.window}"].astype(np.float64),
                    base=lambda: self.base[place][scenario_of_pair],
                    overall=lambda: self.overall[place],
                )
            )
        (counter,) = counters_of(feature)
        return pa.array(sums_of_pair[f"{counter}_{feature.window}"])

    def lists(self, features: Sequence[Computed], key_of_row: np.ndarray) -> dict[str, pa.Array]:
        """The last values of the keys that were met, handed out to the rows."""
        wanted = {one.name for one in features if one.kind == "recent"}
        found = {}
        for one in self.contract.features.recent:
            if one.name in wanted:
                history = self.lake.source(recent.STEP, recent.look_back(self.contract, self.day), recent.SCHEMA)
                tables = recent.merged_sql(self.contract, [one], history, MET, self.day)
                table, joins = recent.list_table(self.contract, one.name), recent.joins_sql(self.contract, [one])
                query = f"WITH {tables[0]} SELECT {table}.items FROM {MET} AS r {joins[0]} ORDER BY r.nth"
                items = self.con.sql(query).to_arrow_table()["items"].combine_chunks()
                found[one.name] = items.take(pa.array(key_of_row))
        return found

    def meet(self, parts: Mapping[str, pa.Array | pa.ChunkedArray], n_keys: int) -> None:
        """Show keys to DuckDB, with their places."""
        # No column of a contract can be called `nth`.
        self.con.register(MET, pa.table({**parts, "nth": np.arange(n_keys)}))


def numbered(columns: Sequence[pa.ChunkedArray]) -> np.ndarray:
    """Per row the number of its combination of values."""
    encoded = [column.combine_chunks().dictionary_encode(null_encoding="encode") for column in columns]
    number_of_row = encoded[0].indices.to_numpy()
    for one in encoded[1:]:
        number_of_row = numbered_pairs(number_of_row, one.indices.to_numpy(), len(one.dictionary))
    return number_of_row


def numbered_pairs(number_of_row: np.ndarray, other_of_row: np.ndarray, n_others: int) -> np.ndarray:
    """Two numbers as one; counted from 0, so that no product of many is too large."""
    pair_of_row = pa.array(number_of_row * np.int64(n_others) + other_of_row)
    return pair_of_row.dictionary_encode().indices.to_numpy()


def one_row_each(number_of_row: np.ndarray) -> np.ndarray:
    """A row of each number."""
    row = np.zeros(number_of_row.max(initial=-1) + 1, np.int64)
    row[number_of_row] = np.arange(len(number_of_row))
    return row
