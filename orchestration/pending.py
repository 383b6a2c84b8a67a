"""Which models, judgements and snapshots are missing or out of date (days: hinet_core/ingest/pending.py and
hinet_core/features/tables.py). A commit says what it was made from; it is current while these inputs are the same.

Light: the schedule asks from inside Dagster's processes. What needs torch is imported by the functions that need it.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import duckdb

from hinet_core import registry
from hinet_core.contract import Contract
from hinet_core.features import examples, recent, state
from hinet_core.features.history import history_days, source_days, step_hashes, with_gaps
from hinet_core.lake import Lake, connect
from hinet_core.publish.run import POINTER, code_version
from hinet_core.settings import Paths

DAY = timedelta(days=1)
Span = tuple[date, date]


def is_trained(contract: Contract, lake: Lake, paths: Paths, as_of: date, model: str, preset: str, seed: int) -> bool:
    """Whether the model as of the day is the one that its settings, code and examples would give now."""
    from hinet_core.training.run import plan_job

    job = plan_job(contract, lake, as_of, model, preset, seed)
    return lake.made_from(f"train/{model}", as_of, version=job.version) and (paths.models / job.version).is_dir()


def versions_as_of(lake: Lake, as_of: date) -> dict[str, str]:
    """Model -> version, of the models trained as of the day."""
    steps = [step for step in lake.steps() if step.startswith("train/")]
    found = {step.removeprefix("train/"): lake.manifest(step, as_of) for step in steps}
    return {model: manifest.info["version"] for model, manifest in found.items() if manifest is not None}


def is_evaluated(contract: Contract, lake: Lake, as_of: date) -> bool:
    """Whether the metrics as of the day are those of the present models on the present examples."""
    manifest = lake.manifest("evaluation", as_of)
    if manifest is None:
        return False
    used = [date.fromisoformat(day) for day in (*manifest.info["judged_days"], manifest.info["valid_day"])]
    return (
        manifest.info["runs"] == versions_as_of(lake, as_of)
        and manifest.info["examples"] == step_hashes(lake, examples.STEP, used)
        and manifest.info["data_fingerprint"] == contract.data_fingerprint
    )


def is_lifted(contract: Contract, lake: Lake, as_of: date) -> bool:
    """Whether the lift as of the day compares the present models in the present world."""
    from hinet_core.lift.run import inputs_of

    return lake.made_from("lift", as_of, inputs=inputs_of(contract, lake, as_of))


def is_tested(contract: Contract, lake: Lake, as_of: date) -> bool:
    """Whether the simulated test as of the day is one of the present models, in the present world and size."""
    from hinet_core.lift.ab_test.run import STEP, inputs_of

    return lake.made_from(STEP, as_of, inputs=inputs_of(contract, lake, as_of))


def is_estimated(contract: Contract, lake: Lake) -> bool:
    """Whether what the contract asks of its log's propensities is answered from all that is ingested."""
    from hinet_core.lift.off_policy.inputs import is_current

    return is_current(contract, lake)


def is_published(contract: Contract, lake: Lake, paths: Paths, dagster_url: str) -> bool:
    """Whether the snapshot in use was published after the last commit, from this contract and code."""
    pointer = paths.published / POINTER
    if not pointer.exists():
        return False
    commits = [*lake.root.glob("_manifests/**/*"), *lake.root.glob("_blocked/*/*")]
    sources = [*commits, paths.models / registry.POINTER]
    newest = max((one.stat().st_mtime_ns for one in sources if one.exists()), default=0)
    said = published_words(paths)
    now = (contract.full_fingerprint, code_version(), dagster_url or None)
    return newest <= pointer.stat().st_mtime_ns and said == now


def published_words(paths: Paths) -> tuple[Any, ...] | None:
    """Contract, code and address that the snapshot in use was published with; None when it cannot be read."""
    try:
        file = paths.published / json.loads((paths.published / POINTER).read_text())["file"]
        con = connect(file, read_only=True)
    except (OSError, ValueError, KeyError, duckdb.Error):
        return None
    try:
        row = con.execute("SELECT full_fingerprint, code_version, dagster_base_url FROM publish_manifest").fetchone()
    except duckdb.Error:
        return None
    finally:
        con.close()
    return row


def later_days(contract: Contract, committed: Iterable[date], read: Iterable[date]) -> list[list[date]]:
    """Days whose aggregates, running counters and examples are to be computed after some days are read (again).

    Days that are read have all three computed in the same run, so they are named only where that is not enough. Gaps
    have aggregates and running counters: outcomes may become known on them.
    """
    days, there = set(read), set(committed)
    counted, before = with_gaps(contract, there | days), with_gaps(contract, there)
    opened = set(counted).difference(before, days)
    touched = opened.union(day for day in counted if days.intersection(source_days(contract, day)))
    daily = sorted(touched - days)
    moved = {day: set(daily) if day in days else days.union(daily) for day in there | days}
    looks = {day: {*history_days(contract, day), *recent.look_back(contract, day)} for day in moved}
    first = min(days | opened, default=date.max)
    running: list[date] = []
    if state.kept_entities(contract) and any(day > first or day in opened for day in counted if day not in days):
        running = [day for day in counted if day > first or day in opened]
    return [daily, running, [day for day in sorted(moved) if moved[day] & looks[day] or day in running]]


def newest_as_of(contract: Contract, days: Iterable[date]) -> date | None:
    """The latest as_of whose judged days are all there with every label settled, or None.

    With T the day after the newest, that is T-h-m; a gap among the judged days moves it back.
    """
    there = set(days)
    if not there:
        return None
    end_of_data = start_of(contract, max(there) + DAY)
    longest = max(task.matures_after for task in contract.tasks)
    for as_of in sorted(there, reverse=True):
        judged = {as_of + DAY * n for n in range(contract.split.judged_days)}
        # On the clock, not in dates: a day of 23 or 25 hours settles an hour later or earlier.
        if judged <= there and start_of(contract, max(judged) + DAY) + longest <= end_of_data:
            return as_of
    return None


def start_of(contract: Contract, day: date) -> datetime:
    """00:00 of the day in the contract's time zone, in UTC."""
    return datetime.combine(day, time(), contract.zone).astimezone(UTC)


def spans(days: Sequence[date]) -> list[Span]:
    """Runs of consecutive days, first and last: what one range of partitions can ask for."""
    found: list[Span] = []
    for day in sorted(days):
        if found and day == found[-1][1] + DAY:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def next_retrain(contract: Contract, now: datetime) -> datetime:
    """When the schedule is due next, in the contract's time zone."""
    hour, minute = map(int, contract.schedule.retrain_at.split(":"))
    local = now.astimezone(contract.zone)
    due = datetime.combine(local.date(), time(hour, minute), contract.zone)
    return due if due > local else datetime.combine(local.date() + DAY, time(hour, minute), contract.zone)
