"""What an encoder needs of a contract, and the SQL of labels, slots and row identities that follows from it."""

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from hinet_core.contract import Column, Computed, Contract, computed_features, known_us_column, label_column
from hinet_core.dataset.vocabulary import CALENDAR
from hinet_core.dataset.window import EPOCH, MICROSECOND
from hinet_core.lake import quote_identifier, quote_literal

LIST_LENGTH = 8
# A row is known by its day, file and record number; any file name may follow the last bar.
IDENTITY = "CONCAT_WS('|', day_number, record_number, source_file)"
IDENTITY_COLUMNS = ("day_number", "record_number", "source_file")


class EncodingError(ValueError):
    """Rows or a stored encoder that do not fit; the message says what was expected."""


@dataclass(frozen=True)
class TaskTime:
    """A task and how long after the exposure its label is final, in microseconds."""

    name: str
    matures_us: int


@dataclass(frozen=True)
class ListField:
    """A list of ids and how many of them a model reads: the first ones."""

    name: str
    length: int


@dataclass(frozen=True)
class Plan:
    """The columns to encode and how; a stored model carries its own."""

    fields: tuple[str, ...]
    lists: tuple[ListField, ...]
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
        position = contract.column_for("position")
        return cls(
            fields=tuple(one.name for one in declared if one.encode == "id") + tuple(CALENDAR),
            lists=tuple(ListField(one.name, list_length(one)) for one in declared if one.encode == "list"),
            numbers=tuple(one.name for one in declared if one.encode == "number"),
            scenarios=tuple(one.id for one in contract.modelled),
            tasks=tuple(TaskTime(one.name, one.matures_after // MICROSECOND) for one in contract.tasks),
            time_zone=contract.time_zone,
            user=contract.name_of("user"),
            position=position.name if position else None,
            first_slot=1 if position is None or position.min is None else int(position.min),
        )

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Plan":
        """A plan from the JSON values of its fields."""
        parts: dict[str, type] = {"tasks": TaskTime, "lists": ListField}
        read: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
        read |= {key: tuple(part(**one) for one in raw[key]) for key, part in parts.items()}
        return cls(**read)

    @property
    def needed_columns(self) -> list[str]:
        """What examples must have to be encoded."""
        columns = [*IDENTITY_COLUMNS, "hour", "exposed_us", "scenario_id", self.user]
        columns += [name for name in self.fields if name not in CALENDAR]
        columns += [one.name for one in self.lists] + list(self.numbers)
        columns += [make(task.name) for task in self.tasks for make in (label_column, known_us_column)]
        return columns + ([self.position] if self.position else [])

    def cutoff_us(self, day: date) -> int:
        return (datetime.combine(day, time(), ZoneInfo(self.time_zone)) - EPOCH) // MICROSECOND

    def scenario_sql(self) -> str:
        """The scenario's number; NULL for one that is not modelled."""
        cases = " ".join(f"WHEN {quote_literal(one)} THEN {i}" for i, one in enumerate(self.scenarios))
        return f"CASE scenario_id {cases} END"

    def slot_sql(self, n_positions: int) -> str:
        """The slot 1..P; 0 when it is not known. Slots beyond those trained on count as the last."""
        if self.position is None or n_positions == 0:
            return "0"
        slot = f"CAST({quote_identifier(self.position)} AS BIGINT) - {self.first_slot - 1}"
        return f"CASE WHEN {slot} >= 1 THEN LEAST({slot}, {n_positions}) ELSE 0 END"


def list_length(declared: Column | Computed) -> int:
    """A computed list says itself how long it is."""
    return declared.length if isinstance(declared, Computed) and declared.length else LIST_LENGTH


def label_sql(task: TaskTime, cutoff: int) -> tuple[str, str]:
    """Label and mask of a task at the cutoff. The mask is by time, never by value: a row counts once its label is
    final, and an outcome that was not known yet is read as absent."""
    label, known = quote_identifier(label_column(task.name)), quote_identifier(known_us_column(task.name))
    final = f"CAST(exposed_us AS BIGINT) + {task.matures_us}"
    positive = f"{label} = 1 AND COALESCE({known}, {final}) <= {cutoff}"
    return (
        f"CASE WHEN {positive} THEN 1 ELSE 0 END",
        f"CASE WHEN {label} IS NOT NULL AND {final} <= {cutoff} THEN 1 ELSE 0 END",
    )
