"""The adapter: the same answers in DuckDB as Great Expectations gives on pandas, and why it exists."""

import random
import re
import subprocess
import sys
from datetime import date
from typing import Any

import duckdb
import pandas as pd
import pytest

from hinet_core.quality import pushdown
from hinet_core.quality.pushdown import Wanted

SEEDS = range(4)
WANTED = [
    Wanted("ExpectTableRowCountToBeBetween", {"min_value": 50}),
    Wanted("ExpectTableRowCountToBeBetween", {"min_value": 1}),
    Wanted("ExpectColumnValuesToNotBeNull", {"column": "whole"}),
    Wanted("ExpectColumnValuesToNotBeNull", {"column": "text", "mostly": 0.8}),
    Wanted("ExpectColumnValuesToNotBeNull", {"column": "id"}),
    Wanted("ExpectColumnValuesToBeBetween", {"column": "whole", "min_value": 0, "max_value": 8}),
    Wanted("ExpectColumnValuesToBeBetween", {"column": "whole", "min_value": 0, "max_value": 9, "strict_max": True}),
    Wanted("ExpectColumnValuesToBeBetween", {"column": "real", "min_value": -1.5}),
    Wanted("ExpectColumnValuesToBeBetween", {"column": "real", "max_value": 0.25}),
    Wanted("ExpectColumnValuesToBeInSet", {"column": "whole", "value_set": [0, 1, 2, 3, 4, 5]}),
    Wanted("ExpectColumnValuesToBeInSet", {"column": "text", "value_set": ["a", "b", "o'c"]}),
    Wanted("ExpectColumnValuesToBeInSet", {"column": "flag", "value_set": [True]}),
    Wanted("ExpectColumnDistinctValuesToBeInSet", {"column": "text", "value_set": ["a", "b", "o'c", ""]}),
    Wanted("ExpectColumnMaxToBeBetween", {"column": "id", "min_value": 20, "max_value": 100}),
    Wanted(
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {"column_A": "first", "column_B": "second", "or_equal": True, "ignore_row_if": "either_value_is_missing"},
    ),
]


def random_table(seed: int, n_rows: int | None = None) -> pd.DataFrame:
    """Small values, many ties, missing values in most columns, now and then no row at all or one."""
    chance = random.Random(seed)
    n_rows = chance.choice([1, 20, 60, 200]) if n_rows is None else n_rows
    missing = chance.choice([0.0, 0.1, 0.5])

    def column(draw: Any) -> list[Any]:
        return [None if chance.random() < missing else draw() for _ in range(n_rows)]

    return pd.DataFrame(
        {
            "id": pd.array(list(range(n_rows)), dtype="Int64"),
            "whole": pd.array(column(lambda: chance.randrange(-1, 10)), dtype="Int64"),
            "real": pd.array(column(lambda: chance.gauss(0, 1)), dtype="Float64"),
            "text": pd.array(column(lambda: chance.choice(["a", "b", "o'c", "{d}", ""])), dtype="str"),
            "flag": pd.array(column(lambda: chance.random() < 0.9), dtype="boolean"),
            "first": pd.array(column(lambda: chance.randrange(2)), dtype="Int64"),
            "second": pd.array(column(lambda: chance.randrange(2)), dtype="Int64"),
        }
    )


