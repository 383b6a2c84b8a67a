"""`hinet contract`: check and show contracts."""

import click

from hinet_core.cli.group import main, one_sentence
from hinet_core.cli.output import show
from hinet_core.contract import load_contract


@main.group("contract")
def contract_group() -> None:
    """Check and show contracts."""


@contract_group.command("check")
@click.argument("file")
def contract_check(file: str) -> None:
    """Check a contract FILE (or packaged name); every mistake is listed with its key, and the status is 1."""
    with one_sentence():
        contract = load_contract(file)
    click.echo(
        f"{file}: a valid contract: {len(contract.columns)} columns, {len(contract.modelled)} modelled of "
        f"{len(contract.scenarios)} scenarios, {len(contract.tasks)} tasks"
    )


@contract_group.command("show")
@click.argument("name")
def contract_show(name: str) -> None:
    """Show what a contract declares and what follows from it."""
    with one_sentence():
        contract = load_contract(name)
    click.echo(f"{contract.name}: {contract.title}\n{contract.description}".rstrip())
    days = f"{contract.first_day} to {contract.last_day or 'today'}, {contract.time_zone}"
    click.echo(f"days {days}; settled after {contract.maturity_days} days; fingerprint {contract.data_fingerprint}\n")
    show(
        ["column", "type", "role", "input", "description"],
        [[one.name, one.type, one.role, one.encode or "", one.description] for one in contract.columns],
    )
    show(
        ["scenario", "values in the log", "modelled", "title"],
        [[one.id, ", ".join(one.log_values), "yes" if one.modelled else "no", one.title] for one in contract.scenarios],
    )
    show(
        ["task", "after", "settled after", "title"],
        [[one.name, one.after or "", str(one.matures_after), one.title] for one in contract.tasks],
    )
