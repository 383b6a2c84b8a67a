"""A user's own online test, kept with a contract's tables under a title: rows of arms and scopes, never of users.

A test belongs to no day of the log. Each title is a step of its own with one commit under NO_DAY, so keeping,
replacing and removing a test are each one atomic act of the lake.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hinet_core.lake import NO_DAY, Lake, LakeError, Manifest
from hinet_core.lift.own_test.analyse import Analysis
from hinet_core.lift.own_test.read import OwnTestError
from hinet_core.lift.tables import LIFT, Row

STEP = "own_test"
TESTS, SPLITS = "own_tests", "own_test_splits"
LONGEST_TITLE = 100
# A file whose arms are as many as users has the wrong column called arm, and users are not kept.
MOST_ARMS, MOST_SCENARIOS = 20, 200

OWN_TESTS = pa.schema([("title", pa.string()), ("kept_at", pa.timestamp("us")), ("file", pa.string()), *LIFT])
OWN_TEST_SPLITS = pa.schema(
    [
        ("title", pa.string()), ("scope", pa.string()), ("scenario_id", pa.string()), ("arm", pa.string()),
        ("users", pa.int64()), ("intended_share", pa.float64()), ("light", pa.string()), ("p", pa.float64()),
        ("detectable", pa.float64()), ("reason", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """What became of keeping a test: `before` says when one of this title was kept, None where there was none."""

    title: str
    n_rows: int
    changed: bool
    before: datetime | None


def keep(lake: Lake, title: str, file: Path, found: Analysis) -> Kept:
    """Commit the rows of an analysed FILE under its title; what is there already is left as it is."""
    title = title_of(title)
    require_few(found)
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [{"title": title, "kept_at": now, "file": file.name} | row for row in found.rows]
    splits = list(split_rows(title, found))
    manifest = lake.manifest(step_of(title), NO_DAY)
    old = [] if manifest is None else rows_of(lake, manifest, TESTS)
    before = old[0]["kept_at"] if old else None
    if manifest is not None and (of_any_time(old), rows_of(lake, manifest, SPLITS)) == (of_any_time(rows), splits):
        return Kept(title, len(rows), False, before)
    info = {"title": title, "inputs": {"file": hashlib.sha256(file.read_bytes()).hexdigest()}}
    try:
        with lake.begin(step_of(title), NO_DAY) as draft:
            draft.write_rows(TESTS, rows, OWN_TESTS)
            draft.write_rows(SPLITS, splits, OWN_TEST_SPLITS)
            draft.commit(info)
    except LakeError as error:  # which names the step
        raise LakeError(f"{title!r} is not kept: {error}") from error
    return Kept(title, len(rows), True, before)


def remove(lake: Lake, title: str) -> str:
    """Take a kept test back; OwnTestError names the titles that there are."""
    title = title_of(title)
    if lake.manifest(step_of(title), NO_DAY) is None:
        there = ", ".join(repr(one["title"]) for one in pooled(lake)) or "none"
        raise OwnTestError(f"no test is kept as {title!r}; there are: {there}")
    lake.withdraw(step_of(title), NO_DAY)
    return title


def kept_rows(lake: Lake) -> list[Row]:
    """All rows of all kept tests, by title."""
    steps = [step for step in lake.steps() if step.startswith(f"{STEP}/")]
    manifests = [one for step in steps if (one := lake.manifest(step, NO_DAY)) is not None]
    return [row for one in sorted(manifests, key=lambda one: str(one.info["title"])) for row in
            rows_of(lake, one, TESTS)]  # fmt: skip


def pooled(lake: Lake) -> list[Row]:
    """A row per test and arm: orders per request, pooled."""
    return [row for row in kept_rows(lake) if row["scope"] == "pooled" and row["metric"] == "orders_per_request"]


def step_of(title: str) -> str:
    """A title may hold what no folder's name may."""
    return f"{STEP}/{hashlib.sha256(title.encode()).hexdigest()[:16]}"


def title_of(text: str) -> str:
    """The title in one spelling: composed letters, single spaces."""
    title = " ".join(unicodedata.normalize("NFC", text).split())
    if not title or not title.isprintable() or len(title) > LONGEST_TITLE:
        raise OwnTestError(f"title: found {text!r}, allowed: 1 to {LONGEST_TITLE} printable characters")
    return title


def require_few(found: Analysis) -> None:
    scenarios = {row["scenario_id"] for row in found.rows} - {""}
    for many, most, what in ((found.arms, MOST_ARMS, "arm"), (scenarios, MOST_SCENARIOS, "scenario")):
        if len(many) > most:
            raise OwnTestError(
                f"found {len(many)} {what}s, at most {most} can be kept: is the column {what} one of users? Rows of "
                "single users are never kept"
            )


def split_rows(title: str, found: Analysis) -> Sequence[Row]:
    """A row per arm of every check of the split; users NULL where they are not known."""
    rows = []
    for check in found.checks:
        common: dict[str, Any] = {
            "title": title, "scope": "scenario" if check.scenario else "pooled", "scenario_id": check.scenario,
            "light": None, "p": None, "detectable": None, "reason": check.reason,
        }  # fmt: skip
        if check.found is not None:
            common |= {name: getattr(check.found, name) for name in ("light", "p", "detectable")}
        users = [None] * len(found.arms) if check.found is None else check.found.users
        rows += [
            {name: (common | {"arm": arm, "users": n, "intended_share": share})[name] for name in OWN_TEST_SPLITS.names}
            for arm, n, share in zip(found.arms, users, found.shares, strict=True)
        ]
    return rows


def rows_of(lake: Lake, manifest: Manifest, table: str) -> list[Row]:
    return [row for one in manifest.tables.get(table, []) for row in pq.read_table(lake.root / one.path).to_pylist()]


def of_any_time(rows: Sequence[Row]) -> list[Row]:
    return [row | {"kept_at": None} for row in rows]
