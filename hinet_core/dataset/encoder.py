"""Examples to tensors: fitted on a training window, stored as JSON and Parquet inside the model's folder.

F id fields, K numbers, L list length, N rows, T tasks.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import DTypeLike, NDArray
from pydantic import TypeAdapter

from hinet_core.contract import Contract, computed_features
from hinet_core.dataset import numbers as numbers_room
from hinet_core.dataset import sampling
from hinet_core.dataset import vocabulary as vocabulary_room
from hinet_core.dataset.fields import fit_buckets
from hinet_core.dataset.numbers import Number, Transform
from hinet_core.dataset.plan import IDENTITY, EncodingError, Plan, label_sql, min_counts
from hinet_core.dataset.rows import Dataset
from hinet_core.dataset.tensors import FeatureSpec, FieldSpec
from hinet_core.dataset.vocabulary import Words
from hinet_core.lake import quote_identifier

VOCABULARY, DESCRIPTION = "vocabulary.parquet", "encoder.json"
FORMAT = 2
STORED: dict[str, Any] = {"plan": Plan, "numbers": tuple[Number, ...]}
ROWS_AT_ONCE = 200_000
NOT_SAMPLED: Mapping[str, float] = {}

_names = itertools.count()


class Encoder:
    """Raw examples to a Dataset: a vocabulary, scales of numbers and the number of slots, of one training window."""

    def __init__(self, plan: Plan, vocabulary: pa.Table, numbers: tuple[Number, ...], n_positions: int) -> None:
        self.plan, self.vocabulary, self.numbers, self.n_positions = plan, vocabulary, numbers, n_positions
        self._words = vocabulary_room.by_field(vocabulary, [*plan.fields, *(one.name for one in plan.lists)])

    @classmethod
    def fit(cls, con: duckdb.DuckDBPyConnection, contract: Contract, relation: duckdb.DuckDBPyRelation) -> "Encoder":
        """Learn from the rows of a training window, and from nothing else; their order does not matter.

        Labels are not looked at. Raises EncodingError when there is no row.
        """
        plan = Plan.of(contract)
        check_columns(plan, relation.columns)
        rows = view_of(con, relation.project(plan.made_columns))
        last_slot = f"MAX({quote_identifier(plan.position)})" if plan.position else "NULL"
        ((count, last),) = con.sql(f"SELECT COUNT(*), {last_slot} FROM {rows}").fetchall()
        if not count:
            raise EncodingError("the training window has no row of a modelled scenario: ingest days that have some")
        plan = replace(plan, buckets=fit_buckets(con, rows, contract.features.buckets))
        lists = [one.name for one in plan.lists]
        counts = min_counts(contract, [*plan.fields, *lists])
        vocabulary = vocabulary_room.fit(con, rows, plan.token_sql(), lists, counts)
        transforms: dict[str, Transform] = {
            one.name: one.transform for one in computed_features(contract) if one.encode == "number"
        }
        transforms |= {one.name: one.transform for one in plan.made}
        numbers = numbers_room.fit(con, rows, plan.numbers, transforms)
        n_positions = 0 if last is None else max(int(last) - plan.first_slot + 1, 0)
        return cls(plan, vocabulary, numbers, n_positions)

    @property
    def words(self) -> Mapping[str, Words]:
        """The tokens of every field and list, and their ids."""
        return self._words

    @property
    def spec(self) -> FeatureSpec:
        """What models see of the log."""
        plan, widths = self.plan, {name: words.width for name, words in self._words.items()}
        hidden = set(plan.out_of_x)
        return FeatureSpec(
            fields=tuple(FieldSpec(name, "id", widths[name], name not in hidden) for name in plan.fields),
            numbers=tuple(FieldSpec(one.name, "number", in_x=one.column not in hidden) for one in self.numbers),
            lists=tuple(
                FieldSpec(one.name, "list", widths[one.name], one.name not in hidden, one.length) for one in plan.lists
            ),
            scenarios=plan.scenarios,
            tasks=tuple(task.name for task in plan.tasks),
            n_positions=self.n_positions,
            after=plan.after,
        )

    def transform(self, con: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation, as_of: date) -> Dataset:
        """Examples as tensors, ordered by day, file and record number; labels as they were known at 00:00 of as_of.

        Raises EncodingError for a missing column or a scenario that is not modelled.
        """
        table = con.sql(self._sql(con, relation, as_of, requests=True)).to_arrow_table()
        # Rows are put in order here: sorting a hundred columns in the query costs more than all else in it.
        order_N = np.lexsort((table["record"].to_numpy(), ranks(table["file"]), table["day_code"].to_numpy()))
        place_N = torch.from_numpy(order_N)
        return self._dataset(table).map(lambda column: column.index_select(0, place_N))

    def stream(
        self,
        con: duckdb.DuckDBPyConnection,
        relation: duckdb.DuckDBPyRelation,
        as_of: date,
        negative_rate: Mapping[str, float] = NOT_SAMPLED,
    ) -> Iterator[tuple[Dataset, NDArray[np.uint64]]]:
        """The rows of `transform` some at a time, in no order, with a key for each: a hash of the row's identity.

        `negative_rate` gives scenarios the share of their negatives that stays (`sampling`). Memory does not grow with
        the rows. `con` may run no other query until the stream has ended.
        """
        rate_S = sampling.rates(self.plan, negative_rate)
        rows = f"({self._sql(con, relation, as_of)}) WHERE {sampling.kept_sql(self.plan, rate_S)}"
        query = f"SELECT *, md5_number_lower({IDENTITY}) AS identity FROM {rows}"
        for part in con.sql(query).to_arrow_reader(ROWS_AT_ONCE):
            table = pa.Table.from_batches([part])
            yield replace(self._dataset(table), negative_rate=rate_S), table["identity"].to_numpy()

    def _sql(
        self, con: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation, as_of: date, requests: bool = False
    ) -> str:
        """One query for all columns: `f…` tokens, `k…` numbers, `l…` lists, `y…` labels, `m…` masks."""
        plan = self.plan
        check_columns(plan, relation.columns)
        rows = view_of(con, relation.project(plan.made_columns))
        columns = [f"{token} AS f{i}" for i, token in enumerate(plan.token_sql().values())]
        columns += [f"CAST({numbers_room.encode_sql(one)} AS FLOAT) AS k{i}" for i, one in enumerate(self.numbers)]
        columns += [f"{one.sql} AS l{i}" for i, one in enumerate(plan.lists)]
        for i, task in enumerate(plan.tasks):
            label, mask = label_sql(task, plan.cutoff_us(as_of))
            columns += [f"CAST({label} AS FLOAT) AS y{i}", f"CAST({mask} AS FLOAT) AS m{i}"]
        columns += [
            f"CAST({plan.scenario_sql()} AS BIGINT) AS scenario, scenario_id AS place",
            f"CAST({plan.slot_sql(self.n_positions)} AS BIGINT) AS slot",
            f"md5_number_lower(CAST({quote_identifier(plan.user)} AS VARCHAR)) AS who",
            "CAST(day_number AS BIGINT) AS day_code, source_file AS file, CAST(record_number AS BIGINT) AS record",
            *([f"{plan.request_sql()} AS visit"] if requests and plan.request else []),
        ]
        return f"SELECT {', '.join(columns)} FROM {rows}"

    def _dataset(self, table: pa.Table) -> Dataset:
        """The columns of the query as tensors, in the order of the table's rows."""
        plan, words = self.plan, self._words
        check_scenarios(plan, table)
        ids = [words[name].lookup(table[f"f{i}"]) for i, name in enumerate(plan.fields)]
        numbers = [table[f"k{i}"].to_numpy() for i in range(len(self.numbers))]
        labels, masks = ([table[f"{kind}{i}"].to_numpy() for i in range(len(plan.tasks))] for kind in "ym")
        lists = {
            one.name: words[one.name].lookup_lists(table[f"l{i}"].combine_chunks(), one.length)
            for i, one in enumerate(plan.lists)
        }
        return Dataset(
            fields_NF=side_by_side(ids, len(table), np.int32),
            numbers_NK=side_by_side(numbers, len(table), np.float32),
            scenario_N=column_of(table, "scenario"),
            position_N=column_of(table, "slot"),
            labels_NT=side_by_side(labels, len(table), np.float32),
            label_mask_NT=side_by_side(masks, len(table), np.float32),
            user_N=column_of(table, "who"),
            day_N=column_of(table, "day_code"),
            request_N=column_of(table, "visit") if "visit" in table.column_names else None,
            lists={name: torch.from_numpy(ids_NL) for name, ids_NL in lists.items()},
        )

    def to_folder(self, folder: Path) -> None:
        """Write vocabulary.parquet and encoder.json."""
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(self.vocabulary, folder / VOCABULARY, compression="zstd")
        content = {
            "format": FORMAT,
            "plan": asdict(self.plan),
            "numbers": [asdict(one) for one in self.numbers],
            "n_positions": self.n_positions,
        }
        (folder / DESCRIPTION).write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def from_folder(cls, folder: Path) -> "Encoder":
        """Read an encoder back. Raises EncodingError, saying what is wrong, for a folder that holds none."""
        try:
            content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            vocabulary = pq.read_table(folder / VOCABULARY, schema=vocabulary_room.SCHEMA)
            if content.get("format") != FORMAT:
                raise ValueError(f"expected format {FORMAT}, found {content.get('format')!r}")
            plan, numbers = (TypeAdapter(kind).validate_python(content[key]) for key, kind in STORED.items())
            return cls(plan, vocabulary, numbers, content["n_positions"])
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            reason = str(error).partition("\n")[0]
            raise EncodingError(f"{folder} holds no readable encoder ({reason}): train this model again") from error


