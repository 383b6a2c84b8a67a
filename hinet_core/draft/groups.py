"""Files that belong together become one source: same form and columns; the log among them, and what its paths tell."""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from os.path import commonprefix
from pathlib import Path

import duckdb
import pyarrow as pa

from hinet_core.draft.columns import Guess, guess, null_spellings
from hinet_core.draft.epochs import without_false_epochs
from hinet_core.draft.sample import Sample
from hinet_core.lake import quote_identifier

ALIKE = 0.4  # files whose columns contain each other and share this much are one table
PARTS = re.compile(r"[^A-Za-z0-9]+")
TELLS_A_DAY = re.compile(r"\d+")
# A number or a date that a common beginning ends in, an end begins with, and folders that are named so.
NUMBER_BEFORE, NUMBER_AFTER = re.compile(r"\d[\d._-]*$"), re.compile(r"^[_-]?\d[\d_-]*")
DATED_FOLDERS = re.compile(r"(?:(?<=/)|^)(?:[\d_-]+/)+$")


@dataclass
class Group:
    """The files of one source, their sampled rows in a DuckDB table, and what each column looks like."""

    samples: list[Sample]
    table: str
    columns: dict[str, str]  # in every file, with their DuckDB types
    only_in_some: list[str]
    null_values: list[str] = field(default_factory=list)
    guesses: list[Guess] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)  # columns of a kind that a contract cannot name

    @property
    def paths(self) -> list[str]:
        return [one.relative for one in self.samples]

    @property
    def rows(self) -> int:
        return sum(len(one.rows) for one in self.samples)

    @property
    def rows_in_files(self) -> int:
        return sum(one.rows_in_file for one in self.samples)

    @property
    def whole(self) -> bool:
        """Whether every row was looked at."""
        return all(one.whole for one in self.samples)


def groups_of(con: duckdb.DuckDBPyConnection, samples: Sequence[Sample]) -> list[Group]:
    """Samples put together, each group as a table with every column guessed."""
    found: list[list[Sample]] = []
    for one in samples:
        home = next((group for group in found if alike(group[0], one)), None)
        if home is None:
            found.append([one])
        else:
            home.append(one)
    return [_looked_at(con, group, f"group_{number}") for number, group in enumerate(found)]


def alike(left: Sample, right: Sample) -> bool:
    """One table in two files: the same form, and the same columns or a part of them (as wide as a campaign is)."""
    # Text without a special letter is of every encoding.
    if left.form != right.form or (left.encoding != right.encoding and "ascii" not in (left.encoding, right.encoding)):
        return False
    mine, theirs = set(left.columns), set(right.columns)
    return (mine <= theirs or theirs <= mine) and len(mine & theirs) >= ALIKE * len(mine | theirs)


def _looked_at(con: duckdb.DuckDBPyConnection, samples: list[Sample], table: str) -> Group:
    everywhere = [name for name in samples[0].columns if all(name in one.columns for one in samples)]
    some = [name for one in samples for name in one.columns if name not in everywhere]
    kinds = {name: samples[0].columns[name] for name in everywhere}
    parts = [
        one.rows.select([f"raw.{name}" for name in everywhere]).append_column("path", _path_column(one))
        for one in samples
    ]
    rows = pa.concat_tables(_of_one_zone(parts), promote_options="permissive")
    con.register("arrived", rows)
    con.execute(f"CREATE TEMP TABLE {quote_identifier(table)} AS SELECT * FROM arrived").fetchall()
    con.unregister("arrived")
    found = Group(samples, table, kinds, list(dict.fromkeys(some)))
    texts = [name for name, kind in kinds.items() if kind == "VARCHAR" and samples[0].format != "parquet"]
    found.null_values = null_spellings(con, table, texts)
    for name, kind in kinds.items():
        seen = guess(con, table, name, kind, found.null_values)
        if seen is None:
            found.unread.append(name)
        else:
            found.guesses.append(seen)
    found.guesses = without_false_epochs(found.guesses)
    return found


