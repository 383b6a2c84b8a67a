"""The CSV of a user's own online test: arm totals, or outcomes per user. Everything odd is an error with its line.

Totals: arm, users, requests, orders, optionally clicks and scenario (empty: the arm as a whole).
Per user: user, arm, requests, orders, optionally scenario, pre_orders (empty: new) and entry_scenario.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hinet_core.lift.statistics.samples import Floats

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = ("users", "requests", "clicks", "orders", "pre_orders")
# Beyond it a float no longer counts one by one.
MOST = 2**53
# 9.000 is nine in one country and nine thousand in another.
GROUPED = r"\d{1,3}(\.\d{3})+"
TOTALS, PER_USER = ("arm", "users", "requests", "orders"), ("user", "arm", "requests", "orders")


class OwnTestError(ValueError):
    """The file cannot be analysed; the message says where and what was expected."""


@dataclass(frozen=True)
class ArmTotals:
    """Counts of one arm in one scenario ("" = as a whole); users None where they cannot be added up."""

    users: int | None
    requests: float
    orders: float


@dataclass(frozen=True)
class Totals:
    """Arms in the file's order, scenarios sorted, `counts[arm, scenario]`."""

    arms: tuple[str, ...]
    scenarios: tuple[str, ...]
    counts: dict[tuple[str, str], ArmTotals]


@dataclass(frozen=True, eq=False)
class PerUser:
    """U users by S scenarios (one, "", where none are named); arm and entry are codes, -1 where no entry is said."""

    arms: tuple[str, ...]
    scenarios: tuple[str, ...]
    arm_U: np.ndarray
    requests_US: Floats
    orders_US: Floats
    before_US: Floats | None
    entry_U: np.ndarray | None


def read(path: Path) -> Totals | PerUser:
    """The file as counts; which of the two forms it has is told by its column `user` or `users`."""
    table = text_table(path)
    form = PER_USER if "user" in table else TOTALS
    missing = [name for name in form if name not in table]
    if missing:
        separated = "" if len(table.columns) > 1 else ", cells separated by comma, semicolon or tab"
        raise OwnTestError(
            f"{path}: no column {', '.join(missing)}; found {', '.join(table.columns)}. Expected either "
            f"{', '.join(TOTALS)} (totals), or {', '.join(PER_USER)} (per user){separated}"
        )
    if not len(table):
        raise OwnTestError(f"{path}: no rows below the header")
    for name in NUMBERS:
        if name in table:
            table[name] = numbers(path, table, name)
    require(path, table, table["arm"] == "", "arm is empty")
    arms = tuple(dict.fromkeys(table["arm"]))
    if len(arms) < 2:
        raise OwnTestError(f"{path}: found one arm, {arms[0]!r}, expected two or more")
    if "scenario" not in table:
        table["scenario"] = ""
    return per_user(path, table, arms) if form is PER_USER else totals(path, table, arms)


