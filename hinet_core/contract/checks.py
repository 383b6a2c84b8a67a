"""What the parts of a contract owe each other: unique names, the roles a log needs, references, no leaks."""

import re
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from hinet_core.contract.feature_checks import FEATURE_CHECKS, feature_references
from hinet_core.contract.fields import check_field_names, field_references
from hinet_core.contract.off_policy import check_questions, question_references
from hinet_core.contract.side_checks import check_counted
from hinet_core.contract.training import check_some_weight, weight_references
from hinet_core.contract.values import time_zones

if TYPE_CHECKING:
    from hinet_core.contract.grammar import Contract

SINGLE_ROLES = ("request", "user", "item", "time", "position", "propensity")
REQUIRED_ROLES = ("user", "item", "scenario", "time")
OUTCOME_ROLES = ("outcome", "known_at")


def contradictions(contract: "Contract") -> list[str]:
    """Every contradiction as `key: found …, allowed: …`; roles first, since the other checks lean on them."""
    broken = check_references(contract) if not (roles := check_roles(contract)) else []
    checks = () if roles else FREE_CHECKS if broken else FREE_CHECKS + REFERRING_CHECKS
    return roles + broken + [problem for check in checks for problem in check(contract)]


def model_files() -> list[str]:
    """The models, found by their files: importing them would import torch wherever a contract is read."""
    folder = Path(__file__).parent.parent / "models"
    return sorted(path.stem for path in folder.glob("*.py") if path.stem not in ("__init__", "layers"))


def check_models(contract: "Contract") -> list[str]:
    known = model_files()
    named = {f"training.models[{i}]": name for i, name in enumerate(contract.training.models)}
    named |= {"lift.baseline": contract.lift.baseline, "lift.challenger": contract.lift.challenger}
    return [
        f"{key}: found {name!r}, allowed: a file of hinet_core/models ({', '.join(known)})"
        for key, name in named.items()
        if name not in known
    ]


def check_unique(contract: "Contract") -> list[str]:
    groups: dict[str, list[str]] = {
        "sources": [one.name for one in contract.sources],
        "columns": [one.name.lower() for one in contract.columns],  # SQL knows no case
        "scenarios": [one.id for one in contract.scenarios],
        "scenario values": [value for one in contract.scenarios for value in one.log_values],
        "tasks": [one.name for one in contract.tasks],
        "features.entities": [one.name for one in contract.features.entities],
        "off_policy": [one.name for one in contract.off_policy],
    }
    return [
        f"{group}: {name!r} is named {names.count(name)} times, allowed: once"
        for group, names in groups.items()
        for name in sorted(set(names))
        if names.count(name) > 1
    ]


def check_roles(contract: "Contract") -> list[str]:
    problems = [
        f"columns: no column has role {role!r}; give one column this role"
        for role in REQUIRED_ROLES
        if not contract.columns_with(role)  # type: ignore[arg-type]
    ]
    for role in SINGLE_ROLES:
        found = [column.name for column in contract.columns_with(role)]  # type: ignore[arg-type]
        if len(found) > 1:
            problems.append(f"columns: role {role!r} is held by {', '.join(found)}; allowed: one column")
    if contract.time_zone not in time_zones():
        problems.append(f"time_zone: found {contract.time_zone!r}, allowed: an IANA name such as 'Asia/Shanghai'")
    if contract.last_day is not None and contract.last_day < contract.first_day:
        problems.append(f"last_day: found {contract.last_day}, allowed: {contract.first_day} (first_day) or later")
    if sum(one.kind == "log" for one in contract.sources) != 1:
        problems.append("sources: exactly one source has kind = 'log' (its files pattern may match many files)")
    return problems


def check_sources(contract: "Contract") -> list[str]:
    """What decides where a row belongs stands in the log itself, and is never missing."""
    kinds = {one.name: one.kind for one in contract.sources}
    problems = []
    for column in contract.columns:
        where, kind = f"columns.{column.name}", kinds.get(column.source or contract.log.name, "log")
        if column.role in REQUIRED_ROLES and column.nullable:
            problems.append(f"{where}: a column with role {column.role!r} can never be missing: remove nullable")
        if kind == "side" and column.role in REQUIRED_ROLES + OUTCOME_ROLES:
            problems.append(
                f"{where}: role {column.role!r} is read from source {column.source!r}, a {kind} table; "
                f"allowed: the log ({contract.log.name!r})"
            )
    return problems