def _of_one_zone(parts: list[pa.Table]) -> list[pa.Table]:
    """Moments in UTC: Arrow puts no two zones into one column."""
    utc = pa.timestamp("us", "UTC")
    return [
        part.cast(pa.schema([(one.name, utc if getattr(one.type, "tz", None) else one.type) for one in part.schema]))
        for part in parts
    ]


def _path_column(one: Sample) -> pa.Array:
    return pa.array([one.relative] * len(one.rows), pa.string())


@dataclass(frozen=True)
class PathPart:
    """A piece of the paths that differs between the files: its name, its values, and a pattern that finds it."""

    name: str
    values: tuple[str, ...]


def pattern_for(paths: Sequence[str], others: Sequence[str]) -> tuple[str, list[str]]:
    """A `files` pattern that matches all these paths, and which of the others it cannot help matching.

    It does not end inside a number or a date, so that it matches the files of other days too; unless it would then
    match more of the others.
    """
    if len(paths) == 1:
        return escaped(paths[0]), []
    start = commonprefix(list(paths))  # noqa: RUF071 - letter by letter is what is asked
    end = commonprefix([path[len(start) :][::-1] for path in paths])[::-1]  # noqa: RUF071
    if any("/" in path[len(start) : len(path) - len(end)] for path in paths):
        start, end = start[: start.rfind("/") + 1], Path(paths[0]).suffix
        candidates = [f"{escaped(one)}**/*{end}" for one in (DATED_FOLDERS.sub("", start), start)]
    else:
        ends = NUMBER_BEFORE.sub("", start), NUMBER_AFTER.sub("", end)
        above = DATED_FOLDERS.sub("", ends[0])
        candidates = [f"{escaped(above)}**{escaped(end)}"] if above != ends[0] and end.startswith("/") else []
        candidates += [*_candidates(paths, *ends), *_candidates(paths, start, end)]
    caught = [[one for one in others if fnmatch.fnmatch(one, each.replace("**/", ""))] for each in candidates]
    return min(zip(candidates, caught, strict=True), key=lambda pair: len(pair[1]))


def _candidates(paths: Sequence[str], start: str, end: str) -> list[str]:
    """Anything between the two, and if no path has nothing there, anything that begins as theirs do."""
    middles = [path[len(start) : len(path) - len(end)] for path in paths]
    firsts = "".join(sorted({one[0] for one in middles if one}))
    begun = [f"{escaped(start)}[{firsts}]*{escaped(end)}"] if all(middles) and firsts.isalnum() else []
    return [f"{escaped(start)}*{escaped(end)}", *begun]


def escaped(path: str) -> str:
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def path_parts(paths: Sequence[str]) -> tuple[list[PathPart], str]:
    """The pieces of like-built paths that differ and are no dates or numbers, and a regular expression naming them."""
    pieces = [PARTS.split(path) for path in paths]
    gaps = {tuple(PARTS.findall(path)) for path in paths}
    if len(paths) < 2 or len(gaps) > 1:
        return [], ""
    parts: list[PathPart] = []
    pattern, marks = "", [*next(iter(gaps)), ""]
    for place, mark in enumerate(marks):
        values = [one[place] for one in pieces]
        if len(set(values)) == 1:
            pattern += re.escape(values[0])
        elif any(map(TELLS_A_DAY.fullmatch, values)) or len(set(values)) > 50:
            pattern += "[A-Za-z0-9]+"
        else:
            before = pieces[0][place - 1] if place and marks[place - 1] == "=" else ""
            name = f"path_{before or len(parts) + 1}"
            parts.append(PathPart(name, tuple(sorted(set(values)))))
            pattern += f"(?P<{name}>[A-Za-z0-9]+)"
        pattern += re.escape(mark)
    return parts, pattern if parts else ""
