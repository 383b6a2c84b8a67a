"""What sections of the page of results are written with."""

from collections.abc import Iterable, Sequence

LEAST_P = 0.001  # what three digits can say


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def chance(p: float | None) -> str:
    """A p-value in three digits; one below them is never 0."""
    if p is None:
        return "-"
    return f"{p:.3f}" if p >= LEAST_P else f"< {LEAST_P}"
