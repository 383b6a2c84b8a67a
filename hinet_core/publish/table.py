"""How a published table is declared."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """One published table. `rules` maps a sentence to the SQL condition of a row that breaks it."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, str]
    source: str = ""
    rules: dict[str, str] = field(default_factory=dict)


def columns_of(text: str) -> dict[str, str]:
    """Read 'name TYPE, name TYPE, …'."""
    return {name: kind for name, kind in (one.split() for one in text.replace("\n", " ").split(","))}


def one_of(column: str, *allowed: str) -> dict[str, str]:
    words = ", ".join(f"'{word}'" for word in allowed)
    return {f"{column} is one of {', '.join(allowed)}": f"{column} IS NULL OR {column} NOT IN ({words})"}


def finite(*columns: str) -> dict[str, str]:
    """No figure is NaN or infinite."""
    broken = " OR ".join(f"isnan({one}) OR isinf({one})" for one in columns)
    return {f"{', '.join(columns)} are finite": broken}
