"""`hinet tune`: the search for the settings of models."""

from datetime import datetime
from pathlib import Path

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.settings import load_settings


@main.command()
@contract_option
@click.option("--models", "only", help="Models to tune, with commas; without it all that learn by gradient steps.")
@click.option("--trials", type=click.IntRange(min=1), default=10, show_default=True, help="Of each model.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the search and of every trial.")
@click.option("--as-of", "as_of", type=click.DateTime(["%Y-%m-%d"]), help="Without it, the newest day that is judged.")
@click.option("--settings", "settings_file", type=click.Path(path_type=Path),
              help="The file to write, instead of one under HINET_HOME.")  # fmt: skip
def tune(
    name: str, only: str | None, trials: int, seed: int, as_of: datetime | None, settings_file: Path | None
) -> None:
    """Search for each model's settings on the validation day, the same number of trials for all.

    A search that was stopped goes on with the same command. Judged days are not read.
    """
    from hinet_core import models

    with one_sentence():
        from hinet_core.evaluation.run import newest_judged_as_of
        from hinet_core.experiments import found
        from hinet_core.experiments.tune import tune as search

        contract, paths, lake = places(name)
        day = as_of.date() if as_of else newest_judged_as_of(contract, lake)
        if day is None:
            raise ValueError(f"{contract.name}: no day has complete judged days after it; give a day with --as-of")
        file = settings_file or paths.root / "experiments" / "settings.toml"
        for model in only.split(",") if only else models.names():
            settings, facts = search(
                contract, lake, paths.root / "experiments" / "tune", day, model, trials, seed, load_settings().device
            )
            found.write(file, model, facts, settings)
            gain = f"validation AUC {facts['preset_auc']:.4f} -> {facts['validation_auc']:.4f}"
            click.echo(f"{model}: {trials} trials, {gain}")
        if unequal := found.unequal_trials(file):
            click.echo(f"{file}: {unequal}")
    click.echo(f"{file} written; experiments read it")