def check_references(contract: "Contract") -> list[str]:
    columns = {one.name for one in contract.columns}
    sources = {one.name for one in contract.sources}
    uses = [(f"columns.{one.name}.source", one.source, sources) for one in contract.columns if one.source]
    uses += [(f"sources.{one.name}.join", key, columns) for one in contract.sources for key in one.join]
    uses += [(f"columns.{one.name}.spread.by", key, columns) for one in contract.columns if one.spread
             for key in one.spread.by]  # fmt: skip
    uses += [(f"columns.{one.name}.{key}", name, columns) for one in contract.columns
             for key in ("counted_by", "through", "also_in", "alike_to") if (name := getattr(one, key))]  # fmt: skip
    uses += [("dedupe.key", key, columns) for key in contract.dedupe.key]
    uses += feature_references(contract) + field_references(contract) + weight_references(contract)
    uses += question_references(contract)
    uses += [(f"tasks.{one.name}.label", part.column, columns) for one in contract.tasks for part in one.label]
    uses += [(f"tasks.{one.name}.known_at", one.known_at, columns) for one in contract.tasks if one.known_at]
    uses += [("quality.max_null_share", key, columns) for key in contract.quality.max_null_share]
    uses += [("quality.scenario_min_rows", key, {s.id for s in contract.scenarios})
             for key in contract.quality.scenario_min_rows]  # fmt: skip
    uses += [("split.negative_rate", key, {s.id for s in contract.modelled}) for key in contract.split.negative_rate]
    uses += [("quality.task_rates", key, {t.name for t in contract.tasks}) for key in contract.quality.task_rates]
    uses += [("quality.history.new_shares", key, {one.name for one in contract.id_inputs})
             for key in contract.quality.history.new_shares]  # fmt: skip
    return [
        f"{where}: found {name!r}, allowed: {', '.join(sorted(allowed))}"
        for where, name, allowed in uses
        if name not in allowed
    ]


def check_tasks(contract: "Contract") -> list[str]:
    """The funnel is ordered, and what makes a label is declared an outcome so that it can never be an input."""
    problems = []
    earlier: list[str] = []
    by_name = {column.name: column for column in contract.columns}
    for task in contract.tasks:
        if task.after is not None and task.after not in earlier:
            allowed = ", ".join(earlier) or "none, it is the first task"
            problems.append(f"tasks.{task.name}.after: found {task.after!r}, allowed: an earlier task ({allowed})")
        earlier.append(task.name)
        for part in task.label:
            column = by_name.get(part.column)
            if column is None:
                continue  # reported by check_references
            if column.role not in (OUTCOME_ROLES if part.present else ("outcome",)):
                problems.append(
                    f"tasks.{task.name}.label: column {part.column!r} has role {column.role!r}, allowed: 'outcome', "
                    "or 'known_at' with present = true"
                )
            if not part.fits(column):
                problems.append(
                    f"tasks.{task.name}.label: column {part.column!r} has type {column.type!r}, "
                    "allowed: at_least on numbers, and numbers to compare numbers with"
                )
        known = by_name.get(task.known_at or "")
        if known is not None and known.role != "known_at":
            problems.append(
                f"tasks.{task.name}.known_at: column {known.name!r} has role {known.role!r}, allowed: 'known_at'"
            )
    return problems


def check_late_columns(contract: "Contract") -> list[str]:
    """What comes after the exposure is never an input, and is joined by what the log itself says."""
    problems = [
        f"columns.{column.name}: found role {column.role!r}{' with encode' if column.encode else ''} in source "
        f"{column.source!r}, allowed in a source of outcomes: 'outcome', 'known_at' or 'plain', without encode"
        for column in contract.late_columns
        if column.role not in (*OUTCOME_ROLES, "plain") or column.encode
    ]
    own = {column.name for column in contract.columns_of(contract.log)}
    problems += [
        f"sources.{source.name}.join: found {key!r}, allowed: a column of the log ({contract.log.name!r})"
        for source in contract.outcome_sources
        for key in source.join
        if key not in own
    ]
    return problems


def check_late_tasks(contract: "Contract") -> list[str]:
    """A label is made by the log, or by the rows of one source of outcomes together with the log."""
    problems = []
    by_name = {column.name: contract.source_of(column) for column in contract.columns}
    for task in contract.tasks:
        labelled = {by_name[part.column].name for part in task.label if by_name[part.column].kind == "outcomes"}
        if len(labelled) > 1:
            problems.append(
                f"tasks.{task.name}.label: found columns of {', '.join(sorted(labelled))}, allowed: the log and one "
                "source of outcomes; make a task of each"
            )
        maker = next(iter(sorted(labelled)), contract.log.name)
        if task.known_at and by_name[task.known_at].name != maker:
            problems.append(
                f"tasks.{task.name}.known_at: found {task.known_at!r} of source {by_name[task.known_at].name!r}, "
                f"allowed: a column of {maker!r}, which makes the label"
            )
        earlier = next((one for one in contract.tasks if one.name == task.after), None)
        if task.on_violation == "quarantine" and not labelled and earlier and contract.late_source(earlier):
            problems.append(
                f"tasks.{task.name}.on_violation: found 'quarantine', allowed: 'clip', since {earlier.name!r} comes "
                "later than the row that would be refused without it"
            )
        within = "window" if task.known_at else "matures_after"
        if labelled and not getattr(task, within):
            problems.append(
                f"tasks.{task.name}.{within}: found 0s, allowed: more, since {maker!r} comes after the exposure"
            )
    return problems


