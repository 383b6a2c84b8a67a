"""Examples to tensors: fitted on a training window, stored as JSON and Parquet inside the model's folder.

F id fields, K numbers, L list length, N rows, T tasks.
"""

import itertools
import json
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import DTypeLike, NDArray

from hinet_core.contract import Column, Computed, Contract, computed_features, known_us_column, label_column
from hinet_core.dataset import numbers as numbers_room
from hinet_core.dataset import vocabulary as vocabulary_room
from hinet_core.dataset.numbers import Number, Transform
from hinet_core.dataset.rows import Dataset
from hinet_core.dataset.tensors import FeatureSpec, FieldSpec
from hinet_core.dataset.window import EPOCH, MICROSECOND
from hinet_core.lake import quote_identifier, quote_literal

LIST_LENGTH = 8
VOCABULARY, DESCRIPTION = "vocabulary.parquet", "encoder.json"
FORMAT = 1

_names = itertools.count()


class EncodingError(ValueError):
    """Rows or a stored encoder that do not fit; the message says what was expected."""


@dataclass(frozen=True)
class TaskTime:
    """A task and how long after the exposure its label is final, in microseconds."""

    name: str
    matures_us: int


@dataclass(frozen=True)
class Plan:
    """What an encoder needs of the contract, so that a stored model carries its own."""

    fields: tuple[str, ...]
    lists: tuple[str, ...]
    numbers: tuple[str, ...]
    scenarios: tuple[str, ...]
    tasks: tuple[TaskTime, ...]
    time_zone: str
    user: str
    position: str | None
    first_slot: int

    @classmethod
    def of(cls, contract: Contract) -> "Plan":
        declared: tuple[Column | Computed, ...] = (*contract.inputs, *computed_features(contract))
        encoded = {kind: tuple(one.name for one in declared if one.encode == kind)
                   for kind in ("id", "list", "number")}  # fmt: skip
        position = contract.column_for("position")
        return cls(
            fields=encoded["id"] + tuple(vocabulary_room.CALENDAR),
            lists=encoded["list"],
            numbers=encoded["number"],
            scenarios=tuple(one.id for one in contract.modelled),
            tasks=tuple(TaskTime(one.name, one.matures_after // MICROSECOND) for one in contract.tasks),
            time_zone=contract.time_zone,
            user=contract.name_of("user"),
            position=position.name if position else None,
            first_slot=1 if position is None or position.min is None else int(position.min),
        )

    def cutoff_us(self, day: date) -> int:
        return (datetime.combine(day, time(), ZoneInfo(self.time_zone)) - EPOCH) // MICROSECOND


class Encoder:
    """Raw examples to a Dataset: a vocabulary, scales of numbers and the number of slots, of one training window."""

    def __init__(self, plan: Plan, vocabulary: pa.Table, numbers: tuple[Number, ...], n_positions: int) -> None:
        self.plan, self.vocabulary, self.numbers, self.n_positions = plan, vocabulary, numbers, n_positions

    @classmethod
    def fit(cls, con: duckdb.DuckDBPyConnection, contract: Contract, relation: duckdb.DuckDBPyRelation) -> "Encoder":
        """Learn from the rows of a training window, and from nothing else; their order does not matter.

        Labels are not looked at. Raises EncodingError when there is no row.
        """
        plan = Plan.of(contract)
        rows = view_of(con, relation)
        check_columns(plan, relation.columns)
        last_slot = f"MAX({quote_identifier(plan.position)})" if plan.position else "NULL"
        count, last = con.sql(f"SELECT COUNT(*), {last_slot} FROM {rows}").fetchone() or (0, None)
        if not count:
            raise EncodingError("the training window has no row of a modelled scenario: ingest days that have some")
        vocabulary = vocabulary_room.fit(con, rows, plan.fields, plan.lists, contract.features.min_token_count)
        transforms: dict[str, Transform] = {
            one.name: one.transform for one in computed_features(contract) if one.encode == "number"
        }
        numbers = numbers_room.fit(con, rows, plan.numbers, transforms)
        n_positions = 0 if last is None else max(int(last) - plan.first_slot + 1, 0)
        return cls(plan, vocabulary, numbers, n_positions)

    @property
    def spec(self) -> FeatureSpec:
        """What models see of the log."""
        widths = vocabulary_room.widths(self.vocabulary, self.plan.fields + self.plan.lists)
        return FeatureSpec(
            fields=tuple(FieldSpec(name, "id", widths[name]) for name in self.plan.fields),
            numbers=tuple(FieldSpec(one.name, "number") for one in self.numbers),
            lists=tuple(FieldSpec(name, "list", widths[name], max_length=LIST_LENGTH) for name in self.plan.lists),
            scenarios=self.plan.scenarios,
            tasks=tuple(task.name for task in self.plan.tasks),
            n_positions=self.n_positions,
        )

    def transform(self, con: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation, as_of: date) -> Dataset:
        """Examples as tensors, ordered by day, file and record number; labels as they were known at 00:00 of as_of.

        Raises EncodingError for a missing column or a scenario that is not modelled.
        """
        check_columns(self.plan, relation.columns)
        rows = view_of(con, relation)
        self._check_scenarios(con, rows)
        return self._dataset(con.sql(self._sql(rows, self.plan.cutoff_us(as_of))).to_arrow_table())

    def _sql(self, rows: str, cutoff: int) -> str:
        """One query for all columns: `f…` tokens, `k…` numbers, `l…` lists, `y…` labels, `m…` masks."""
        columns = [f"{vocabulary_room.token_sql(name)} AS f{i}" for i, name in enumerate(self.plan.fields)]
        columns += [f"CAST({numbers_room.encode_sql(one)} AS FLOAT) AS k{i}" for i, one in enumerate(self.numbers)]
        columns += [f"CAST({quote_identifier(name)} AS VARCHAR[]) AS l{i}" for i, name in enumerate(self.plan.lists)]
        for i, task in enumerate(self.plan.tasks):
            columns += label_sql(task, i, cutoff)
        cases = " ".join(f"WHEN {quote_literal(one)} THEN {i}" for i, one in enumerate(self.plan.scenarios))
        columns += [
            f"CAST(CASE scenario_id {cases} END AS BIGINT) AS scenario",
            f"CAST({self._position_sql()} AS BIGINT) AS slot",
            f"{quote_identifier(self.plan.user)} AS who",
            "CAST(day_number AS BIGINT) AS day_code, source_file AS file, CAST(record_number AS BIGINT) AS record",
        ]
        return f"SELECT {', '.join(columns)} FROM {rows}"

    def _position_sql(self) -> str:
        """The slot 1..P; 0 when it is not known. Slots beyond those trained on count as the last."""
        if self.plan.position is None or self.n_positions == 0:
            return "0"
        slot = f"CAST({quote_identifier(self.plan.position)} AS BIGINT) - {self.plan.first_slot - 1}"
        return f"CASE WHEN {slot} >= 1 THEN LEAST({slot}, {self.n_positions}) ELSE 0 END"

    def _dataset(self, table: pa.Table) -> Dataset:
        plan, words = self.plan, self.vocabulary
        # Rows are put in order here: sorting a hundred columns in the query costs more than all else in it.
        order_N = np.lexsort((table["record"].to_numpy(), ranks(table["file"]), table["day_code"].to_numpy()))
        ids = [vocabulary_room.lookup(words, name, table[f"f{i}"]) for i, name in enumerate(plan.fields)]
        lists = {
            name: vocabulary_room.lookup_lists(words, name, table[f"l{i}"].combine_chunks(), LIST_LENGTH)
            for i, name in enumerate(plan.lists)
        }
        numbers = [table[f"k{i}"].to_numpy() for i in range(len(self.numbers))]
        labels, masks = ([table[f"{kind}{i}"].to_numpy() for i in range(len(plan.tasks))] for kind in "ym")
        return Dataset(
            fields_NF=tensor(side_by_side(ids, len(table), np.int32), order_N),
            numbers_NK=tensor(side_by_side(numbers, len(table), np.float32), order_N),
            scenario_N=tensor(table["scenario"].to_numpy(), order_N),
            position_N=tensor(table["slot"].to_numpy(), order_N),
            labels_NT=tensor(side_by_side(labels, len(table), np.float32), order_N),
            label_mask_NT=tensor(side_by_side(masks, len(table), np.float32), order_N),
            user_N=tensor(ranks(table["who"]), order_N),
            day_N=tensor(table["day_code"].to_numpy(), order_N),
            lists={name: tensor(ids_NL, order_N) for name, ids_NL in lists.items()},
        )

    def _check_scenarios(self, con: duckdb.DuckDBPyConnection, rows: str) -> None:
        found = [one for (one,) in con.sql(f"SELECT DISTINCT scenario_id FROM {rows}").fetchall()]
        unknown = sorted(str(one) for one in found if one not in self.plan.scenarios)
        if unknown:
            raise EncodingError(
                f"rows of scenario {', '.join(unknown)}, which this encoder does not model; "
                f"it models {', '.join(self.plan.scenarios)}: leave the others out"
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
            vocabulary = pq.read_table(folder / VOCABULARY)
        except (OSError, json.JSONDecodeError, pa.ArrowException) as error:
            raise EncodingError(f"{folder} holds no readable encoder ({error}): train this model again") from error
        if content.get("format") != FORMAT or vocabulary.schema.names != vocabulary_room.SCHEMA.names:
            raise EncodingError(f"{folder}: expected encoder format {FORMAT}, found {content.get('format')!r}")
        raw: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in content["plan"].items()
        }
        raw["tasks"] = tuple(TaskTime(**one) for one in raw["tasks"])
        return cls(Plan(**raw), vocabulary, tuple(Number(**one) for one in content["numbers"]), content["n_positions"])


def label_sql(task: TaskTime, index: int, cutoff: int) -> list[str]:
    """Label and mask of a task at the cutoff. The mask is by time, never by value: a row counts once its label is
    final, and an outcome that was not known yet is read as absent."""
    label, known = quote_identifier(label_column(task.name)), quote_identifier(known_us_column(task.name))
    final = f"CAST(exposed_us AS BIGINT) + {task.matures_us}"
    positive = f"{label} = 1 AND COALESCE({known}, {final}) <= {cutoff}"
    return [
        f"CAST(CASE WHEN {positive} THEN 1 ELSE 0 END AS FLOAT) AS y{index}",
        f"CAST(CASE WHEN {label} IS NOT NULL AND {final} <= {cutoff} THEN 1 ELSE 0 END AS FLOAT) AS m{index}",
    ]


def check_columns(plan: Plan, present: list[str]) -> None:
    calendar = [name for name in plan.fields if name not in vocabulary_room.CALENDAR]
    labels = [make(task.name) for task in plan.tasks for make in (label_column, known_us_column)]
    needed = ["day_number", "hour", "exposed_us", "source_file", "record_number", "scenario_id", plan.user]
    needed += [*calendar, *plan.lists, *plan.numbers, *labels, *([plan.position] if plan.position else [])]
    missing = [name for name in needed if name not in present]
    if missing:
        raise EncodingError(
            f"examples lack {', '.join(missing)}: the contract and the committed examples differ. "
            "Materialize examples again under this contract."
        )


def view_of(con: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation) -> str:
    name = f"_examples_{next(_names)}"
    relation.create_view(name, replace=True)
    return quote_identifier(name)


def side_by_side(columns: list[NDArray[Any]], n_rows: int, kind: DTypeLike) -> NDArray[Any]:
    """Columns as one row-major array."""
    out: NDArray[Any] = np.empty((n_rows, len(columns)), kind)
    for i, column in enumerate(columns):
        out[:, i] = column
    return out


def tensor(values_N: NDArray[Any], order_N: NDArray[np.int64]) -> torch.Tensor:
    return torch.from_numpy(np.take(values_N, order_N, axis=0))


def ranks(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Each value's place among the distinct values, from 0."""
    distinct = pc.unique(column)
    distinct = distinct.take(pc.array_sort_indices(distinct))
    return pc.index_in(column, value_set=distinct).to_numpy().astype(np.int64)
