"""`hinet forget`: remove a user from every table."""

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.cli.output import show


@main.command("forget")
@contract_option
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do it; without it only what holds the user is listed.")
@click.option("--models", "delete_models", is_flag=True, help="Delete the models that have the id in a vocabulary.")
def forget_user(name: str, user: str, yes: bool, delete_models: bool) -> None:
    """List where a USER stands; with --yes, remove the user from every table and keep the log from bringing it back.

    Landed files are never changed: those that hold the user are named. Rows of the user that are read again are
    counted as quarantined, without their text.
    """
    from hinet_core.forget import forget, holdings, user_text
    from hinet_core.forget.holdings import landed_files
    from hinet_core.forget.models import models_with

    with one_sentence():
        contract, paths, lake = places(name)
        text = user_text(contract, user)
        if yes:
            done = forget(contract, paths, lake, text, delete_models)
            held, landed, models = done.held, done.landed, done.models
        else:
            held, landed = holdings(contract, lake, text), landed_files(contract, lake, paths, text)
            models = models_with(contract, paths, text)
    if held:
        rows = [[f"{one.table} (kept out)" if one.kept_out else one.table, one.rows, len(one.days), one.days[0],
                 one.days[-1]] for one in held]  # fmt: skip
        show(["table", "rows of the user", "days", "first day", "last day"], rows)
    else:
        click.echo(f"no table holds user {user}")
    if yes:
        for step, days in done.rewritten.items():
            click.echo(f"rewritten: {step}, {len(days)} days, {days[0]} to {days[-1]}")
        click.echo("forgotten: rows of this user that are read again stay out")
        if any(one.table == "dq_results" for one in held):
            click.echo("snapshots that are published already show hashes of sampled ids: run `hinet publish`")
    if models:
        gone = "deleted" if yes and delete_models else "train anew, or delete with --models"
        named = ", ".join(one.relative_to(paths.root).as_posix() for one in models)
        click.echo(f"{len(models)} models have the id as a token ({gone}): {named}")
    if landed:
        click.echo(f"{len(landed)} landed files may still hold the user; remove the rows there: {', '.join(landed)}")
    if not yes:
        click.echo("nothing was changed; --yes removes the user")
