"""What becomes of each staged row: kept, duplicate or quarantined.

A verdict is looked up by the row's place in two strings of bits. A join would cost more, and DuckDB keeps no order
through one: the order of the files is the order in which impressions are written, for every number of threads.
"""

from datetime import date, timedelta

from hinet_core.contract import Contract
from hinet_core.ingest.stage import Stage
from hinet_core.ingest.staging import PLACE, exposures
from hinet_core.lake import quote_identifier, quote_literal


def fill_verdicts(stage: Stage, days: list[date]) -> None:
    """`verdicts`: of every staged row its place, file, day, whether it is refused, and a hash of its dedupe key."""
    contract = stage.contract
    horizon = contract.dedupe.horizon_days
    wanted = {day - timedelta(days=back) for day in days for back in range(horizon + 1)}
    stage.con.execute(
        f"CREATE TEMP TABLE verdicts AS SELECT {PLACE} AS place, file_number, placed_day, "
        f"len(reasons) > 0 AS refused, hash({_key(contract)}) AS key_hash FROM ({stage.rows(wanted)})"
    ).fetchall()


def judge(stage: Stage, day: date) -> None:
    """`judged`: the day's rows as `staged_columns` with their verdict.

    Among rows with equal keys, refused ones aside, the earliest is kept: by time, then in the order of the files.
    """
    con, contract = stage.con, stage.contract
    since = day - timedelta(days=contract.dedupe.horizon_days)
    con.execute(f"CREATE OR REPLACE TEMP TABLE repeated AS {_repeated(since, day)}").fetchall()
    # Only rows whose hash is there twice are compared by their key.
    span = [since + timedelta(days=n) for n in range((day - since).days + 1)]
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE duplicates AS
        SELECT place FROM (
            SELECT {PLACE} AS place, placed_day, row_number() OVER (
                PARTITION BY {_key(contract)} ORDER BY {quote_identifier(contract.name_of("time"))}, {PLACE}
            ) AS nth FROM ({stage.rows(span)}) WHERE {PLACE} IN (SELECT place FROM repeated)
        ) WHERE nth > 1 AND placed_day = {_date(day)}
        """
    ).fetchall()
    low, high = con.execute(
        f"SELECT coalesce(min(place), 0), coalesce(max(place), 0) FROM verdicts WHERE placed_day = {_date(day)}"
    ).fetchall()[0]
    for name, places in (
        ("refused", f"SELECT place FROM verdicts WHERE refused AND placed_day = {_date(day)}"),
        ("duplicate", "SELECT place FROM duplicates"),
    ):
        bits = f"SELECT bitstring_agg(place - {low}, 0, {high - low}) FROM ({places})"
        con.execute(f"SET VARIABLE {name} = ({bits})").fetchall()
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW day_verdicts AS SELECT *, {_verdict('place', low)} AS verdict "
        f"FROM verdicts WHERE placed_day = {_date(day)}"
    )
    rows = f"SELECT *, {_verdict(PLACE, low)} AS verdict FROM ({exposures(contract, stage.rows([day]))})"
    kind = "TABLE" if contract.outcome_sources else "VIEW"  # late outcomes change the rows
    con.execute(f"CREATE OR REPLACE TEMP {kind} judged AS {rows}").fetchall()


def _key(contract: Contract) -> str:
    return ", ".join(quote_identifier(name) for name in contract.dedupe.key)


def _repeated(since: date, day: date) -> str:
    span = f"SELECT * FROM verdicts WHERE NOT refused AND placed_day BETWEEN {_date(since)} AND {_date(day)}"
    twice = f"SELECT key_hash FROM ({span}) GROUP BY key_hash HAVING count(*) > 1"
    return f"SELECT place FROM ({span}) WHERE key_hash IN ({twice})"


def _verdict(place: str, low: int) -> str:
    """Where no row of the day is refused, or none a duplicate, the bits are NULL."""
    bit = f"CAST({place} - {low} AS INTEGER)"
    return (
        f"CASE WHEN get_bit(getvariable('refused'), {bit}) = 1 THEN 'quarantined' "
        f"WHEN get_bit(getvariable('duplicate'), {bit}) = 1 THEN 'duplicate' ELSE 'kept' END"
    )


def _date(day: date) -> str:
    return f"DATE {quote_literal(day.isoformat())}"