def load(con: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> str:
    con.register("frame", frame)
    con.execute("CREATE OR REPLACE TABLE loaded AS SELECT * FROM frame")
    con.unregister("frame")
    return "loaded"


@pytest.mark.parametrize("seed", SEEDS)
def test_duckdb_and_pandas_agree(con, seed):
    frame = random_table(seed)
    pushed = pushdown.judge(pushdown.table_batch(con, load(con, frame)), WANTED)
    plain = pushdown.judge(pushdown.frame_batch(frame), WANTED)
    for wanted, here, there in zip(WANTED, pushed, plain, strict=True):
        assert here.error is None and there.error is None, wanted
        assert (here.success, here.unexpected) == (there.success, there.unexpected), wanted


def test_an_empty_table_is_judged(con):
    frame = random_table(0, n_rows=0)
    outcomes = pushdown.judge(pushdown.table_batch(con, load(con, frame)), WANTED)
    assert all(one.error is None for one in outcomes)
    assert [one.success for one in outcomes[:2]] == [False, False]  # row counts
    about_values = [one for wanted, one in zip(WANTED, outcomes, strict=True) if "Values" in wanted.expectation]
    assert all(one.success for one in about_values)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_asked_for_in_sql_are_counted(con, seed):
    """Patterns are judged this way, as regular expressions do not reach DuckDB; braces are doubled for the library."""
    frame = random_table(seed)
    query = "SELECT text FROM {batch} WHERE NOT regexp_full_match(text, '[ab]|\\{{d\\}}')"
    wanted = [Wanted("UnexpectedRowsExpectation", {"unexpected_rows_query": query})]
    (found,) = pushdown.judge(pushdown.table_batch(con, load(con, frame)), wanted)
    texts = [text for text in frame["text"] if not pd.isna(text)]
    assert found.unexpected == sum(re.fullmatch(r"[ab]|\{d\}", text) is None for text in texts)
    assert found.success == (found.unexpected == 0)


def test_dates_are_compared_as_dates(con):
    con.execute("CREATE TABLE days AS SELECT DATE '2024-01-01' + CAST(i AS INTEGER) AS day FROM range(3) AS t(i)")
    wanted = [Wanted("ExpectColumnValuesToBeInSet", {"column": "day", "value_set": [date(2024, 1, 2)]})]
    (found,) = pushdown.judge(pushdown.table_batch(con, "days"), wanted)
    assert (found.error, found.success, found.unexpected) == (None, False, 2)


def test_severity_travels_with_the_outcome(con):
    con.execute("CREATE TABLE one AS SELECT 1 AS a")
    wanted = [
        Wanted("ExpectColumnValuesToBeBetween", {"column": "a", "min_value": 2 + place}, severity)
        for place, severity in enumerate(["critical", "warning", "info"])
    ]
    outcomes = pushdown.judge(pushdown.table_batch(con, "one"), wanted)
    assert [one.severity for one in outcomes] == ["critical", "warning", "info"]


def test_what_the_adapter_lacks_says_so(con):
    con.execute("CREATE TABLE one AS SELECT 'x' AS a")
    wanted = [Wanted("ExpectColumnValuesToMatchRegex", {"column": "a", "regex": "x"})]
    (found,) = pushdown.judge(pushdown.table_batch(con, "one"), wanted)
    assert not found.success and found.error


def test_without_the_repair_every_result_is_lost(con):
    """SQLAlchemy's rollback drops DuckDB's open result before the library fetches it."""
    from duckdb_engine import ConnectionWrapper

    con.execute("CREATE TABLE one AS SELECT 1 AS a")
    wanted = [Wanted("ExpectColumnValuesToBeBetween", {"column": "a", "min_value": 0})]
    (lost,) = pushdown.judge(pushdown.lent_batch(ConnectionWrapper(con.cursor()), "one"), wanted)
    assert not lost.success and lost.error
    (kept,) = pushdown.judge(pushdown.table_batch(con, "one"), wanted)
    assert kept.success and kept.error is None


def test_the_owners_transaction_is_left_alone(con):
    con.execute("CREATE TABLE one AS SELECT 1 AS a")
    con.execute("BEGIN")
    con.execute("INSERT INTO one VALUES (5)")
    (found,) = pushdown.judge(
        pushdown.table_batch(con, "one"), [Wanted("ExpectTableRowCountToBeBetween", {"min_value": 2})]
    )
    con.execute("COMMIT")
    assert found.success
    assert con.execute("SELECT count(*) FROM one").fetchall() == [(2,)]


def test_the_heavy_libraries_wait_until_a_day_is_judged():
    code = (
        "import sys, hinet_core.quality, hinet_core.quality.pushdown; from hinet_core.contract import load_contract\n"
        "assert hinet_core.quality.check_names(load_contract('kuairand'))\n"
        "heavy = {'great_expectations', 'pandas', 'torch', 'sklearn', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
