"""`hinet init`: the folder that everything is kept in."""

from importlib import resources

import click

from hinet_core.cli.group import main, one_sentence
from hinet_core.contract import packaged_contracts
from hinet_core.settings import load_settings


@main.command()
def init() -> None:
    """Make HINET_HOME with Dagster's settings and print the environment that Dagster's own commands need."""
    with one_sentence():
        settings = load_settings()
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
        target = settings.dagster_home / "dagster.yaml"
        if not target.exists():
            target.write_text((resources.files("orchestration") / "dagster.yaml").read_text())
    click.echo(f"export HINET_HOME={settings.home}\nexport DAGSTER_HOME={settings.dagster_home}")
    click.echo("export DAGSTER_DISABLE_TELEMETRY=yes")
    click.echo(f"# contracts that come along: {', '.join(packaged_contracts())}")