def check_columns(plan: Plan, present: list[str]) -> None:
    missing = [name for name in plan.needed_columns if name not in present]
    if missing:
        raise EncodingError(
            f"examples lack {', '.join(missing)}: the contract and the committed examples differ. "
            "Materialize examples again under this contract."
        )


def check_scenarios(plan: Plan, table: pa.Table) -> None:
    unknown = table.filter(pc.is_null(table["scenario"]))["place"].unique().to_pylist()
    if unknown:
        raise EncodingError(
            f"rows of scenario {', '.join(sorted(map(str, unknown)))}, which this encoder does not model; "
            f"it models {', '.join(plan.scenarios)}: leave the others out"
        )


def view_of(con: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation) -> str:
    name = f"_examples_{next(_names)}"
    relation.create_view(name, replace=True)
    return quote_identifier(name)


def side_by_side(columns: list[NDArray[Any]], n_rows: int, kind: DTypeLike) -> torch.Tensor:
    """Columns as one row-major tensor."""
    out: NDArray[Any] = np.empty((n_rows, len(columns)), kind)
    for i, column in enumerate(columns):
        out[:, i] = column
    return torch.from_numpy(out)


def column_of(table: pa.Table, name: str) -> torch.Tensor:
    """A whole column as int64; unsigned numbers keep their bits. A copy, since Arrow's memory is not ours to change."""
    return torch.from_numpy(table[name].to_numpy().view(np.int64).copy())


def ranks(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Each value's place among the distinct values, from 0."""
    distinct = pc.unique(column)
    distinct = distinct.take(pc.array_sort_indices(distinct))
    return pc.index_in(column, value_set=distinct).to_numpy().astype(np.int64)
