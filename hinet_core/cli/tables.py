"""`hinet sql`: questions to the committed tables."""

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.cli.output import show, write_csv
from hinet_core.lake import LakeError, connect

ROWS_SHOWN = 200


@main.command()
@contract_option
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated on stdout, all rows.")
@click.argument("query")
def sql(name: str, as_csv: bool, query: str) -> None:
    """Answer an SQL QUERY over the committed tables (read-only)."""
    with one_sentence():
        _, paths, _ = places(name)
        if not paths.catalog.exists():
            raise LakeError(f"{paths.catalog}: no catalog yet; run `hinet ingest --contract {name}` first")
        con = connect(paths.catalog, read_only=True)
        try:
            found = con.sql(query)
            columns = [] if found is None else found.columns
            rows = [] if found is None else found.fetchall()
        finally:
            con.close()
    if as_csv:
        write_csv(columns, rows)
        return
    show(columns, rows[:ROWS_SHOWN])
    if len(rows) > ROWS_SHOWN:
        click.echo(f"{len(rows)} rows, {ROWS_SHOWN} shown; --csv gives all")
