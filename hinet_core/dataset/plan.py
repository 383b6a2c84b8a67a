"""What an encoder needs of a contract, and the SQL of labels, slots and row identities that follows from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from hinet_core.contract import (
    Column,
    Computed,
    Contract,
    MadeNumber,
    computed_features,
    declared,
    known_us_column,
    label_column,
)
from hinet_core.contract.columns import LIST_LENGTH
from hinet_core.dataset.fields import CALENDAR, Bucketed, Crossed, token_sql
from hinet_core.dataset.numbers import Made
from hinet_core.dataset.window import EPOCH, MICROSECOND
from hinet_core.lake import quote_identifier, quote_literal

# A row's identity as a text, in the columns of the encoder's query; any file name may follow the last bar.
IDENTITY = "CONCAT_WS('|', day_code, record, file)"


class EncodingError(ValueError):
    """Rows or a stored encoder that do not fit; the message says what was expected."""


@dataclass(frozen=True)
class TaskTime:
    """A task and how long after the exposure its label is final, in microseconds."""

    name: str
    matures_us: int


@dataclass(frozen=True)
class ListField:
    """A list of ids and how many of them a model reads: the first ones, or from its end the last ones."""

    name: str
    length: int
    from_end: bool = False

    @property
    def sql(self) -> str:
        """The items as texts, those that are read first."""
        items = quote_identifier(self.name)
        return f"CAST({f'list_reverse({items})' if self.from_end else items} AS VARCHAR[])"


@dataclass(frozen=True)
class Plan:
    """The columns to encode and how; a stored model carries its own. Bounds that come from the window are empty
    before the encoder is fitted. `after`: the earlier task that each task follows, -1 for none; empty when unknown.
    `out_of_x`: columns that are encoded and stay out of x."""

    ids: tuple[str, ...]
    buckets: tuple[Bucketed, ...]
    crosses: tuple[Crossed, ...]
    lists: tuple[ListField, ...]
    numbers: tuple[str, ...]
    scenarios: tuple[str, ...]
    tasks: tuple[TaskTime, ...]
    time_zone: str
    user: str
    position: str | None
    first_slot: int
    after: tuple[int, ...] = ()
    made: tuple[Made, ...] = ()
    request: str | None = None
    out_of_x: tuple[str, ...] = ()

    @classmethod
    def of(cls, contract: Contract) -> "Plan":
        inputs, features, position = declared(contract), contract.features, contract.column_for("position")
        request = contract.column_for("request")
        numbers = [one.name for one in inputs if one.encode == "number"]
        only_buckets = {one.of for one in features.buckets if not one.keep_number}
        place = {task.name: i for i, task in enumerate(contract.tasks)}
        return cls(
            ids=tuple(one.name for one in inputs if one.encode == "id"),
            buckets=tuple(Bucketed(one.name, one.of, one.bounds) for one in features.buckets),
            crosses=tuple(Crossed(one.name, one.columns) for one in features.crosses),
            lists=tuple(one for one in map(list_field, inputs) if one.length),
            numbers=tuple(
                one for one in (*numbers, *(made.name for made in features.numbers)) if one not in only_buckets
            ),
            scenarios=tuple(one.id for one in contract.modelled),
            tasks=tuple(TaskTime(one.name, one.matures_after // MICROSECOND) for one in contract.tasks),
            time_zone=contract.time_zone,
            user=contract.name_of("user"),
            position=position.name if position else None,
            first_slot=1 if position is None or position.min is None else int(position.min),
            after=tuple(-1 if task.after is None else place[task.after] for task in contract.tasks),
            made=tuple(made_number(contract, one) for one in features.numbers),
            request=request.name if request else None,
            out_of_x=tuple(one.name for one in contract.inputs if not one.in_x),
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """The id fields in their order."""
        return (*self.ids, *(one.name for one in self.buckets), *(one.name for one in self.crosses), *CALENDAR)

    @property
    def made_columns(self) -> str:
        """The columns of a view over examples: theirs and the made numbers."""
        return ", ".join(["*", *(f"{one.sql()} AS {quote_identifier(one.name)}" for one in self.made)])

    def token_sql(self) -> dict[str, str]:
        """The token of every id field in a row."""
        return token_sql(self.fields, self.crosses, self.buckets)

    @property
    def needed_columns(self) -> list[str]:
        """What examples must have to be encoded."""
        made = {one.name for one in self.buckets}.union(CALENDAR, (one.name for one in self.made))
        columns = ["day_number", "record_number", "source_file", "hour", "exposed_us", "scenario_id", self.user]
        columns += [*self.ids, *(one.column for one in self.buckets if one.column not in made)]
        columns += [name for one in self.made for name in one.columns]
        columns += [part for one in self.crosses for part in one.parts if part not in made]
        columns += [one.name for one in self.lists] + [one for one in self.numbers if one not in made]
        columns += [make(task.name) for task in self.tasks for make in (label_column, known_us_column)]
        return columns + [one for one in (self.position, self.request) if one]

    def cutoff_us(self, day: date) -> int:
        return (datetime.combine(day, time(), ZoneInfo(self.time_zone)) - EPOCH) // MICROSECOND

    def scenario_sql(self) -> str:
        """The scenario's number; NULL for one that is not modelled."""
        cases = " ".join(f"WHEN {quote_literal(one)} THEN {i}" for i, one in enumerate(self.scenarios))
        return f"CASE scenario_id {cases} END"

    def request_sql(self) -> str:
        """A number for each request, in the encoder's query; a row that names none is a request of its own."""
        named = f"CAST({quote_identifier(self.request or 'NULL')} AS VARCHAR)"
        return f"md5_number_lower(COALESCE({named}, {IDENTITY}))"

    def slot_sql(self, n_positions: int) -> str:
        """The slot 1..P; 0 when it is not known. Slots beyond those trained on count as the last."""
        if self.position is None or n_positions == 0:
            return "0"
        slot = f"CAST({quote_identifier(self.position)} AS BIGINT) - {self.first_slot - 1}"
        return f"CASE WHEN {slot} >= 1 THEN LEAST({slot}, {n_positions}) ELSE 0 END"


def min_counts(contract: Contract, names: Iterable[str]) -> dict[str, int]:
    """How often a token must occur to have an id of its own, per field; a computed list follows its column."""
    features = contract.features
    own = {one.name: one.min_count for one in contract.columns}
    own |= {one.name: one.min_count for one in features.buckets} | {one.name: one.min_count for one in features.crosses}
    own |= {one.name: own.get(one.of) for one in computed_features(contract)}
    return {name: own.get(name) or features.min_token_count for name in names}


def list_field(one: Column | Computed) -> ListField:
    """How a list is read, no item of what is no list; a computed one says itself how long it is, newest first."""
    if one.encode != "list" or isinstance(one, Computed):
        return ListField(one.name, one.length if isinstance(one, Computed) else 0)
    return ListField(one.name, LIST_LENGTH if one.length is None else one.length, one.newest == "last")


def made_number(contract: Contract, one: MadeNumber) -> Made:
    lists = {each.name for each in declared(contract) if each.encode == "list"}
    return Made(
        one.name, one.of, one.of in lists, one.equal_to or "", one.per or "", one.per in lists, one.prior, one.base,
        one.also_in or "",
    )


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
