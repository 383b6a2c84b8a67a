"""The adapter: the same answers in DuckDB as Great Expectations gives on pandas, and why it exists."""

import random
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import good_day
import pandas as pd
import pyarrow as pa
import pytest
from great_expectations import expectations
from random_tables import NOT_REGISTERED, ODD_ROWS, SQL_ONLY, UNSUPPORTED, random_questions, random_table

from hinet_core.lake import quote_identifier
from hinet_core.quality import pushdown
from hinet_core.quality.pushdown import Wanted
from hinet_core.quality.suite import rules

PAGE = Path(__file__).parents[2] / "docs" / "quality.md"
ALL = {
    name
    for name, one in vars(expectations).items()
    if isinstance(one, type) and issubclass(one, expectations.Expectation) and name != "Expectation"
}


def load(con: duckdb.DuckDBPyConnection, table: pa.Table) -> str:
    con.register("arrow_table", table)
    con.execute("CREATE OR REPLACE TABLE loaded AS SELECT * FROM arrow_table")
    con.unregister("arrow_table")
    return "loaded"


def both(con: duckdb.DuckDBPyConnection, frame: pd.DataFrame, table: pa.Table, wanted: list[Wanted]) -> Any:
    """Each question with DuckDB's outcome and pandas'."""
    pushed = pushdown.judge(pushdown.table_batch(con, load(con, table)), wanted)
    plain = pushdown.judge(pushdown.frame_batch(frame), wanted)
    return zip(wanted, pushed, plain, strict=True)


def compare(con: duckdb.DuckDBPyConnection, seed: int, n_rows: int | None = None) -> None:
    chance = random.Random(seed)
    frame, table = random_table(chance, n_rows)
    for wanted, here, there in both(con, frame, table, random_questions(chance, len(frame))):
        assert here.error is None and there.error is None, (wanted, here.error, there.error)
        assert (here.success, here.unexpected) == (there.success, there.unexpected), (wanted, here, there)


def test_duckdb_and_pandas_agree(con):
    compare(con, seed=1, n_rows=60)


@pytest.mark.slow
@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_they_agree_on_no_row_one_and_two(con, n_rows):
    compare(con, 100 + n_rows, n_rows)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1040))
def test_they_agree_on_many_tables(con, seed):
    compare(con, seed)


def test_every_expectation_is_compared_or_listed_as_unsupported():
    compared = {one.expectation for one in random_questions(random.Random(0), 20)}
    assert compared | set(UNSUPPORTED) | SQL_ONLY | NOT_REGISTERED == ALL
    used = {rule.expectation for rule in rules(good_day.contract(), good_day.DAY)}
    assert used <= compared | SQL_ONLY


def test_what_is_unsupported_is_refused_or_answered_otherwise(con):
    wanted = [Wanted(name, arguments) for name, arguments in UNSUPPORTED.items()]
    # One suite each: a query that raises takes all others of its batch with it.
    for one in wanted:
        ((_, here, there),) = both(con, ODD_ROWS.to_pandas(), ODD_ROWS, [one])
        assert here.error or (here.success, here.unexpected) != (there.success, there.unexpected), one


def test_an_expectation_without_implementation_is_told():
    for name in NOT_REGISTERED:
        wanted = Wanted(name, {"column": "id", "column_list": ["id"]})
        with pytest.raises(Exception, match="not found"):
            pushdown.judge(pushdown.frame_batch(ODD_ROWS.to_pandas()), [wanted])


def test_the_page_lists_what_is_unsupported():
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("## What the adapter does not support")
    rows = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`(\w*Expect\w+)`", row.split("|")[1])]
    assert sorted(listed) == sorted([*UNSUPPORTED, *NOT_REGISTERED])


def test_any_column_name_is_quoted(con):
    """Keywords, capitals and blanks; the dialect by itself leaves `at` bare, which DuckDB cannot read."""
    names = ["at", "qualify", "select", "lambda", "Large", "two words", "position", "o'c", "summarize"]
    con.execute(f"CREATE TABLE odd AS SELECT {', '.join(f'1 AS {quote_identifier(name)}' for name in names)}")
    wanted = [Wanted("ExpectColumnValuesToBeBetween", {"column": name, "max_value": 0}) for name in names]
    found = pushdown.judge(pushdown.table_batch(con, "odd"), wanted)
    assert [(one.error, one.unexpected) for one in found] == [(None, 1)] * len(names)


@pytest.mark.parametrize("seed", range(4))
def test_rows_asked_for_in_sql_are_counted(con, seed):
    """Patterns are judged this way, as regular expressions do not reach DuckDB; braces are doubled for the library."""
    frame, table = random_table(random.Random(seed))
    query = "SELECT text FROM {batch} WHERE NOT regexp_full_match(text, '[ab]|\\{{d\\}}')"
    wanted = [Wanted("UnexpectedRowsExpectation", {"unexpected_rows_query": query})]
    (found,) = pushdown.judge(pushdown.table_batch(con, load(con, table)), wanted)
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
