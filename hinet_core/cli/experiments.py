"""`hinet experiment` and `hinet tune`: named comparisons of models, and the search for their settings."""

from datetime import UTC, datetime
from pathlib import Path

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.settings import load_settings


@main.command()
@click.argument("name", required=False)
@click.option("--data", type=click.Path(path_type=Path), help="The folder with the log's files, if not landed.")
@click.option("--seeds", type=click.IntRange(min=1), help="Trainings of each model, instead of the experiment's own 5.")
@click.option("--models", "only", help="Some of the experiment's models, with commas; its baseline is always there.")
@click.option("--settings", "settings_file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="A file of `hinet tune`, instead of the packaged one.")  # fmt: skip
@click.option("--page", type=click.Path(path_type=Path), default=Path("docs/results.md"), show_default=True,
              help="The page of results that the section is put into.")  # fmt: skip
def experiment(
    name: str | None,
    data: Path | None,
    seeds: int | None,
    only: str | None,
    settings_file: Path | None,
    page: Path,
) -> None:
    """Run the experiment NAME and write its section of the page of results; without NAME, list the experiments.

    What is trained stays: the same command goes on where a stopped one ended.
    """
    from hinet_core.experiments.every import with_changes
    from hinet_core.experiments.experiment import EXPERIMENTS

    if name is None:
        for known, make in EXPERIMENTS.items():
            click.echo(f"{known}\n    {str(make.__doc__).strip()}\n")
        return
    with one_sentence():
        if name not in EXPERIMENTS:
            raise ValueError(f"no experiment {name!r}: expected one of {', '.join(EXPERIMENTS)}")
        from hinet_core.experiments import found
        from hinet_core.experiments.page import put, section
        from hinet_core.experiments.run import run

        asked = with_changes(EXPERIMENTS[name](), seeds, only.split(",") if only else None)
        settings = load_settings()
        file = settings_file or found.packaged_file(asked.settings_of)
        outcome = run(asked, settings.paths(asked.contract.name), found.read(file), data, settings.device)
        put(page, name, section(outcome, datetime.now(UTC).date()))
    click.echo(f"{page}: section {name} written")


@main.command()
@contract_option
@click.option("--models", "only", help="Models to tune, with commas; without it all.")
@click.option("--trials", type=click.IntRange(min=1), default=10, show_default=True, help="Of each model.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the search and of every trial."
)
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

        asked = only.split(",") if only else models.names()
        if unknown := sorted(set(asked) - set(models.names())):
            named = ", ".join(map(repr, unknown))
            raise ValueError(f"no model {named}: expected some of {', '.join(models.names())}, with commas between")
        contract, paths, lake = places(name)
        day = as_of.date() if as_of else newest_judged_as_of(contract, lake)
        if day is None:
            raise ValueError(f"{contract.name}: no day has complete judged days after it; give a day with --as-of")
        file = settings_file or paths.experiments / "settings.toml"
        found.read(file)  # what is wrong with it is said before the hours of a search
        for model in asked:
            settings, facts = search(
                contract, lake, paths.experiments / "tune", day, model, trials, seed, load_settings().device
            )
            found.write(file, model, facts, settings)
            before = f"{facts['preset_auc']:.4f}" if "preset_auc" in facts else "(preset diverged)"
            click.echo(f"{model}: {trials} trials, validation AUC {before} -> {facts['validation_auc']:.4f}")
        if unequal := found.unequal_trials(file):
            click.echo(f"{file}: {unequal}")
    click.echo(f"{file} written; hinet experiment NAME --settings {file} uses it")
