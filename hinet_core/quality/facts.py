"""The measured number behind every rule over facts: from the day's profile, the table's types, ingest's counts and
the days before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from statistics import median

from hinet_core.contract import Contract
from hinet_core.quality.history import History
from hinet_core.quality.profile import Profile
from hinet_core.quality.rule import Rule
from hinet_core.quality.shares import nearest, newcombe, poisson, ratio, wilson

COUNTS = ("rows_read", "rows_kept", "rows_duplicate", "rows_quarantined", "unknown_scenario")
PER_READ = {
    "quarantined_share": "rows_quarantined",
    "duplicate_share": "rows_duplicate",
    "unknown_scenario_share": "unknown_scenario",
}
SHARES = {
    "null_share": "missing",
    "task_rate": "positives",
    "scenario_duplicates": "duplicates",
    "stray_scenario": "rows",
}
# What says little of a column or label before its outcomes are in.
OF_OUTCOMES = ("null_share", "task_rate", "null_change", "rate_change")
# New values that a note names.
NAMED_VALUES = 5


@dataclass(frozen=True)
class Fact:
    """A measured number (or type name): `judged` is what the expectation sees, None when there is nothing to judge;
    `observed` is what is reported, `n` the rows behind it, `note` what a person should know about it."""

    judged: float | str | None
    observed: float | None
    n: int
    note: str = ""


@dataclass(frozen=True)
class Measured:
    """All that is known of a day when its facts are judged; `unsettled`: columns and labels whose outcomes are not in
    yet, with the day that must land before they are."""

    contract: Contract
    types: Mapping[str, str]
    profile: Profile
    counts: Mapping[str, int]
    history: History
    unsettled: Mapping[str, date] = field(default_factory=dict)


def measure(rules: list[Rule], day: Measured) -> dict[str, Fact]:
    """The fact behind every rule over facts, by `Rule.fact`."""
    return {rule.fact: measure_one(rule, day) for rule in rules if rule.on == "facts"}


def measure_one(rule: Rule, day: Measured) -> Fact:
    n_rows = day.profile.n_rows
    if rule.kind == "column_type":
        return Fact(day.types.get(rule.column, "no such column"), None, n_rows)
    if rule.kind == "min_rows":
        return Fact(n_rows or None, n_rows, n_rows)  # an empty day is the business of not_empty
    if rule.kind == "reconciled":
        lost = unaccounted(day.counts, n_rows)
        return Fact(lost, lost, day.counts["rows_read"])
    if rule.kind in PER_READ:
        return exact_share(day.counts.get(PER_READ[rule.kind], 0), day.counts["rows_read"])
    if rule.kind in ("scenario_volume", "scenario_seen"):
        rows, _ = day.profile.cell(rule.scenario_id, "rows") or (0, 0)
        return Fact(rows if n_rows else None, rows, n_rows)
    if rule.kind in OF_OUTCOMES and rule.column in day.unsettled:
        rows, _ = day.profile.cell(rule.scenario_id, "rows") or (0, 0)
        return Fact(None, None, rows, f"not mature yet: judged once {day.unsettled[rule.column]} has landed")
    if rule.kind in SHARES:
        return uncertain_share(rule, day.profile.cell(rule.scenario_id, SHARES[rule.kind], rule.column))
    return COMPARISONS[rule.kind](rule, day)


def unaccounted(counts: Mapping[str, int], n_rows: int) -> int:
    """Rows that were read and are neither kept, duplicate nor quarantined, or kept and not written."""
    unread = counts["rows_read"] - counts["rows_kept"] - counts["rows_duplicate"] - counts["rows_quarantined"]
    return abs(unread) + abs(counts["rows_kept"] - n_rows)


def check_counts(counts: Mapping[str, int]) -> None:
    """`ValueError` unless ingest handed over the counts that the suite needs."""
    missing = [name for name in COUNTS[:4] if name not in counts]
    if missing:
        raise ValueError(
            f"counts of the day: expected {', '.join(COUNTS)}, found {', '.join(counts) or 'none'}; "
            f"hand over {', '.join(missing)} as ingest counted them"
        )


def exact_share(part: int, whole: int) -> Fact:
    share = part / whole if whole else None
    return Fact(share, share, whole)


def uncertain_share(rule: Rule, cell: tuple[int, int] | None) -> Fact:
    """A share judged by the point of its interval nearest to the rule's band; nothing to judge without rows."""
    part, whole = cell or (0, 0)
    if not whole:
        return Fact(None, None, whole)
    return Fact(nearest(part / whole, wilson(part, whole), rule.low, rule.high), part / whole, whole)


