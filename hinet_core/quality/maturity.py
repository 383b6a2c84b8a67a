"""What cannot be judged of a young day: tasks whose outcomes come in files of their own, and what these files say.

Until the day's last exposure has had its time, most outcomes are still to come: rates are near 0 and columns nearly
empty, which is no fault. "Today" is the newest landed day of the log, never a date in an outcome file or a clock.
"""

from datetime import date, timedelta

from hinet_core.contract import Contract, Task, label_column

DAY = timedelta(days=1)


def settled_on(contract: Contract, day: date) -> dict[str, date]:
    """Late columns, and labels made with them, with the day that must have landed before those of `day` are all in."""
    waits = {label_column(task.name): wait for task in contract.tasks if (wait := late_by(contract, task))}
    for column in contract.late_columns:
        makes = [one for one in contract.tasks if contract.late_source(one) == contract.source_of(column)]
        waits[column.name] = max((one.matures_after for one in makes), default=contract.maturity_days * DAY)
    return {name: day + timedelta(days=-(-wait // DAY)) for name, wait in waits.items()}


def late_by(contract: Contract, task: Task) -> timedelta:
    """How long a task, or a task that it follows, waits for files of outcomes; zero where the log says it all."""
    tasks = {one.name: one for one in contract.tasks}
    steps = [task]
    while steps[-1].after is not None:
        steps.append(tasks[steps[-1].after])
    late = any(contract.late_source(one) is not None for one in steps)
    return max(one.matures_after for one in steps) if late else timedelta(0)
