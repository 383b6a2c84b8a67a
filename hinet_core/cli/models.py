"""`hinet models`: trained versions and the champion."""

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.cli.output import show


@main.command()
@contract_option
def models(name: str) -> None:
    """List the trained versions and the champion."""
    from hinet_core import registry

    with one_sentence():
        _, paths, lake = places(name)
        rows = registry.versions(paths.models, lake)
        champion = registry.champion(paths.models)
    show(
        ["version", "as of", "preset", "examples", "parameters", "folder"],
        [
            [row["version"], row["as_of"], row["preset"], row["n_train"], row["n_params"],
             "there" if row["present"] else "missing"]
            for row in rows
        ],
    )  # fmt: skip
    click.echo(f"champion: {champion['version']} ({champion['reason']})" if champion else "champion: none yet")
