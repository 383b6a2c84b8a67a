"""Shown rows of an ingested log with their propensities, as arrays: what the estimates read of the lake.

The contract's `propensity` role is the probability with which the logger showed this item at this slot of this request.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from hinet_core.contract import Contract, Task, label_column
from hinet_core.lake import Lake, LakeError, quote_identifier, quote_literal
from hinet_core.lift.expected import NotEstimableError
from hinet_core.lift.off_policy.logged import Codes, Floats
from hinet_core.quality.inputs import settled_until_us

MASKS = ("log", "shown_by", "baseline_shown_by", "truth")


@dataclass(frozen=True)
class Condition:
    """Rows whose `column` reads `value`, such as policy=random."""

    column: str
    value: str

    def __str__(self) -> str:
        return f"{self.column}={self.value}"


def condition(contract: Contract, text: str) -> Condition:
    column, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"found {text!r}, allowed: COLUMN=VALUE, such as policy=random")
    return Condition(known_column(contract, column), value)


def known_column(contract: Contract, name: str) -> str:
    names = [column.name for column in contract.columns]
    if name not in names:
        raise ValueError(f"{contract.name} has no column {name!r}, allowed: {', '.join(names)}")
    return name


@dataclass(frozen=True)
class LakeLog:
    """N settled rows of the modelled scenarios; codes number what was found, slot_N is 0 where there are no positions.

    probability_N: per column asked for, the target's probability of the shown item at its slot. mask_N: see `read`.
    """

    scenario_N: NDArray[np.str_]
    item_N: Codes
    slot_N: Codes
    outcome_N: Floats
    propensity_N: Floats
    user_N: Codes
    request_N: Codes
    probability_N: dict[str, Floats]
    mask_N: dict[str, NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.outcome_N)

    def part(self, keep_N: NDArray[np.bool_]) -> "LakeLog":
        """Some of the rows."""
        arrays = ("scenario_N", "item_N", "slot_N", "outcome_N", "propensity_N", "user_N", "request_N")
        kept: dict[str, Any] = {name: getattr(self, name)[keep_N] for name in arrays}
        for name in ("probability_N", "mask_N"):
            kept[name] = {key: one[keep_N] for key, one in getattr(self, name).items()}
        return replace(self, **kept)

    def of(self, mask: str) -> "LakeLog":
        return self.part(self.mask_N[mask])


def read(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    lake: Lake,
    task: Task,
    *,
    days: Sequence[date] | None = None,
    conditions: dict[str, Condition | None] | None = None,
    probabilities: Sequence[str] = (),
) -> LakeLog:
    """Read the days' rows whose outcome is settled; `conditions` name the rows of every mask (None: all)."""
    if contract.column_for("propensity") is None:
        raise NotEstimableError(
            f"{contract.name}: no column has the role propensity. Without the chance of being shown no outcome can be "
            "weighted, and a logger that always shows the same has none: let it explore and log it (docs/off_policy.md)"
        )
    committed = lake.days("ingest")
    wanted = committed if days is None else [day for day in committed if day in days]
    if not wanted:
        raise LakeError(f"{contract.name}: no day of these is ingested; run `hinet ingest --contract {contract.name}`")
    lake.scan(con, "impressions", wanted).create_view("off_policy_rows", replace=True)
    columns = selected(contract, task, dict.fromkeys(MASKS) | (conditions or {}), probabilities)
    scenarios = ", ".join(quote_literal(one.id) for one in contract.modelled)
    time = quote_identifier(contract.name_of("time"))
    found = con.sql(
        f"SELECT {', '.join(columns)} FROM off_policy_rows WHERE scenario_id IN ({scenarios}) "
        f"AND {label_column(task.name)} IS NOT NULL "
        f"AND epoch_us({time}) <= {settled_until_us(contract, task, committed[-1])} "
        "ORDER BY day, source_file, record_number"
    ).fetchnumpy()
    plain = {name: plain_array(one) for name, one in found.items()}
    return LakeLog(
        plain["scenario"].astype(str), plain["item"], plain["slot"], plain["outcome"], plain["propensity"],
        plain["user"], plain["request"],
        {name: plain[f"probability_{number}"] for number, name in enumerate(probabilities)},
        {name: plain[f"mask_{name}"].astype(bool) for name in MASKS},
    )  # fmt: skip


def plain_array(column: NDArray[Any]) -> NDArray[Any]:
    """DuckDB masks what is NULL; here a missing number is NaN."""
    return np.ma.filled(column, np.nan) if column.dtype.kind == "f" else np.ma.getdata(column)


def selected(
    contract: Contract, task: Task, conditions: dict[str, Condition | None], probabilities: Sequence[str]
) -> list[str]:
    """The query's columns; items are numbered over all scenarios, and a row without request is a request of its own."""

    def code(role: str, otherwise: str) -> str:
        column = contract.column_for(role)  # type: ignore[arg-type]
        return otherwise if column is None else f"dense_rank() OVER (ORDER BY {quote_identifier(column.name)})"

    position = contract.column_for("position")
    number = "row_number() OVER (ORDER BY day, source_file, record_number)"
    return [
        "scenario_id AS scenario",
        f"{code('item', '1')} - 1 AS item",
        f"{'0' if position is None else f'coalesce({quote_identifier(position.name)}, 0)'}::BIGINT AS slot",
        f"{label_column(task.name)}::DOUBLE AS outcome",
        f"{quote_identifier(contract.name_of('propensity'))}::DOUBLE AS propensity",
        f"{code('user', number)} - 1 AS user",
        f"{code('request', number)} - 1 AS request",
        *(f"{quote_identifier(name)}::DOUBLE AS probability_{n}" for n, name in enumerate(probabilities)),
        *(f"{sql_of(one)} AS mask_{name}" for name, one in conditions.items()),
    ]


def sql_of(one: Condition | None) -> str:
    if one is None:
        return "true"
    return f"coalesce({quote_identifier(one.column)}::VARCHAR = {quote_literal(one.value)}, false)"
