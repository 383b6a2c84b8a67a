"""`hinet explain`: what a trained version relies on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.cli.output import show

if TYPE_CHECKING:
    from hinet_core.evaluation.gates import Finding


@main.command()
@contract_option
@click.option(
    "--fields", "n_fields", default=10, show_default=True, help="How many of the most important fields to print."
)
@click.argument("version")
def explain(name: str, n_fields: int, version: str) -> None:
    """Show what VERSION (or `champion`) relies on: fields, and for HiNet what scenarios take from each other."""
    from hinet_core import registry
    from hinet_core.evaluation.explain import explain as explained
    from hinet_core.evaluation.gates import without_a_say

    with one_sentence():
        contract, paths, lake = places(name)
        version = registry.folder_of(paths.models, version).name
        found = explained(contract, lake, paths.models, version)
        lake.rebuild_catalog(paths.catalog)
    san(found, [scenario.id for scenario in contract.modelled])
    gates(found)
    silent = [f"{one.part} {one.name} of {one.scenario_id} {one.task}".rstrip() for one in without_a_say(found)]
    if any(one.part == "cgc" for one in found):
        click.echo("Experts without a say: " + ("; ".join(silent) or "none"))
    fields(found, n_fields)
    click.echo("Everything is in the table `explanations`.")


def san(found: "Sequence[Finding]", scenarios: Sequence[str]) -> None:
    weight = {(one.scenario_id, one.name): one.value for one in found if (one.part, one.metric) == ("san", "weight")}
    if weight:
        click.echo("What each scenario takes from the experts of the others (SAN):")
        show(["scenario", *scenarios], [[one, *(shown(weight.get((one, j))) for j in scenarios)] for one in scenarios])
    for one in found:
        if one.metric == "rank_correlation":
            click.echo(f"Rank correlation with the true similarity of the scenarios: {shown(one.value)} ({one.reason})")


def gates(found: "Sequence[Finding]") -> None:
    """Of the CGC, where the tasks choose; SEI gates are in the table."""
    rows = [one for one in found if (one.part, one.metric) == ("cgc", "share")]
    if rows:
        click.echo("Shares of the experts in each task (CGC gates):")
        names = list(dict.fromkeys(one.name for one in rows))
        places_of = dict.fromkeys((one.scenario_id, one.task) for one in rows)
        cells = {(one.scenario_id, one.task, one.name): with_interval(one) for one in rows}
        show(["scenario", "task", *names], [[*at, *(cells[*at, expert] for expert in names)] for at in places_of])


def fields(found: "Sequence[Finding]", n_fields: int) -> None:
    """The fields whose shuffling costs most AUC inside the scenarios, the mean over them, first."""
    macro = [one for one in found if (one.part, one.scenario_id) == ("importance", "macro")]
    ranked = sorted(macro, key=lambda one: (one.task, -(one.value or 0.0)))
    n = max((one.n for one in macro), default=0)
    click.echo(f"AUC lost where a field is shuffled among a scenario's rows, mean over scenarios, {n:,} rows in all:")
    rows = []
    for task in dict.fromkeys(one.task for one in ranked):
        rows += [[task, one.name, with_interval(one)] for one in ranked if one.task == task][:n_fields]
    show(["task", "field", "AUC lost"], rows)


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def with_interval(one: "Finding") -> str:
    if one.value is None or one.low is None or one.high is None:
        return f"{shown(one.value)} ({one.reason})" if one.reason else shown(one.value)
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"
