"""`hinet models`: trained versions and the champion; `hinet model`: one of them."""

from pathlib import Path
from typing import Any

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.cli.output import show


@main.command()
@contract_option
def models(name: str) -> None:
    """List the trained versions, which of them are the run of their day, and the champion."""
    from hinet_core import registry

    with one_sentence():
        _, paths, lake = places(name)
        rows = registry.every_version(paths.models, lake)
        champion = registry.champion(paths.models)
    show(
        ["version", "as of", "preset", "seed", "examples", "parameters", "seconds", "rows/s", "is"],
        [
            [row["version"], *(row.get(key) for key in ("as_of", "preset", "seed", "n_train", "n_params")),
             *(round(row.get(key) or 0) or "" for key in ("duration_s", "rows_per_s")), marks(row, champion)]
            for row in rows
        ],
    )  # fmt: skip
    click.echo(f"champion: {champion['version']} ({champion['reason']})" if champion else "champion: none yet")


def marks(row: dict[str, Any], champion: dict[str, Any] | None) -> str:
    """'run of its day, champion'; what is wrong with its folder"""
    said = {
        "run of its day": row["committed"],
        "champion": champion is not None and champion["version"] == row["version"],
        f"folder {row['state']}": row["state"] != "there",
    }
    return ", ".join(words for words, holds in said.items() if holds)


@main.group()
def model() -> None:
    """One trained version: its card, or a program of it."""


version_argument = click.argument("version")


@model.command()
@version_argument
@contract_option
def card(version: str, name: str) -> None:
    """Print the model card of VERSION (or `champion`), with the judged metrics where there are some."""
    from hinet_core import registry
    from hinet_core.training.card import card as card_of
    from hinet_core.training.description import read_description

    with one_sentence():
        _, paths, lake = places(name)
        folder = registry.folder_of(paths.models, version)
        text = card_of(read_description(folder), registry.judged_metrics(lake, folder))
    click.echo(text, nl=False)


@model.command()
@version_argument
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@contract_option
def export(version: str, folder: Path | None, name: str) -> None:
    """Write VERSION (or `champion`) as a program that needs torch alone, into FOLDER (default: named like it)."""
    from hinet_core import registry
    from hinet_core.training.checkpoint import load
    from hinet_core.training.export import export as write

    with one_sentence():
        _, paths, _ = places(name)
        found = registry.folder_of(paths.models, version)
        written = write(load(found), folder or Path(found.name))
    click.echo(f"{written}: model.pt2 and what it needs; try python {written / 'score.py'}")
