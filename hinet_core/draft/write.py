"""A plan as the text of a contract: what is certain as keys, what is not as a comment beside them."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hinet_core.draft.groups import Group, pattern_for
from hinet_core.draft.plan import UNSURE, Days, Drafted, Plan, Task
from hinet_core.draft.scenarios import about
from hinet_core.draft.sides import Side

WIDTH = 120
CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # TOML has no such sign in a comment
PARTLY_READ = timedelta(days=31)  # a file that was not looked at whole may begin earlier than its sample
WINDOWS = (1, 7, 30)
VALUES_SHOWN = 8
HOW = {"outcome": ": give a column the role 'outcome', or add the files that say what happened, and a [[tasks]] with "
                  "its name as `label`"}  # fmt: skip


def written(
    name: str, folder: Path, plan: Plan, log: Group, sides: Sequence[Side], days: tuple[date, date] | None, split: Days
) -> str:
    """The whole text. `days`: the first and last day seen, None when the log has no times."""
    groups = [log, *(side.group for side in sides)]
    parts = [
        _head(name, folder, plan, log, days),
        _dedupe(plan),
        _source("log", "log", log, groups, plan.path_pattern),
        *(_side(side, groups) for side in sides),
        *(_column(one, plan.one("user")) for one in plan.columns),
        *_left_out(log),
        *_scenarios(plan),
        *(_task(one) for one in plan.tasks),
        _features(plan, days),
        _quality(plan),
        table("[split]", {"train_days": split.train, "judged_days": split.judged}, split.why),
    ]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }"
    return str(value)


def comments(lines: Iterable[str]) -> list[str]:
    """Each as one or more lines that begin with #."""
    found = []
    for line in lines:
        words = CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", " ".join(line.split())).split(" ")
        current = "#"
        for word in words:
            if len(current) + 1 + len(word) > WIDTH and current != "#":
                found.append(current)
                current = "#  "
            current += f" {word}"
        found.append(current)
    return found


def table(header: str, keys: dict[str, Any], why: Iterable[str] = (), live: bool = True) -> str:
    """Comments, the header and its keys; as one comment when it is not live."""
    lines = [header, *(f"{key} = {toml(value)}" for key, value in keys.items())]
    return "\n".join([*comments(why), *(lines if live else (f"# {line}" for line in lines))])


def _head(name: str, folder: Path, plan: Plan, log: Group, days: tuple[date, date] | None) -> str:
    seen = "all" if log.whole else f"of about {log.rows_in_files:,}: from the beginning, the end and places between"
    lines = [
        f"Drafted by `hinet contract draft` from {len(log.paths)} file{'s' * (len(log.paths) > 1)} of {folder.name}/; "
        f"{log.rows:,} rows looked at ({seen}).",
        f"Lines marked {UNSURE.strip()} are guesses: read them, then run `hinet contract check` on this file.",
        *plan.notes,
        *(f"MISSING: no column can be the {role}; without one this is no contract yet{HOW.get(role, '')}"
          for role in plan.missing),
    ]
    keys: dict[str, Any] = {"name": name, "title": name}
    text = [*comments(lines), "", *(f"{key} = {toml(value)}" for key, value in keys.items())]
    text += comments([f"{UNSURE}a day is a calendar day of this zone; give the zone in which the users live"])
    text += ['time_zone = "UTC"', *_days(log, days)]
    return "\n".join(text)


def _days(log: Group, days: tuple[date, date] | None) -> list[str]:
    if days is None:
        return [*comments(["no times: a week from any day"]), "first_day = 2026-01-01", "last_day = 2026-01-07"]
    if log.whole:
        why = "rows after the last day are quarantined; without its line the log goes on"
        return [f"first_day = {days[0]}", *comments([why]), f"last_day = {days[1]}"]
    first = days[0] - PARTLY_READ
    why = f"the rows looked at are of {days[0]} to {days[1]}; {PARTLY_READ.days} days earlier, since not all were"
    return [*comments([why]), f"first_day = {first}"]


def _dedupe(plan: Plan) -> str:
    return table("[dedupe]", {"key": plan.dedupe}, plan.dedupe_why)


def _source(name: str, kind: str, group: Group, groups: Sequence[Group], path_pattern: str = "", **more: Any) -> str:
    others = [path for one in groups if one is not group for path in one.paths]
    pattern, caught = pattern_for(group.paths, others)
    first = group.samples[0]
    told = f"{UNSURE}this pattern also matches {', '.join(caught[:3])}: move them to a folder of their own"
    why = [told] if caught else []
    keys: dict[str, Any] = {"name": name, "kind": kind, "files": pattern, "format": first.format}
    if first.dialect is not None:
        one = first.dialect
        keys |= {"delimiter": one.delimiter, "quote": one.quote, "header": one.header}
        keys |= {} if one.header else {"names": list(one.names)}
    encodings = {one.encoding for one in group.samples} - {"ascii"}
    if encodings and first.format != "parquet":
        keys["encoding"] = sorted(encodings)[0]
        why += _about_encoding(keys["encoding"], group)
    defaults = {"kind": "log", "delimiter": ",", "quote": '"', "header": True, "encoding": "utf-8"}
    keys = {key: value for key, value in keys.items() if defaults.get(key) != value}
    if group.null_values:
        keys["null_values"] = ["", *group.null_values]
    if path_pattern:
        keys["path_pattern"] = path_pattern
    return table("[[sources]]", keys | more, why)


