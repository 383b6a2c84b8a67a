"""Rows as a table for people, or as CSV for programs."""

import csv
import sys
from collections.abc import Sequence
from typing import Any


def show(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*map(str, columns))
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console(width=None if sys.stdout.isatty() else 160).print(table, markup=False)


def write_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows(rows)
