"""Random small tables, as a pandas frame and as Arrow, and one random question for every expectation we support."""

import random
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
from great_expectations.expectations.row_conditions import Column

from hinet_core.quality.pushdown import Wanted

TEXTS = ["a", "b", "o'c", "{d}", "", "ünï", "日本語", "  x ", "A", "100%", "a_b", "e\u0301", "👩‍👧", 'say "so"', "a\nb"]
START = datetime(2024, 2, 27)
LARGE = 2**53
# name -> (Arrow type, pandas dtype): as pandas holds missing values, NaN among numbers and None among objects.
COLUMNS = {
    "id": (pa.int64(), "int64"),
    "large": (pa.int64(), "int64"),
    "whole": (pa.int64(), "float64"),
    "other": (pa.int64(), "float64"),
    "third": (pa.int64(), "float64"),
    "real": (pa.float64(), "float64"),
    "tenth": (pa.float64(), "float64"),
    "text": (pa.string(), "object"),
    "flag": (pa.bool_(), "object"),
    "day": (pa.date32(), "object"),
    "at": (pa.timestamp("us"), "datetime64[us]"),  # a keyword of DuckDB
    "until": (pa.timestamp("us"), "datetime64[us]"),
    "Empty": (pa.int64(), "float64"),
}


def random_table(chance: random.Random, n_rows: int | None = None) -> tuple[pd.DataFrame, pa.Table]:
    """Small values, many ties, missing values in most columns, now and then no row at all or one."""
    n = chance.choice([0, 1, 2, 20, 60, 200]) if n_rows is None else n_rows
    missing = chance.choice([0.0, 0.1, 0.5])

    def column(draw: Any) -> list[Any]:
        return [None if chance.random() < missing else draw() for _ in range(n)]

    def moment() -> datetime:
        return START + timedelta(days=chance.randrange(9), hours=chance.choice([0, 0, 7]))

    values = {
        "id": list(range(n)),
        "large": [LARGE + chance.randrange(6) for _ in range(n)],
        "whole": column(lambda: chance.randrange(-3, 10)),
        "other": column(lambda: chance.randrange(-3, 10)),
        "third": column(lambda: chance.randrange(-3, 10)),
        "real": column(lambda: chance.gauss(0, 1)),
        "tenth": column(lambda: round(chance.gauss(0, 1), 1)),
        "text": column(lambda: chance.choice(TEXTS)),
        "flag": column(lambda: chance.random() < 0.8),
        "day": column(lambda: moment().date()),
        "at": column(moment),
        "until": column(moment),
        "Empty": [None] * n,
    }
    frame = pd.DataFrame({name: pd.Series(values[name], dtype=kind) for name, (_, kind) in COLUMNS.items()})
    table = pa.table({name: pa.array(values[name], kind) for name, (kind, _) in COLUMNS.items()})
    return frame, table


def random_questions(chance: random.Random, n_rows: int) -> list[Wanted]:
    """At least one question per supported expectation; columns, bounds, `mostly` and conditions change each time."""
    asked = [*about_tables(chance, n_rows), *about_values(chance), *about_aggregates(chance, n_rows)]
    return [*asked, *about_several_columns(chance), *under_conditions(chance)]


def pick(chance: random.Random, options: list[Any]) -> list[Any]:
    return chance.sample(options, chance.randrange(1, len(options)))


def mostly(chance: random.Random) -> dict[str, float]:
    return chance.choice([{}, {"mostly": chance.choice([0.0, 0.3, 0.5, 0.9, 1.0])}])


def bounds(chance: random.Random, low: float, high: float) -> dict[str, Any]:
    """A lower bound, an upper one or both, each perhaps strict."""
    sides = chance.choice([("min",), ("max",), ("min", "max")])
    values = {f"{side}_value": low if side == "min" else high for side in sides}
    return values | {f"strict_{side}": True for side in sides if chance.random() < 0.4}


