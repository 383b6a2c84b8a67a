"""One query that joins features to rows."""

from collections.abc import Sequence
from datetime import date

from hinet_core.contract import Computed, Contract
from hinet_core.features import recent, windows
from hinet_core.features.formulas import feature_sql
from hinet_core.lake import Lake, quote_identifier


def joined_sql(
    contract: Contract,
    lake: Lake,
    rows: str,
    day: date,
    past: Sequence[str],
    features: Sequence[Computed],
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> str:
    """Features as of a day between other columns of the rows `r`.

    `rows` names a view that has the keys of the features' entities and `scenario_id`; `past` are common tables that
    give `sums`, `overall` and `by_scenario` of windows.py, as far as these are no tables of their own.
    """
    asked = {one.entity for one in features}
    entities = [one for one in contract.features.entities if one.name in asked]
    named = {one.name for one in features if one.kind == "recent"}
    lists = [one for one in contract.features.recent if one.name in named]
    tables = [*past, *windows.entities_sql(contract, entities, rows)]
    if lists:
        history = lake.source(recent.STEP, recent.look_back(contract, day), schema=recent.SCHEMA)
        tables += recent.merged_sql(contract, lists, history, rows, day)
    columns = [f"{feature_sql(contract, one, day)} AS {quote_identifier(one.name)}" for one in features]
    joins = [*windows.joins_sql(contract, entities), *recent.joins_sql(contract, lists)]
    return f"""
        WITH {", ".join(tables)}
        SELECT {", ".join([*before, *columns, *after])}
        FROM {rows} AS r {" ".join(joins)}"""
