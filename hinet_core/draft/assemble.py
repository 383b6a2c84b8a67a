"""`draft`: look at the files of a log and write a contract to start from; every guess stands beside its figures."""

import re
from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path

import duckdb

from hinet_core.contract import Column
from hinet_core.contract.values import NAME
from hinet_core.draft import names, outcomes, roles, scenarios
from hinet_core.draft.bounds import TYPED, bound, choose_key, days_of, zone_hint
from hinet_core.draft.fit import fit_days
from hinet_core.draft.groups import Group, groups_of
from hinet_core.draft.late import late_outcomes
from hinet_core.draft.leaks import exclude_leaks
from hinet_core.draft.numbered import join_numbered
from hinet_core.draft.plan import UNSURE, Drafted, Plan
from hinet_core.draft.sample import BYTES_LOOKED_AT, FILES_LOOKED_AT, DraftError, look_at, shares_of, size_of
from hinet_core.draft.sides import Side, join_side
from hinet_core.draft.write import written
from hinet_core.ingest.casts import cast, present
from hinet_core.lake import connect, quote_identifier, quote_literal
from hinet_core.progress import track


def draft(files: Sequence[Path], name: str | None = None) -> str:
    """The text of a contract for these files; `DraftError` when they hold no log that can be read."""
    if name is not None and not re.fullmatch(NAME, name):
        raise DraftError(f"name: found {name!r}, allowed: letters, digits and _, not starting with a digit")
    paths = _files(files)
    folder = Path(commonpath([path.parent for path in paths]))
    con = connect()
    try:
        looked_at = _spread(paths)
        budgets = shares_of(BYTES_LOOKED_AT, [size_of(path) for path in looked_at])
        pairs = zip(looked_at, budgets, strict=True)
        seen = [look_at(path, path.relative_to(folder).as_posix(), budget)
                for path, budget in track(list(pairs), "looking at files")]  # fmt: skip
        groups = groups_of(con, seen)
        log = max(groups, key=_like_a_log)
        plan = planned(con, log)
        others = [one for one in groups if one is not log]
        plan.notes += which_log(log, others)
        sides: list[Side] = []
        for group in others:
            source = side_name(group, ["log", *(one.name for one in sides)])
            late = late_outcomes(plan, con, TYPED, group, source)
            sides.append(late or join_side(plan, con, TYPED, group, source))
        if len(looked_at) < len(paths):
            plan.notes.append(f"{len(looked_at)} of {len(paths)} files were looked at, evenly over their names")
        days = days_of(con, plan)
        split = fit_days(plan, days)
        return written(name or default_name(folder, log), folder, plan, log, sides, days, split)
    finally:
        con.close()


def _files(files: Sequence[Path]) -> list[Path]:
    """The files themselves; of a folder all files in it."""
    found: list[Path] = []
    for one in files:
        if not one.exists():
            raise DraftError(f"{one}: no such file; give the files of the log, or their folder")
        inside = sorted(path for path in one.rglob("*") if path.is_file()) if one.is_dir() else [one]
        found += [path for path in inside if not path.name.startswith((".", "_"))]
    if not found:
        raise DraftError(f"{files[0]}: the folder holds no file; give the files of the log, or their folder")
    return sorted({path.resolve() for path in found})


