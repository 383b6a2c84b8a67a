"""The days that a model is trained, validated and judged on, so chosen that they fit into the log's own."""

from datetime import date, timedelta

from hinet_core.draft.leaks import as_duration
from hinet_core.draft.plan import UNSURE, Days, Plan

DEALT_TO_DAYS = 7  # a log without times
MOST_TRAIN_DAYS = 30
DAY = timedelta(days=1)


def fit_days(plan: Plan, seen: tuple[date, date] | None) -> Days:
    """Days to train on and to judge, and why; a window of a task that leaves no day for them is shortened."""
    n_days = (seen[1] - seen[0]).days + 1 if seen else DEALT_TO_DAYS
    _shorten_windows(plan, n_days)
    settled = days_until_settled(plan)
    free = n_days - 1 - 2 * settled  # one day validates; validated and judged days have to be settled
    if free < 2:
        plan.notes.append(f"{UNSURE}{_too_short(n_days, settled)}")
        return Days(1, 1, ["too few days for these yet: see the top"])
    judged = 2 if free >= 5 else 1
    train = min(MOST_TRAIN_DAYS, free - judged)
    parts = [f"{train} to train on", "1 to validate", f"{judged} to judge"]
    if settled:
        parts = [*parts[:2], f"{settled} until their labels are settled", parts[2], f"{settled} more"]
    example = f"; e.g. `hinet train --as-of {seen[1] + DAY * (1 - judged - settled)}`" if seen else ""
    return Days(train, judged, [f"{train + 1 + judged + 2 * settled} of {n_days} days: {', '.join(parts)}{example}"])


def days_until_settled(plan: Plan) -> int:
    """Whole days until every task of a day has its last label."""
    waits = [one.window if one.known_at else one.matures_after for one in plan.tasks if one.live]
    return max((in_days(one) for one in waits if one), default=0)


def in_days(duration: str) -> int:
    """'48h' and '2d' are 2 days, '1h' is a part of 1."""
    hours = int(duration[:-1]) * (24 if duration.endswith("d") else 1)
    return -(-hours // 24)


def _shorten_windows(plan: Plan, n_days: int) -> None:
    most = (n_days - 3) // 2
    for task in plan.tasks:
        if not task.live or task.window is None or in_days(task.window) <= most or most < 1:
            continue
        longer, needed = task.window, 2 * in_days(task.window) + 3
        task.window = as_duration(DAY * most)
        late = sum(count for days, count in task.delays.items() if days > most)
        task.why = [one.split("; later than")[0] for one in task.why]
        task.why.append(
            f"{UNSURE}{n_days} days have no room for a window of {longer}, which needs {needed}; within {task.window}, "
            f"{late} of {sum(task.delays.values())} outcomes looked at come too late and will not count"
        )


def _too_short(n_days: int, settled: int) -> str:
    least = 2 * settled + 3
    told = "1 to train on, 1 to validate, 1 to judge"
    told += f", and twice {settled} until labels are settled" if settled else ""
    return (
        f"a log of {n_days} day{'s' * (n_days > 1)} is too short to train and judge a model: the least is {least} days "
        f"({told}); `hinet train` alone needs {settled + 2}"
    )