def about_tables(chance: random.Random, n_rows: int) -> list[Wanted]:
    names = list(COLUMNS)
    low = chance.choice([n_rows, 1, 20, 60])
    few = pick(chance, names)
    return [
        Wanted("ExpectTableRowCountToBeBetween", bounds(chance, low, max(low, n_rows))),
        Wanted("ExpectTableRowCountToEqual", {"value": chance.choice([n_rows, n_rows + 1])}),
        Wanted("ExpectTableColumnCountToBeBetween", {"min_value": chance.choice([len(names), len(names) + 1])}),
        Wanted("ExpectTableColumnCountToEqual", {"value": chance.choice([len(names), 3])}),
        Wanted("ExpectTableColumnsToMatchOrderedList", {"column_list": chance.choice([names, names[::-1], few])}),
        Wanted("ExpectTableColumnsToMatchSet", {"column_set": few, "exact_match": chance.random() < 0.5}),
        Wanted("ExpectTableColumnsToMatchSet", {"column_set": chance.choice([names[::-1], [*names, "more"]])}),
        Wanted("ExpectColumnToExist", {"column": chance.choice(["whole", "Empty", "nowhere"])}),
        Wanted("ExpectColumnToExist", {"column": "whole", "column_index": chance.randrange(len(names))}),
    ]


def value_sets(chance: random.Random) -> dict[str, list[Any]]:
    days = [START + timedelta(days=n) for n in range(9)]
    return {
        "whole": pick(chance, list(range(-3, 10))),
        "tenth": pick(chance, [round(n / 10, 1) for n in range(-20, 20)]),
        "text": pick(chance, TEXTS),
        "flag": chance.choice([[True], [True, False]]),
        "at": pick(chance, days),
        "day": pick(chance, [one.date() for one in days]),
    }


def about_values(chance: random.Random) -> list[Wanted]:
    """Row by row, one column."""
    asked = []
    for name in chance.sample(list(COLUMNS), 4):
        for expectation in ("ExpectColumnValuesToBeNull", "ExpectColumnValuesToNotBeNull"):
            asked.append(Wanted(expectation, {"column": name, **mostly(chance)}))
        asked.append(Wanted("ExpectColumnValuesToBeUnique", {"column": name, **mostly(chance)}))
    day = START + timedelta(days=chance.randrange(5))
    ranges = [
        ("whole", bounds(chance, chance.choice([-3, 0]), chance.choice([5, 9]))),
        ("real", bounds(chance, -1.5, 0.25)),
        ("tenth", bounds(chance, -0.3, 0.7)),
        ("large", bounds(chance, LARGE + 1, LARGE + 3)),
        ("at", bounds(chance, day, day + timedelta(days=3))),
    ]
    for name, between in ranges:
        asked.append(Wanted("ExpectColumnValuesToBeBetween", {"column": name, **between, **mostly(chance)}))
    for name, values in value_sets(chance).items():
        for expectation in ("ExpectColumnValuesToBeInSet", "ExpectColumnValuesToNotBeInSet"):
            asked.append(Wanted(expectation, {"column": name, "value_set": values, **mostly(chance)}))
    lengths = {"column": "text", **mostly(chance)}
    asked.append(Wanted("ExpectColumnValueLengthsToBeBetween", lengths | bounds(chance, 1, chance.choice([2, 3]))))
    asked.append(Wanted("ExpectColumnValueLengthsToEqual", lengths | {"value": chance.choice([0, 1, 3])}))
    scores = {"column": "whole", "threshold": 1.2, "double_sided": chance.random() < 0.5}
    asked.append(Wanted("ExpectColumnValueZScoresToBeLessThan", scores | mostly(chance)))
    spread = {"column": "real", "method": "std", "multiplier": 1.0}
    asked.append(Wanted("ExpectColumnValuesToNotBeOutliers", spread | mostly(chance)))
    return asked


