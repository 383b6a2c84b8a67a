"""What a number of a side table's lists owes the rest: whose items, and how they are found."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hinet_core.contract.columns import Column
    from hinet_core.contract.grammar import Contract


def check_counted(contract: "Contract") -> list[str]:
    """Items are counted and compared in a side table, by what is known before the exposure."""
    return [problem for column in contract.columns if column.is_of_lists for problem in wrong_count(contract, column)]


def wrong_count(contract: "Contract", column: "Column") -> list[str]:
    by_name, use = {one.name: one for one in contract.columns}, "counted_by" if column.counted_by else "alike_to"
    where = f"columns.{column.name}"
    source, key = contract.source_of(column), by_name[getattr(column, use)]
    if source.kind != "side":
        return [f"{where}.{use}: found {key.name!r} in source {source.name!r}, allowed: in a side table"]
    if key in contract.late_columns or key.role in ("outcome", "known_at") or key.reads_list:
        return [f"{where}.{use}: found {key.name!r}, allowed: a column of single values known before the exposure"]
    other = by_name.get(column.also_in or "")
    if other is not None and (contract.source_of(other) != source or not other.reads_list):
        return [f"{where}.also_in: found {other.name!r}, allowed: a list, or a count, of source {source.name!r}"]
    if column.through is None:
        return []
    told = contract.source_of(key)
    if told.kind != "side" or list(told.join) != [column.through]:
        return [
            f"{where}.through: found {column.through!r}, allowed: the only column by which the side table of "
            f"{key.name!r} is joined"
        ]
    return []
