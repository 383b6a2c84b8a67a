"""The columns of `examples` that are the rows' own: who was shown what, what models may read, and the labels."""

from datetime import date

from hinet_core.contract import Column, Contract, known_us_column, label_column
from hinet_core.features.history import HistoryError, day_number
from hinet_core.lake import quote_identifier, quote_literal

SYSTEM_TYPES = {"hour": "TINYINT", "exposed_us": "BIGINT", "record_number": "BIGINT", "scenario_id": "STRING"}
CARRIED_ROLES = ("request", "user", "item", "position", "propensity")


def carried_columns(contract: Contract) -> list[Column]:
    """The log's own columns in `examples`: identity and position first, then what models may read."""
    roles = [column for role in CARRIED_ROLES if (column := contract.column_for(role)) is not None]  # type: ignore[arg-type]
    return roles + [column for column in contract.inputs if column not in roles]


def key_columns(contract: Contract) -> list[str]:
    """The columns that the keys of entities are made of."""
    return list(dict.fromkeys(key for entity in contract.features.entities for key in entity.keys))


def required_columns(contract: Contract) -> list[str]:
    """What a relation must have to be turned into examples."""
    inputs = [column.name for column in contract.inputs]
    ids = [contract.name_of("user"), contract.name_of("item")]
    return list(dict.fromkeys([*SYSTEM_TYPES, *ids, *key_columns(contract), *inputs]))


def check_columns(contract: Contract, present: list[str]) -> None:
    missing = [name for name in required_columns(contract) if name not in present]
    if missing:
        raise HistoryError(
            f"rows for examples lack {', '.join(missing)}; found {', '.join(present)}. "
            f"Give them under the names of contract {contract.name!r}."
        )


def leading_sql(contract: Contract, present: list[str], day: date) -> list[str]:
    """The columns before the features, over rows `r` that have the columns `present`."""
    return [
        f"CAST('{day.isoformat()}' AS DATE) AS day",
        f"CAST({day_number(day)} AS INTEGER) AS day_number",
        "CAST(r.hour AS TINYINT) AS hour",
        "CAST(r.exposed_us AS BIGINT) AS exposed_us",
        f"{own_sql('source_file', 'STRING', present, quote_literal(''))} AS source_file",
        "CAST(r.record_number AS BIGINT) AS record_number",
        "CAST(r.scenario_id AS STRING) AS scenario_id",
        *(
            f"{own_sql(column.name, column.duckdb_type, present)} AS {quote_identifier(column.name)}"
            for column in carried_columns(contract)
        ),
    ]


def label_sql(contract: Contract, present: list[str]) -> list[str]:
    """The columns after the features: per task its label and when it was known."""
    columns = []
    for task in contract.tasks:
        label, known = label_column(task.name), known_us_column(task.name)
        columns.append(f"{own_sql(label, 'TINYINT', present)} AS {quote_identifier(label)}")
        columns.append(f"{own_sql(known, 'BIGINT', present)} AS {quote_identifier(known)}")
    return columns


def own_sql(name: str, kind: str, present: list[str], default: str = "NULL") -> str:
    """A column of the rows in the contract's type, or the default where the rows lack it."""
    value = f"r.{quote_identifier(name)}" if name in present else default
    return f"CAST({value} AS {kind})"