def about_aggregates(chance: random.Random, n_rows: int) -> list[Wanted]:
    """One number or set per column."""
    asked = []
    for name, (low, high) in {"whole": (-1, 5), "tenth": (-0.2, 0.9), "Empty": (0, 1)}.items():
        for expectation in ("Max", "Min", "Mean", "Median", "Stdev"):
            between = bounds(chance, chance.choice([low, -9]), chance.choice([high, 9]))
            if expectation == "Stdev":
                between = bounds(chance, chance.choice([0.5, 3.5]), chance.choice([3.9, 9.0]))
            asked.append(Wanted(f"ExpectColumn{expectation}ToBeBetween", {"column": name, **between}))
    day = START + timedelta(days=chance.randrange(3))
    for expectation in ("Max", "Min"):
        times = {"column": "at", **bounds(chance, day, day + timedelta(days=6))}
        asked.append(Wanted(f"ExpectColumn{expectation}ToBeBetween", times))
    for name, values in value_sets(chance).items():
        for relation in ("BeInSet", "ContainSet", "EqualSet"):
            asked.append(Wanted(f"ExpectColumnDistinctValuesTo{relation}", {"column": name, "value_set": values}))
        most = {"column": name, "value_set": values, "ties_okay": chance.random() < 0.5}
        asked.append(Wanted("ExpectColumnMostCommonValueToBeInSet", most))
    for name in chance.sample(list(COLUMNS), 3):
        counts = {"column": name, **bounds(chance, chance.choice([1, 5]), 12)}
        asked.append(Wanted("ExpectColumnUniqueValueCountToBeBetween", counts))
        for what in ("UniqueValues", "NonNullValues"):
            shares = {"column": name, **bounds(chance, chance.choice([0.1, 0.5]), chance.choice([0.6, 1.0]))}
            asked.append(Wanted(f"ExpectColumnProportionOf{what}ToBeBetween", shares))
    if n_rows:  # of nothing: see UNSUPPORTED
        asked.append(Wanted("ExpectColumnSumToBeBetween", {"column": "id", **bounds(chance, n_rows, n_rows * 30)}))
        parts = {"values": TEXTS, "weights": [1 / len(TEXTS)] * len(TEXTS)}
        asked.append(Wanted("ExpectColumnKLDivergenceToBeLessThan",
                            {"column": "text", "partition_object": parts, "threshold": 0.2}))  # fmt: skip
        ranges = {"quantiles": [0.1, 0.5, 0.9], "value_ranges": [[0, n_rows / 5], [1, n_rows * 0.55], [5, n_rows]]}
        asked.append(Wanted("ExpectColumnQuantileValuesToBeBetween", {"column": "id", "quantile_ranges": ranges}))
    return asked


def about_several_columns(chance: random.Random) -> list[Wanted]:
    asked = []
    pair = {"column_A": "whole", "column_B": "other", "ignore_row_if": "either_value_is_missing"}
    for left, right in (("whole", "other"), ("at", "until"), ("real", "tenth")):
        compared = pair | {"column_A": left, "column_B": right} | mostly(chance)
        greater = compared | {"or_equal": chance.random() < 0.5}
        asked.append(Wanted("ExpectColumnPairValuesAToBeGreaterThanB", greater))
        rows = chance.choice(["both_values_are_missing", "either_value_is_missing", "neither"])
        asked.append(Wanted("ExpectColumnPairValuesToBeEqual", compared | {"ignore_row_if": rows}))
    pairs = [(one, another) for one in range(-3, 6) for another in range(-2, 10)]
    asked.append(Wanted("ExpectColumnPairValuesToBeInSet", pair | {"value_pairs_set": pick(chance, pairs)}))
    several = {"column_list": chance.choice([["whole", "other"], ["whole", "other", "third"]]), **mostly(chance)}
    whole_rows = several | {"ignore_row_if": "any_value_is_missing"}
    asked.append(Wanted("ExpectMulticolumnSumToEqual", whole_rows | {"sum_total": chance.randrange(12)}))
    asked.append(Wanted("ExpectCompoundColumnsToBeUnique", whole_rows))
    rows = chance.choice(["all_values_are_missing", "any_value_is_missing", "never"])
    for expectation in ("ExpectMulticolumnValuesToBeEqual", "ExpectSelectColumnValuesToBeUniqueWithinRecord"):
        asked.append(Wanted(expectation, several | {"ignore_row_if": rows}))
    return asked


def under_conditions(chance: random.Random) -> list[Wanted]:
    """Some rows only: the condition as Great Expectations' own objects, which both engines read."""
    whole, real, text = Column("whole"), Column("real"), Column("text")
    conditions = [
        whole > 2, whole <= 0, text == chance.choice(TEXTS), text.is_in(pick(chance, TEXTS)), whole.is_null(),
        text.is_not_null(), Column("id") != 3, (whole > 0) & (real < 0), (whole > 5) | (real < 0),
    ]  # fmt: skip
    asked = []
    for condition in chance.sample(conditions, 3):
        where = {"row_condition": condition}
        asked.append(Wanted("ExpectColumnValuesToBeBetween", {"column": "other", "min_value": 0} | where))
        asked.append(Wanted("ExpectColumnValuesToNotBeNull", {"column": "other", **mostly(chance)} | where))
        asked.append(Wanted("ExpectColumnMaxToBeBetween", {"column": "other", "max_value": 8} | where))
        asked.append(Wanted("ExpectTableRowCountToBeBetween", {"min_value": 5, "max_value": 50} | where))
    return asked


