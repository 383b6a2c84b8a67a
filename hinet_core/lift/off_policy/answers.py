"""One question to an ingested log, answered: what `hinet off-policy` prints and the step `off_policy` commits."""

from collections.abc import Sequence
from datetime import date

from hinet_core.contract import Contract, Task
from hinet_core.lake import Lake, connect
from hinet_core.lift.off_policy.lake_estimates import Scope, estimates
from hinet_core.lift.off_policy.lake_log import condition, read
from hinet_core.lift.off_policy.lake_targets import choice

NO_ROWS = "the log has no row of this scenario whose outcome is settled"


def answers(
    contract: Contract,
    lake: Lake,
    *,
    target: str,
    baseline: str,
    log: str | None = None,
    truth: str | None = None,
    task: str | None = None,
    days: Sequence[date] | None = None,
    seed: int = 0,
) -> list[Scope]:
    """What `target` is worth and its lift over `baseline`, pooled first, then every modelled scenario.

    `log` and `truth` are conditions COLUMN=VALUE, None for all rows and for no truth.
    """
    chosen = [choice(contract, target), choice(contract, baseline)]
    conditions = {
        "log": condition(contract, log) if log else None,
        "truth": condition(contract, truth) if truth else None,
        "shown_by": chosen[0].shown_by,
        "baseline_shown_by": chosen[1].shown_by,
    }
    columns = list(dict.fromkeys(one.column for one in chosen if one.column))
    counted = task_of(contract, task)
    con = connect()
    try:
        whole = read(con, contract, lake, counted, days=days, conditions=conditions, probabilities=columns)
    finally:
        con.close()
    found = list(estimates(whole, chosen[0], chosen[1], truth is not None, seed)) if len(whole) else []
    there = {one.scenario for one in found}
    return found + [Scope(one.id, None, NO_ROWS, {}, None, 0) for one in contract.modelled if one.id not in there]


def task_of(contract: Contract, name: str | None) -> Task:
    """The task of this name, the funnel's last one for None."""
    tasks = {one.name: one for one in contract.tasks}
    found = contract.tasks[-1] if name is None else tasks.get(name)
    if found is None:
        raise ValueError(f"{contract.name} has no task {name!r}, allowed: {', '.join(tasks)}")
    return found