def check_sampling(contract: "Contract") -> list[str]:
    """Rows are dropped as negatives of the first task, so no other task may have a positive there."""
    under_first = {contract.tasks[0].name}
    for task in contract.tasks[1:]:
        under_first |= {task.name} if task.after in under_first else set()
    outside = [task.name for task in contract.tasks if task.name not in under_first]
    if not contract.split.negative_rate or not outside:
        return []
    first = contract.tasks[0].name
    return [
        f"split.negative_rate: task {outside[0]!r} does not follow the first task ({first!r}); allowed: where the "
        "after of every other task leads to it"
    ]


def check_modelled(contract: "Contract") -> list[str]:
    return [] if contract.modelled else ["scenarios: found none with modelled = true, allowed: at least one"]


def check_paths(contract: "Contract") -> list[str]:
    """from = "path:country" reads a named group of the source's path_pattern, from = "record:number" the record."""
    reads = [(f"columns.{one.name}.from", contract.source_of(one), one.found_in) for one in contract.columns]
    reads += [(f"sources.{one.name}.join", one, tuple(one.join.values())) for one in contract.sources]
    problems = []
    for key, source, names in reads:
        groups = [f"path:{group}" for group in re.compile(source.path_pattern or "").groupindex]
        allowed = ", ".join(groups) or "none: it names no group, as in '(?P<country>…)'"
        for name in names:
            if name.startswith("path:") and name not in groups:
                problems.append(f"{key}: found {name!r}, allowed by path_pattern of source {source.name!r}: {allowed}")
            if name.startswith("record:") and name != "record:number":
                problems.append(f"{key}: found {name!r}, allowed: 'record:number'")
    return problems


def check_headerless(contract: "Contract") -> list[str]:
    """Of a CSV without a header the contract itself says which columns there are."""
    reads = [
        (f"columns.{one.name}.from", contract.source_of(one), name)
        for one in contract.columns for name in one.found_in if not one.optional
    ]  # fmt: skip
    reads += [(f"sources.{one.name}.join", one, name) for one in contract.sources for name in one.join.values()]
    return [
        f"{key}: found {name!r}, allowed by the names of source {source.name!r}: {', '.join(source.names)}"
        for key, source, name in reads
        if source.format == "csv" and not source.header and not name.startswith(("path:", "record:"))
        and not any(fnmatchcase(one, name) or one == name for one in source.names)
    ]  # fmt: skip


def check_spread(contract: "Contract") -> list[str]:
    """What deals rows to days is known before the exposure, and every day it deals to is one of the contract's."""
    by_name = {column.name: column for column in contract.columns}
    time = by_name[contract.name_of("time")]
    if time.spread is None:
        return []
    problems = [
        f"columns.{time.name}.spread.by: {key!r} has role {by_name[key].role!r}; allowed: a column of the log that is "
        "no outcome and no time"
        for key in time.spread.by
        if by_name[key].role in (*OUTCOME_ROLES, "time") or contract.source_of(by_name[key]).kind != "log"
    ]
    last = contract.first_day + timedelta(days=time.spread.over_days - 1)
    if contract.last_day is not None and last > contract.last_day:
        problems.append(
            f"columns.{time.name}.spread.over_days: found {time.spread.over_days}, allowed: at most the days from "
            f"first_day ({contract.first_day}) to last_day ({contract.last_day})"
        )
    return problems


def check_leaks(contract: "Contract") -> list[str]:
    """The same column of the log cannot be an outcome under one name and an input under another."""
    reads = [(column, contract.source_of(column).name, name) for column in contract.columns for name in column.found_in]
    outcomes = {(source, name): column.name for column, source, name in reads if column.role in OUTCOME_ROLES}
    return [
        f"columns.{column.name}: reads {name!r}, which is the outcome {outcomes[source, name]!r}; "
        "an outcome is never an input"
        for column, source, name in reads
        if column.is_input and (source, name) in outcomes
    ]


def check_dedupe(contract: "Contract") -> list[str]:
    """A key that may be missing, or comes from a side table, would make different exposures look equal."""
    by_name = {column.name: column for column in contract.columns}
    return [
        f"dedupe.key: {key!r} may be missing; allowed: columns of the log with nullable = false"
        for key in contract.dedupe.key
        if key in by_name and (by_name[key].nullable or contract.source_of(by_name[key]).kind != "log")
    ]


FREE_CHECKS = (
    check_unique, check_modelled, check_sources, check_tasks, check_sampling, check_models, check_questions,
)  # fmt: skip
# Every name that these follow exists.
REFERRING_CHECKS = (
    check_paths, check_headerless, check_spread, check_leaks, *FEATURE_CHECKS, check_field_names, check_dedupe,
    check_late_columns, check_late_tasks, check_counted, check_some_weight,
)  # fmt: skip