# Three rows on which each of the questions below is answered differently, or not at all, by DuckDB.
ODD_ROWS = pa.table(
    {
        "id": [1, 2, 3],
        "whole": pa.array([5, 5, None], pa.int64()),
        "other": pa.array([None, None, 1], pa.int64()),
        "text": pa.array(["a", None, "b"], pa.string()),
        "until": [START, START + timedelta(days=1), START + timedelta(days=2)],
        "twice": pa.array([START, START + timedelta(days=1), None], pa.timestamp("us")),
        "Empty": pa.array([None, None, None], pa.int64()),
    }
)
UNSUPPORTED = {
    "ExpectColumnKLDivergenceToBeLessThan": {
        "column": "Empty", "threshold": 0.1, "partition_object": {"values": [1, 2], "weights": [0.5, 0.5]}
    },
    "ExpectColumnMedianToBeBetween": {"column": "twice", "min_value": START},
    "ExpectColumnSumToBeBetween": {"column": "Empty", "min_value": 0},
    "ExpectColumnPairValuesAToBeGreaterThanB": {"column_A": "whole", "column_B": "other", "ignore_row_if": "neither"},
    "ExpectColumnPairValuesToBeInSet": {
        "column_A": "whole", "column_B": "other", "ignore_row_if": "neither", "value_pairs_set": [(5, 1)]
    },
    "ExpectCompoundColumnsToBeUnique": {"column_list": ["whole", "other"], "ignore_row_if": "never"},
    "ExpectMulticolumnSumToEqual": {"column_list": ["whole", "other"], "sum_total": 7, "ignore_row_if": "never"},
    "ExpectColumnValuesToBeBetween": {"column": "id", "min_value": 9, "row_condition": Column("text") != "a"},
    "ExpectColumnValuesToNotBeOutliers": {"column": "id", "method": "iqr", "multiplier": 0.5},
    "ExpectColumnTypeToBe": {"column": "whole", "type_": "float64"},
    "ExpectColumnValuesToBeDateutilParseable": {"column": "text"},
    "ExpectColumnValuesToBeDecreasing": {"column": "id"},
    "ExpectColumnValuesToBeInTypeList": {"column": "whole", "type_list": ["float64"]},
    "ExpectColumnValuesToBeIncreasing": {"column": "id"},
    "ExpectColumnValuesToBeJsonParseable": {"column": "text"},
    "ExpectColumnValuesToBeOfType": {"column": "whole", "type_": "float64"},
    "ExpectColumnValuesToMatchJsonSchema": {"column": "text", "json_schema": {"type": "integer"}},
    "ExpectColumnValuesToMatchLikePattern": {"column": "text", "like_pattern": "a%"},
    "ExpectColumnValuesToMatchLikePatternList": {"column": "text", "like_pattern_list": ["a%"]},
    "ExpectColumnValuesToMatchRegex": {"column": "text", "regex": "^a"},
    "ExpectColumnValuesToMatchRegexList": {"column": "text", "regex_list": ["^a"]},
    "ExpectColumnValuesToMatchStrftimeFormat": {"column": "text", "strftime_format": "%Y"},
    "ExpectColumnValuesToNotMatchLikePattern": {"column": "text", "like_pattern": "a%"},
    "ExpectColumnValuesToNotMatchLikePatternList": {"column": "text", "like_pattern_list": ["a%"]},
    "ExpectColumnValuesToNotMatchRegex": {"column": "text", "regex": "^a"},
    "ExpectColumnValuesToNotMatchRegexList": {"column": "text", "regex_list": ["^a"]},
}  # fmt: skip
# Expectations that exist in one engine only: there is nothing to compare with.
SQL_ONLY = {
    "ExpectQueryResultsToMatchComparison",
    "ExpectTableRowCountToEqualOtherTable",
    "UnexpectedRowsExpectation",
}
NOT_REGISTERED = {"ExpectMulticolumnValuesToBeUnique"}  # a name without an implementation in Great Expectations