def text_table(path: Path) -> "pd.DataFrame":
    """All cells as stripped text, indexed by line; the delimiter is what the header has most of."""
    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = max(",;\t", key=file.readline().count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise OwnTestError(f"{path}: not a CSV in UTF-8, save it as one: {error}") from error
    if not lines:
        raise OwnTestError(f"{path}: the file is empty, expected a header and rows")
    header, body = [name.lower() for name in lines[0][1]], lines[1:]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise OwnTestError(f"{path}: a column stands there twice: {', '.join(twice)}")
    for line, row in body:
        if len(row) != len(header):
            raise OwnTestError(f"{path}, line {line}: {len(row)} cells, expected {len(header)} as in the header")
    # A column without a name is what spreadsheets leave at the end, or the number of the row.
    named = [place for place, name in enumerate(header) if name]
    cells = [[row[place] for place in named] for _, row in body]
    return pd.DataFrame(cells, columns=[header[n] for n in named], index=[line for line, _ in body], dtype=str)


def numbers(path: Path, table: "pd.DataFrame", name: str) -> "pd.Series":
    """A column of counts; an empty cell is 0 in pre_orders alone, where it is a new user."""
    import pandas as pd

    text = table[name].replace("", "0") if name == "pre_orders" else table[name]
    found = pd.to_numeric(text, errors="coerce").astype(float)
    wrong = ~((found >= 0) & (found <= MOST) & (found % 1 == 0))
    if wrong.any():
        cell = table[name][wrong].iloc[0]
        require(path, table, wrong, f"{name} is {cell!r}, expected a whole number of 0 or more")
    grouped = text.str.fullmatch(GROUPED)
    if grouped.any():
        cell = text[grouped].iloc[0]
        either = f"{cell.split('.')[0]} or {cell.replace('.', '')}"
        require(path, table, grouped, f"{name} is {cell!r}, which is {either}: leave the point out")
    if found.sum() > MOST:
        raise OwnTestError(f"{path}: {name} add up to {found.sum():.3g}, counts are exact up to {MOST} only")
    return found


def require(path: Path, table: "pd.DataFrame", wrong: "pd.Series", what: str) -> None:
    """Refuse the first row that is wrong, by its line."""
    if wrong.any():
        raise OwnTestError(f"{path}, line {table.index[wrong][0]}: {what}")


def totals(path: Path, table: "pd.DataFrame", arms: tuple[str, ...]) -> Totals:
    require(path, table, table.duplicated(["arm", "scenario"]), "this arm and scenario stand there a second time")
    require(path, table, (table["users"] == 0) & (table["requests"] > 0), "requests without a user")
    require(path, table, (table["requests"] == 0) & (table["orders"] > 0), "orders without a request")
    if "clicks" in table:
        require(path, table, table["orders"] > table["clicks"], "more orders than clicks, which is not possible")
        require(path, table, (table["requests"] == 0) & (table["clicks"] > 0), "clicks without a request")
    counts = {
        (arm, scenario): ArmTotals(int(users), requests, orders)
        for arm, scenario, users, requests, orders in zip(
            *(table[name] for name in ("arm", "scenario", "users", "requests", "orders")), strict=True
        )
    }
    scenarios = tuple(sorted(set(table["scenario"]) - {""}))
    for arm in arms:
        parts = [counts.setdefault((arm, one), ArmTotals(0, 0.0, 0.0)) for one in scenarios]
        # A user may come to several scenarios, so that their users cannot be added up.
        whole = ArmTotals(None, sum(one.requests for one in parts), sum(one.orders for one in parts))
        counts.setdefault((arm, ""), whole)
    return Totals(arms, scenarios, counts)


def per_user(path: Path, table: "pd.DataFrame", arms: tuple[str, ...]) -> PerUser:
    require(path, table, table["user"] == "", "user is empty")
    require(path, table, table.duplicated(["user", "scenario"]), "this user stands there twice in one scenario")
    require(path, table, (table["requests"] == 0) & (table["orders"] > 0), "orders without a request")
    user_N, users = table["user"].factorize()
    first = table.drop_duplicates("user")
    arm_of = dict(zip(first["user"], first["arm"], strict=True))
    moved = table["user"].map(arm_of) != table["arm"]
    if moved.any():
        user, arm = table[moved].iloc[0][["user", "arm"]]
        both = f"{arm!r} and in {arm_of[user]!r}"
        require(path, table, moved, f"user {user!r} is in arm {both}; expected one arm per user")
    scenarios = tuple(sorted(set(table["scenario"])))
    scenario_N = table["scenario"].map({one: code for code, one in enumerate(scenarios)}).to_numpy()

    def spread(name: str) -> Floats:
        found = np.zeros((len(users), len(scenarios)))
        found[user_N, scenario_N] = table[name]
        return found

    return PerUser(
        arms,
        scenarios,
        first["arm"].map({one: code for code, one in enumerate(arms)}).to_numpy(),
        spread("requests"),
        spread("orders"),
        spread("pre_orders") if "pre_orders" in table else None,
        entries(path, table, first, scenarios) if "entry_scenario" in table else None,
    )


def entries(path: Path, table: "pd.DataFrame", first: "pd.DataFrame", scenarios: tuple[str, ...]) -> np.ndarray:
    """Per user the code of the scenario where the test first met them."""
    codes = {one: code for code, one in enumerate(scenarios)}
    strange = ~table["entry_scenario"].isin([*codes, ""])
    require(path, table, strange, f"entry_scenario is none of {', '.join(scenarios)}")
    return first["entry_scenario"].map({"": -1, **codes}).to_numpy()