def volume_change(rule: Rule, day: Measured) -> Fact:
    """Rows as a multiple of the median of the same weekday in the weeks before."""
    rows, _ = day.profile.cell(rule.scenario_id, "rows") or (0, 0)
    before, bounds = day.history.weekday_rows.get(rule.scenario_id, []), day.contract.quality.history
    if not day.profile.n_rows:
        return Fact(None, None, 0)
    if len(before) < bounds.min_weeks:
        return unjudged(rows, len(before), bounds.min_weeks, "days of the same weekday")
    usual = median(before)
    if not usual:
        return Fact(None, None, rows, f"not judged: no rows on {len(before)} such days before")
    low, high = poisson(rows)
    judged = nearest(rows / usual, (low / usual, high / usual), rule.low, rule.high)
    return Fact(judged, rows / usual, rows, f"median {usual:g} rows of {len(before)} days")


def null_change(rule: Rule, day: Measured) -> Fact:
    """Difference between the share of missing values and that of the days before."""
    part, whole = day.profile.cell(rule.scenario_id, "missing", rule.column) or (0, 0)
    past = day.history.shares.get((rule.scenario_id, "missing", rule.column))
    least = day.contract.quality.history.min_days
    if not whole:
        return Fact(None, None, 0)
    if past is None or past.days < least or not past.whole:
        return unjudged(whole, past.days if past else 0, least)
    now, before = part / whole, past.part / past.whole
    judged = nearest(now - before, newcombe(part, whole, past.part, past.whole), rule.low, rule.high)
    return Fact(judged, now - before, whole, f"{now:.3g} now, {before:.3g} in {past.days} days before")


def rate_change(rule: Rule, day: Measured) -> Fact:
    """A task's rate as a multiple of that of the days before."""
    part, whole = day.profile.cell(rule.scenario_id, "positives", rule.column) or (0, 0)
    past = day.history.shares.get((rule.scenario_id, "positives", rule.column))
    least = day.contract.quality.history.min_days
    if not whole:
        return Fact(None, None, 0)
    if past is None or past.days < least or not past.whole:
        return unjudged(whole, past.days if past else 0, least)
    now, before = part / whole, past.part / past.whole
    note = f"{now:.3g} now, {before:.3g} in {past.days} days before"
    interval = ratio(part, whole, past.part, past.whole)
    if not before:
        return Fact(nearest(1.0 if not now else interval[0], interval, rule.low, rule.high), None, whole, note)
    return Fact(nearest(now / before, interval, rule.low, rule.high), now / before, whole, note)


def new_share(rule: Rule, day: Measured) -> Fact:
    """Share of the scenario's rows whose value none of the days before had."""
    listed = day.profile.categories.get(rule.column)
    days, least = day.history.listed_days.get(rule.column, 0), day.contract.quality.history.min_days
    if listed is None:
        return Fact(None, None, 0, "not judged: too many values a day; name the column in quality.history.new_shares")
    rows = {value: count for (scenario, value), count in listed.items() if scenario == rule.scenario_id}
    whole = sum(rows.values())
    if not whole:
        return Fact(None, None, 0)
    if days < least:
        return unjudged(whole, days, least)
    seen = day.history.seen.get(rule.column, frozenset())
    unseen = sorted(((count, value) for value, count in rows.items() if value not in seen), reverse=True)
    part = sum(count for count, _ in unseen)
    named = ", ".join(f"{value!r} ({count} rows)" for count, value in unseen[:NAMED_VALUES])
    note = f"{len(unseen)} new values in {days} days: {named}" if unseen else ""
    return Fact(nearest(part / whole, wilson(part, whole), rule.low, rule.high), part / whole, whole, note)


def unjudged(n: int, found: int, least: int, what: str = "days of history") -> Fact:
    return Fact(None, None, n, f"not judged: only {found} {what}, {least} are needed")


COMPARISONS = {
    "volume_change": volume_change,
    "null_change": null_change,
    "rate_change": rate_change,
    "new_share": new_share,
}
