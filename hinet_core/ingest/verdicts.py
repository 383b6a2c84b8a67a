"""What becomes of each staged row: kept, duplicate or quarantined.

A verdict is looked up by the row's place in two strings of bits. A join would cost more, and DuckDB keeps no order
through one: the order of the files is the order in which impressions are written, for every number of threads.
"""

from datetime import date, timedelta

from hinet_core.contract import Contract
from hinet_core.ingest.stage import Stage
from hinet_core.ingest.staging import PLACE, exposures
from hinet_core.lake import quote_identifier, quote_literal


def judge(stage: Stage, day: date) -> None:
    """`judged`: the day's rows as `staged_columns` with their verdict, and `day_verdicts`: their files and verdicts.

    Among rows with equal keys, refused ones aside, the earliest is kept: by time, then in the order of the files.
    """
    con, contract = stage.con, stage.contract
    span = [day - timedelta(days=back) for back in range(contract.dedupe.horizon_days + 1)]
    rows_of_day = [_rows_of(stage, one) for one in span]
    repeated = con.execute(_repeated(rows_of_day)).fetchnumpy()["place"]
    time = contract.name_of("time")
    # Only rows whose hash is there twice are compared by their key.
    con.register("repeated", stage.rows_at(span, repeated, [*contract.dedupe.key, time]))
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE duplicates AS
        SELECT place FROM (
            SELECT {PLACE} AS place, placed_day, row_number() OVER (
                PARTITION BY {_key(contract)} ORDER BY {quote_identifier(time)}, {PLACE}
            ) AS nth FROM repeated
        ) WHERE nth > 1 AND placed_day = {_date(day)}
        """
    ).fetchall()
    low, high = con.execute(
        f"SELECT coalesce(min(place), 0), coalesce(max(place), 0) FROM {rows_of_day[0]}"
    ).fetchall()[0]
    for name, places in (
        ("refused", f"SELECT place FROM {rows_of_day[0]} WHERE refused"),
        ("duplicate", "SELECT place FROM duplicates"),
    ):
        bits = f"SELECT bitstring_agg(place - {low}, 0, {high - low}) FROM ({places})"
        con.execute(f"SET VARIABLE {name} = ({bits})").fetchall()
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW day_verdicts AS SELECT *, {_verdict('place', low)} AS verdict "
        f"FROM {rows_of_day[0]}"
    )
    rows = f"SELECT *, {_verdict(PLACE, low)} AS verdict FROM ({exposures(contract, stage.rows([day]))})"
    kind = "TABLE" if contract.outcome_sources else "VIEW"  # late outcomes change the rows
    con.execute(f"CREATE OR REPLACE TEMP {kind} judged AS {rows}").fetchall()


def _key(contract: Contract) -> str:
    return ", ".join(quote_identifier(name) for name in contract.dedupe.key)


def _rows_of(stage: Stage, day: date) -> str:
    """A table of the day's rows: place, file, day, whether it is refused, and a hash of the dedupe key.

    It is made once, and dropped when no later day looks back so far.
    """
    name = quote_identifier(f"rows of {day}")
    if day not in stage.keyed:
        gone = day - timedelta(days=stage.contract.dedupe.horizon_days + 1)
        stage.con.execute(f"DROP TABLE IF EXISTS {quote_identifier(f'rows of {gone}')}")
        stage.con.execute(
            f"CREATE TEMP TABLE {name} AS SELECT {PLACE} AS place, file_number, placed_day, "
            f"len(reasons) > 0 AS refused, hash({_key(stage.contract)}) AS key_hash FROM ({stage.rows([day])})"
        ).fetchall()
        stage.keyed.add(day)
    return name


def _repeated(tables: list[str]) -> str:
    span = " UNION ALL ".join(f"SELECT place, key_hash FROM {one} WHERE NOT refused" for one in tables)
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
