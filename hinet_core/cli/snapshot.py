"""`hinet publish`: a new snapshot for the dashboard."""

import os

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places


@main.command()
@contract_option
def publish(name: str) -> None:
    """Publish a new snapshot of what is committed, for the dashboard."""
    from hinet_core import registry
    from hinet_core.publish.run import PublishError
    from hinet_core.publish.run import publish as publish_now

    try:
        with one_sentence():
            contract, paths, lake = places(name)
            if not lake.days("ingest"):
                raise PublishError(f"{contract.name}: no day is ingested yet; run `make run CONTRACT={name}` first")
            url = os.environ.get("HINET_DAGSTER_URL", "http://127.0.0.1:3000")
            path = publish_now(contract, lake, paths, champion=registry.champion(paths.models), dagster_url=url)
    except PublishError as error:
        raise click.ClickException(str(error)) from error
    click.echo(str(path))