def _spread(paths: list[Path]) -> list[Path]:
    if len(paths) <= FILES_LOOKED_AT:
        return paths
    return [paths[place * (len(paths) - 1) // (FILES_LOOKED_AT - 1)] for place in range(FILES_LOOKED_AT)]


def _like_a_log(group: Group) -> tuple[int, int]:
    """How many signs of a log the table has; among equals it is the longest."""
    return len(signs_of_a_log(group)), group.rows_in_files


def signs_of_a_log(group: Group) -> list[str]:
    """Times, ids that come back (a side table has a row for each), outcomes, slots; in words."""
    guesses = group.guesses
    named = [one for one in guesses if names.names_a(one.raw, names.USER) or names.names_a(one.raw, names.ITEM)]
    several = len([one for one in guesses if roles.comes_back(one)]) > 1
    found = {
        "times": any(one.type == "timestamp" or one.epoch for one in guesses),
        "ids that come back": several and not any(roles.names_a_row(one) for one in named),
        "outcomes": any(one.is_binary or names.speaks_of(one.raw, names.EVENT + names.CODED) for one in guesses),
        "slots": any(names.names_a(one.raw, names.POSITION) and roles.is_slot(one) for one in guesses),
    }
    return [sign for sign, there in found.items() if there]


def which_log(log: Group, others: Sequence[Group]) -> list[str]:
    """Why this table is the log, where another has nearly as many signs of one."""
    signs = signs_of_a_log(log)
    rivals = [one for one in others if len(signs_of_a_log(one)) + 1 >= len(signs)]
    if not rivals:
        return []
    told = [f"{one.paths[0]} ({', '.join(signs_of_a_log(one)) or 'no sign of one'}; about {one.rows_in_files:,} rows)"
            for one in (log, *rivals[:3])]  # fmt: skip
    return [f"{UNSURE}{told[0]} is taken for the log, not {', '.join(told[1:])}"]


def planned(con: duckdb.DuckDBPyConnection, log: Group) -> Plan:
    """Roles, scenarios, tasks, key and bounds of the log's own columns."""
    named = names.contract_names([one.raw for one in log.guesses])
    plan = Plan([Drafted(named[one.raw], [one.raw], dict(one.keys), one) for one in log.guesses])
    join_numbered(plan)
    roles.assign_keys(plan, log)
    scenarios.assign_scenario(plan, log)
    type_rows(con, plan, log)
    outcomes.assign_outcomes(plan, con, TYPED)
    exclude_leaks(plan, con, TYPED)
    roles.assign_features(plan, log)
    scenarios.list_scenarios(plan, con, TYPED)
    for column in plan.columns:
        required = column.role in ("user", "item", "scenario", "time")
        column.nullable = not required and (not log.whole or column.guess is None or column.guess.missing > 0)
    choose_key(con, plan)
    bound(con, plan, log)
    hint = zone_hint(con, plan)
    plan.notes += [hint] if hint else []
    return plan


def type_rows(con: duckdb.DuckDBPyConnection, plan: Plan, log: Group) -> None:
    """The log's sample under the contract's names, typed as ingest will type it; `reasons`: a value did not fit."""
    query = f"SELECT {typed_columns(plan, log)}, path AS source_file FROM {log.table}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE {TYPED} AS {query}").fetchall()


def typed_columns(plan: Plan, log: Group) -> str:
    parts, unfit = [], ["false"]
    for one in plan.columns:
        if not one.reads:
            kind = "NULL::TIMESTAMP" if one.role == "time" else f"'{one.keys.get('constant', '')}'"
            parts.append(f"{kind} AS {quote_identifier(one.name)}")
            continue
        cells = [_cell(plan, log, raw) for raw in one.reads]
        column = Column.model_validate({"name": one.name, **one.keys})
        typed = cast(column, [value for value, _ in cells], [kind for _, kind in cells])
        parts.append(f"{typed} AS {quote_identifier(one.name)}")
        unfit.append(f"({' AND '.join(f'({value}) IS NOT NULL' for value, _ in cells)} AND ({typed}) IS NULL)")
    return ", ".join([*parts, f"({' OR '.join(unfit)}) AS reasons"])


def _cell(plan: Plan, log: Group, raw: str) -> tuple[str, str]:
    if raw == "record:number":
        return "rowid", "BIGINT"
    if raw.startswith("path:"):
        found = "regexp_extract(path, {}, [{}])[{}]"
        groups = ", ".join(quote_literal(one) for one in re.compile(plan.path_pattern).groupindex)
        plain = quote_literal(re.sub(r"\(\?P<[^>]+>", "(", plan.path_pattern))
        return found.format(plain, groups, quote_literal(raw.removeprefix("path:"))), "VARCHAR"
    kind = log.columns[raw]
    return present(quote_identifier(f"raw.{raw}"), kind, tuple(log.null_values)), kind


def default_name(folder: Path, log: Group) -> str:
    stem = log.paths[0].rsplit("/", 1)[-1].split(".")[0] if len(log.paths) == 1 else folder.name
    return names.contract_names([stem.lower()], prefix="log")[stem.lower()]


def side_name(group: Group, taken: Sequence[str]) -> str:
    """The file's own name as the name of the source; of several files without their dates and numbers."""
    stem = group.paths[0].rsplit("/", 1)[-1].split(".")[0]
    stem = (re.sub(r"[-_]?\d[-_\d]*$", "", stem) or stem) if len(group.paths) > 1 else stem
    return names.contract_names([stem], taken, prefix="side")[stem]
