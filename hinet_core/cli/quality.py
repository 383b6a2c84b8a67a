"""`hinet leaks` and `hinet drift`: which inputs know the answer, and what moved."""

import click

from hinet_core.cli.group import DaySpan, contract_option, days_option, main, one_sentence, places
from hinet_core.cli.output import show, write_csv
from hinet_core.lake import LakeError, connect

INPUTS_SHOWN = 10
DRIFTS_SHOWN = 20


@main.command()
@contract_option
def leaks(name: str) -> None:
    """Warn of inputs that alone predict a label too well, or bear the name of an outcome.

    Looks at the newest settled days and lists, per task, the inputs that tell most by themselves. The bound is
    quality.leaks.max_auc of the contract; a warning stops nothing.
    """
    from hinet_core.quality.leaks import leaks as find_leaks

    with one_sentence():
        contract, _, lake = places(name)
        con = connect()
        try:
            found = find_leaks(con, contract, lake)
        finally:
            con.close()
        if not found:
            raise LakeError(f"{contract.name}: no day is ingested yet; run `hinet ingest --contract {name}` first")
    for task in contract.tasks:
        told = [one for one in found if one.check_name.endswith(f" for {task.name}") and one.observed is not None]
        told.sort(key=lambda one: -(one.observed or 0.0))
        show(
            [f"inputs that tell {task.name}", "AUC alone", "rows", "note"],
            [[one.column_name, f"{one.observed:.3f}", one.n_rows, one.note] for one in told[:INPUTS_SHOWN]],
        )
    for one in found:
        if one.status == "fail":
            click.echo(f"warning: {one.sentence}", err=True)


@main.command()
@contract_option
@days_option
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated on stdout, all rows.")
def drift(name: str, days: DaySpan | None, as_csv: bool) -> None:
    """Compare days with the days before and with the champion's training days, and list what moved most.

    Computes the days that are new or whose rows, champion or bounds changed, then shows the newest (or those asked
    for): the largest PSI per feature and scenario, and the largest change of a task's rate. A warning stops nothing.
    """
    from hinet_core import registry
    from hinet_core.quality.drift import METRICS, pending_days, write_drift_range

    with one_sentence():
        contract, paths, lake = places(name)
        ingested = lake.days("ingest")
        if not ingested:
            raise LakeError(f"{contract.name}: no day is ingested yet; run `hinet ingest --contract {name}` first")
        champion = registry.champion_reference(paths.models)
        shown = ingested[-1:] if days is None else [day for day in ingested if day in days]
        con = connect()
        try:
            write_drift_range(con, contract, lake, pending_days(contract, lake, champion), champion)
            lake.rebuild_catalog(paths.catalog)
            found = lake.scan(con, "drift", shown)
            columns, rows = found.columns, found.order("day, reference, scenario_id, feature, metric").fetchall()
        finally:
            con.close()
    if as_csv:
        write_csv(columns, rows)
        return
    told = [dict(zip(columns, row, strict=True)) for row in rows]
    for metric in METRICS[:2]:
        strongest = sorted((one for one in told if one["metric"] == metric and one["value"] is not None),
                           key=lambda one: -abs(one["value"]))  # fmt: skip
        show(
            ["day", "against", "scenario", "feature", metric, "rows", "before", "verdict", "note"],
            [
                [one["day"], one["reference"], one["scenario_id"] or "(mix)", one["feature"], f"{one['value']:.3f}",
                 one["n"], one["n_reference"], one["status"], one["note"]]
                for one in strongest[:DRIFTS_SHOWN]
            ],
        )  # fmt: skip
