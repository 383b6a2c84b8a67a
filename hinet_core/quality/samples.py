"""Rows of a day beside rows of its reference, as histograms per feature and scenario."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hinet_core.contract import Contract
from hinet_core.lake import parquet_list, quote_identifier, quote_literal
from hinet_core.quality.distance import Histogram, of_codes, of_computed, of_numbers
from hinet_core.quality.inputs import Codes, Floats, Input, inputs_of, numbers, values_of

# Rows of a scenario that are looked at; more say nothing new.
DAY_ROWS, REFERENCE_ROWS = 5_000, 15_000


@dataclass(frozen=True)
class Sample:
    """Rows of the modelled scenarios, one scenario after the other: those of scenario s are `starts[s]` to
    `starts[s + 1]`. `day_N` is a row's day by its place in the reference, `n_days` for the day itself."""

    rows: pa.Table
    starts: Codes
    day_N: Codes
    n_days: int


def sampled(
    con: duckdb.DuckDBPyConnection, contract: Contract, days: Sequence[date], before: Sequence[Path],
    now: Sequence[Path],
) -> Sample:  # fmt: skip
    """An even sample of each modelled scenario of the reference's days and of the day itself."""
    parts = [
        sample_of(con, contract, parquet_list(list(files)), most)
        for files, most in ((before, REFERENCE_ROWS), (now, DAY_ROWS))
    ]
    rows = pa.concat_tables(parts, promote_options="permissive")
    places = pc.index_in(rows["scenario_id"], value_set=pa.array([one.id for one in contract.modelled]))
    scenario_N = np.asarray(places).astype(np.int64)
    rows = rows.take(np.argsort(scenario_N, kind="stable"))
    day_N = pc.fill_null(pc.index_in(rows["day"], value_set=pa.array(days, pa.date32())), len(days))
    starts = np.append(0, np.cumsum(np.bincount(scenario_N, minlength=len(contract.modelled))))
    return Sample(rows, starts, np.asarray(day_N).astype(np.int64), len(days))


def sample_of(con: duckdb.DuckDBPyConnection, contract: Contract, source: str, most: int) -> pa.Table:
    counted = scenario_counts(con, source)
    present = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    columns = ", ".join(["day", "scenario_id", *(quote_identifier(one.name) for one in inputs_of(contract, present))])
    taken = " OR ".join(
        f"(scenario_id = {quote_literal(one.id)} AND "
        f"hash(source_file, record_number) % {max(1, counted.get(one.id, 0) // most)} = 0)"
        for one in contract.modelled
    )
    return con.sql(f"SELECT {columns} FROM {source} WHERE {taken}").to_arrow_table()


def scenario_counts(con: duckdb.DuckDBPyConnection, source: str) -> dict[str, int]:
    """Rows per scenario of a FROM clause."""
    return dict(con.execute(f"SELECT scenario_id, count(*) FROM {source} GROUP BY 1 ORDER BY 1").fetchall())


@dataclass(frozen=True)
class Cell:
    """One input in one scenario: its histogram, the rows of the reference and of the day, and why there can be no
    verdict, if so."""

    scenario_id: str
    histogram: Histogram
    n_before: int
    n_now: int
    why_not: str = ""


def cells_of(contract: Contract, sample: Sample, one: Input) -> Iterator[Cell]:
    """One input in each modelled scenario."""
    read = numbers_of if one.encode == "number" else codes_of
    for scenario, start, stop, histogram in zip(
        contract.modelled, sample.starts, sample.starts[1:], read(contract, sample, one), strict=False
    ):
        n_now = int((sample.day_N[start:stop] == sample.n_days).sum())
        constant = one.computed and one.encode == "number" and is_constant(histogram.now_K)
        why_not = "a single value all day" if constant else ""
        yield Cell(scenario.id, histogram, int(stop - start) - n_now, n_now, why_not)


def numbers_of(contract: Contract, sample: Sample, one: Input) -> Iterator[Histogram]:
    """A number's histogram in each modelled scenario."""
    value_N, bins = numbers(sample.rows[one.name]), contract.quality.drift.bins
    for start, stop in pairwise(sample.starts):
        here_N, day_N = value_N[start:stop], sample.day_N[start:stop]
        if one.computed:
            yield of_computed(here_N, day_N, sample.n_days, bins, one.transform)
        else:
            yield of_numbers(here_N, day_N, sample.n_days, bins)


def codes_of(contract: Contract, sample: Sample, one: Input) -> Iterator[Histogram]:
    """The histogram of an id or of a list's items in each modelled scenario."""
    row_M, code_M, names = values_of(sample.rows[one.name], one.encode)
    shown = [f"value {code}" for code in range(len(names))] if one.personal else names
    for start, stop in pairwise(np.searchsorted(row_M, sample.starts)):
        day_M = sample.day_N[row_M[start:stop]]
        yield of_codes(code_M[start:stop], day_M, sample.n_days, shown, contract.quality.drift.top)


def is_constant(now_K: Floats) -> bool:
    """Whether all rows of the day are in one place: one value lies in one cell, or between two neighbours."""
    (filled,) = now_K.nonzero()
    return len(filled) < 2 or (len(filled) == 2 and filled[1] - filled[0] == 1 and filled[1] < len(now_K) - 1)
