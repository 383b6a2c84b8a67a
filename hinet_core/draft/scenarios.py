"""Where the scenario stands: a column of few values, the path of the file, or nowhere, and then there is one."""

from collections.abc import Sequence

import duckdb

from hinet_core.contract.suspicious import suspicious
from hinet_core.draft import names
from hinet_core.draft.columns import VALUES_KEPT, Guess
from hinet_core.draft.groups import Group, PathPart, path_parts
from hinet_core.draft.plan import UNSURE, Drafted, Plan, Scenario, share
from hinet_core.draft.roles import FEW_MISSING, free, is_day
from hinet_core.lake import quote_identifier

MOST_SCENARIOS = 50
FEW_ROWS = 100  # scenarios with fewer rows looked at are kept, but not modelled
ABOUT_PEOPLE = ("gender", "sex", "age", "os", "device", "brand", "level", "type", "category", "language", "version")


def assign_scenario(plan: Plan, group: Group) -> None:
    """Give one column the role, name its rivals, and add the pieces of the paths that differ as columns."""
    parts, pattern = path_parts(group.paths)
    candidates = [one for one in free(plan, group) if can_be_scenario(one)]
    named = sorted((one for one in candidates if names.names_a(one.raw, names.SCENARIO)),
                   key=lambda one: names.rank_of(one.raw, names.SCENARIO))  # fmt: skip
    of_path = _told_by_path(parts, len(group.paths))
    unnamed = [one for one in candidates if one not in named and not names.speaks_of(one.raw, ABOUT_PEOPLE)
               and one.type in ("string", "int64") and one.distinct > 1 and not one.is_binary]  # fmt: skip
    if parts:
        plan.path_pattern = pattern
        used = {part.name for part in of_path} if not named else set()
        plan.columns += [_path_column(part, part.name in used) for part in parts]
    if named:
        _be_scenario(plan, named[0], [*named[1:], *unnamed], "")
    elif not of_path and unnamed:
        _be_scenario(plan, unnamed[0], unnamed[1:], f"{UNSURE}no name says scenario; this is a column of few values")
    elif not of_path:
        _one_for_all(plan, candidates)


def can_be_scenario(one: Guess) -> bool:
    whole = one.type.startswith("int") or one.type in ("string", "bool")
    few = 1 <= one.distinct <= MOST_SCENARIOS and one.missing_share <= FEW_MISSING
    outcome = suspicious(one.raw) is not None or names.are_events([text for text, _ in one.top])
    return whole and few and one.epoch is None and not outcome and not is_day(one)


def _told_by_path(parts: Sequence[PathPart], n_files: int) -> list[PathPart]:
    """The piece with the most values; all of them when they have equally many and only together tell files apart."""
    if not parts:
        return []
    most = max(len(part.values) for part in parts)
    widest = [part for part in parts if len(part.values) == most]
    return widest if len(widest) > 1 and most < n_files else widest[:1]


def _path_column(part: PathPart, is_scenario: bool) -> Drafted:
    why = [f"from the file's path: {', '.join(part.values[:10])}"]
    role = "scenario" if is_scenario else "plain"
    return Drafted(part.name, [f"path:{part.name}"], {"type": "string"}, role=role, why=why)


def _be_scenario(plan: Plan, one: Guess, others: Sequence[Guess], why: str) -> None:
    column = plan.reading(one.raw)
    if column is None:
        return
    column.role = "scenario"
    column.why += [why] if why else []
    if others:
        rivals = ", ".join(f"{rival.raw!r} ({rival.distinct} values)" for rival in others[:5])
        column.why.append(f"{UNSURE}other columns of few values: {rivals}; two scenario columns are joined by '|'")


def _one_for_all(plan: Plan, candidates: Sequence[Guess]) -> None:
    """No column and no path tells a scenario: all rows are of one, read from what the paths share."""
    seen = ", ".join(f"{one.raw!r} ({one.distinct} values)" for one in candidates[:5])
    why = f"{UNSURE}no column and no path tells a scenario: all rows are of one"
    why += f"; columns of few values: {seen}" if seen else ""
    name = names.contract_names(["scenario"], [one.name for one in plan.columns])["scenario"]
    plan.columns.append(Drafted(name, [], {"type": "string", "constant": "all"}, role="scenario", why=[why]))


def list_scenarios(plan: Plan, con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Every value seen, with its rows; rare ones are kept and counted, but not modelled."""
    columns = plan.with_role("scenario")
    if not columns:
        return
    text = " || '|' || ".join(f"CAST({quote_identifier(one.name)} AS VARCHAR)" for one in columns)
    found = con.execute(
        f"SELECT {text} AS value, count(*) AS n FROM {table} WHERE value IS NOT NULL "
        f"GROUP BY value ORDER BY n DESC, value LIMIT {VALUES_KEPT * VALUES_KEPT}"
    ).fetchall()
    total = sum(n for _, n in found)
    plan.scenarios = [Scenario(value, n, n >= min(FEW_ROWS, total / 20)) for value, n in found]
    if plan.scenarios and not any(one.modelled for one in plan.scenarios):
        plan.scenarios[0].modelled = True


def about(one: Scenario, total: int) -> str:
    rare = "" if one.modelled else "; too few to learn from or to judge"
    return f"{one.rows} of {total} rows looked at ({share(one.rows, total)}){rare}"