def _about_encoding(encoding: str, group: Group) -> list[str]:
    damaged = sum(one.no_text for one in group.samples)
    told = [f"{damaged} lines looked at have bytes that are no letters in it: they are quarantined"] * (damaged > 0)
    if not encoding.startswith("utf"):
        told.insert(0, "its letters look like those of this encoding; see whether the texts below are right")
    return [f"{UNSURE}{encoding}: {'; '.join(told)}"] if told else []


def _side(side: Side, groups: Sequence[Group]) -> str:
    if not side.join:
        return "\n".join(comments([f"{', '.join(side.group.paths[:5])}: left out; {'; '.join(side.why)}"]))
    text = _source(side.name, side.kind, side.group, groups, join=side.join)
    return "\n".join([*comments(side.why), text])


def _column(one: Drafted, user: Drafted | None) -> str:
    keys: dict[str, Any] = {"name": one.name, "type": one.type}
    if one.role != "plain":
        keys["role"] = one.role
    if one.source is not None:
        keys["source"] = one.source
    if one.reads and one.reads != [one.name]:
        keys["from"] = one.reads[0] if len(one.reads) == 1 else one.reads
    keys |= {key: value for key, value in one.keys.items() if key != "type"}
    if one.role == "time" and not one.reads and user is not None:
        keys["spread"] = {"over_days": 7, "by": [user.name]}
    if one.nullable:
        keys["nullable"] = True
    values = _values(one)
    if values:
        keys["values"] = values
    if one.encode:
        keys["encode"] = one.encode
    return table("[[columns]]", keys, [*_facts(one), *one.why])


def _values(one: Drafted) -> list[Any]:
    binary = one.guess is not None and one.role == "outcome" and one.guess.is_binary and one.guess.is_number
    return one.values or ([0, 1] if binary else [])


def _facts(one: Drafted) -> list[str]:
    """One line of figures about a column of the file."""
    seen = one.guess
    if seen is None:
        return []
    told = [f"{seen.distinct:,} different values" if seen.distinct != 1 else "one value"]
    if seen.missing:
        told.append(f"{100 * seen.missing_share:.3g} % missing")
    if seen.low is not None and one.role != "time":
        told.append(f"{seen.low} … {seen.high}")
    elif seen.low is not None and seen.type == "timestamp":
        told.append(f"{seen.low:%Y-%m-%d %H:%M} … {seen.high:%Y-%m-%d %H:%M}")
    if seen.items is not None:
        different, fewest, most = seen.items
        told.append(f"{different:,} different items, {fewest} to {most} of them a value")
    if seen.top and (seen.type == "string" or seen.items is not None):
        shown = [text if len(text) <= 30 else text[:29] + "…" for text, _ in seen.top[:VALUES_SHOWN]]
        told.append(("" if (seen.items or [seen.distinct])[0] <= VALUES_SHOWN else "most frequent ") + ", ".join(shown))
    return ["; ".join(told)]


def _left_out(log: Group) -> list[str]:
    lines = []
    if log.unread:
        lines.append(f"left out, since a contract has no type for them: {', '.join(log.unread)}")
    if log.only_in_some:
        some = ", ".join(log.only_in_some[:10]) + (", …" if len(log.only_in_some) > 10 else "")
        lines.append(f"left out, since only some files have them (optional = true reads them all the same): {some}")
    return ["\n".join(comments(lines))] if lines else []


def _scenarios(plan: Plan) -> list[str]:
    total = sum(one.rows for one in plan.scenarios)
    return [
        table(
            "[[scenarios]]",
            {"id": one.value} | ({} if one.modelled else {"modelled": False}),
            [about(one, total)],
        )
        for one in plan.scenarios
    ]


def _task(one: Task) -> str:
    condition = {"column": one.label["column"]} | {key: value for key, value in one.label.items() if key != "column"}
    keys: dict[str, Any] = {"name": one.name, "label": one.label["column"] if len(condition) == 1 else condition}
    if one.after:
        keys["after"] = one.after
    if one.known_at:
        keys |= {"known_at": one.known_at, "window": one.window, "matures_after": one.window}
    elif one.matures_after:
        keys["matures_after"] = one.matures_after
    return table("[[tasks]]", keys, one.why, live=one.live)


def _features(plan: Plan, days: tuple[date, date] | None) -> str:
    span = (days[1] - days[0]).days + 1 if days else 1
    windows = [one for one in WINDOWS if one < span] or [1]
    keyed = {role: plan.one(role) for role in ("user", "item")}
    entities = {role: [one.name] for role, one in keyed.items() if one is not None and one.reads != ["record:number"]}
    entities |= {"scenario": ["scenario_id"]}
    if "item" in entities and len(plan.scenarios) > 1:
        entities["item_scenario"] = [entities["item"][0], "scenario_id"]
    parts = [table("[features]", {"windows_days": windows}, ["windows longer than the log would stay half empty"])]
    parts += [table("[[features.entities]]", {"name": name, "keys": keys}) for name, keys in entities.items()]
    return "\n\n".join(parts)


def _quality(plan: Plan) -> str:
    if not plan.quality:
        return ""
    return table("[quality]", plan.quality, ["bounds around what was seen; what crosses them keeps a day out"])
