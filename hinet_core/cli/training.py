"""`hinet train`: one more version."""

from datetime import datetime

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places


@main.command()
@contract_option
@click.option("--as-of", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Day whose 00:00 ends what is known.")
@click.option("--model", default="hinet", show_default=True, help="Name of a file of hinet_core/models.")
@click.option("--preset", default="quick", show_default=True, help="Size of model and training.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True,
    help="Of the first weights and of the order of the rows.",
)  # fmt: skip
@click.option(
    "--warm-start", metavar="VERSION", help="Begin with the weights of this version (or `champion`), found by token."
)
@click.option(
    "--set", "settings", metavar="NAME=VALUE", multiple=True,
    help="A key of the contract's [training] in place of what it says, as learning_rate=0.001; may be repeated.",
)  # fmt: skip
def train(
    name: str, as_of: datetime, model: str, preset: str, seed: int, warm_start: str | None, settings: tuple[str, ...]
) -> None:
    """Train one version, or go on where a killed training was."""
    from hinet_core import registry
    from hinet_core.contract import with_settings
    from hinet_core.settings import load_settings
    from hinet_core.training.run import train as train_version

    with one_sentence():
        contract, paths, lake = places(name)
        contract = with_settings(contract, settings)
        if warm_start is not None:
            warm_start = registry.folder_of(paths.models, warm_start).name
        trained = train_version(
            contract, lake, paths.models, as_of.date(), model, preset, seed, load_settings().device, warm_start
        )
        lake.rebuild_catalog(paths.catalog)
    click.echo(f"{trained.version}: {trained.n_train} rows, best epoch {trained.best_epoch}, {trained.folder}")
