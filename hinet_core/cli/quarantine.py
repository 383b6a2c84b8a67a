"""`hinet quarantine`: refused rows by reason."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.cli.output import show
from hinet_core.lake import connect, parquet_list


@main.command()
@contract_option
def quarantine(name: str) -> None:
    """Count refused rows by reason, of committed days and of days that are kept out, each with an example."""
    with one_sentence():
        _, _, lake = places(name)
        kept_out = [folder / "quarantine.parquet" for folder in lake.blocked("ingest").values()]
        files = [*lake.files("quarantine"), *(path for path in kept_out if path.exists())]
        rows = refused_rows(files) if files else []
    if not rows:
        click.echo("no refused rows")
        return
    show(["reason", "rows", "first day", "last day", "for example"], rows)


def refused_rows(files: Sequence[Path]) -> list[tuple[Any, ...]]:
    con = connect()
    try:
        return con.execute(
            f"""
            SELECT reason, count(*) AS n, min(day), max(day),
                   arg_min(source_file || ' record ' || record_number || ': ' || left(raw, 80), (day, record_number))
            FROM (SELECT *, unnest(reasons) AS reason FROM {parquet_list(list(files))})
            GROUP BY reason ORDER BY n DESC, reason
            """
        ).fetchall()
    finally:
        con.close()
