"""`hinet contract`: draft, check and show contracts."""

import tomllib
from pathlib import Path

import click

from hinet_core.cli.group import main, one_sentence
from hinet_core.cli.output import show
from hinet_core.contract import ContractError, load_contract, parse_contract
from hinet_core.lake import replace_text


@main.group("contract")
def contract_group() -> None:
    """Draft a contract from a log's files, check one, show one."""


@contract_group.command("draft")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--name", help="What the contract is called; otherwise after the file or its folder.")
@click.option("--output", type=click.Path(path_type=Path), help="The file to write; otherwise stdout.")
def contract_draft(files: tuple[Path, ...], name: str | None, output: Path | None) -> None:
    """Look at the FILES of a log (or their folder) and write a commented contract to start from.

    Only a sample of large files is read. What is not certain is said beside its line, with figures; what the log lacks
    for a contract is said with status 1.
    """
    from hinet_core.draft import UNSURE, DraftError, draft

    with one_sentence():
        if output is not None and output.exists():
            raise DraftError(f"{output}: exists already; give another name, or remove it first")
        text = draft(files, name)
        if output is not None:
            replace_text(output, text)
    if output is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"{output}: {text.count(UNSURE) - 1} guesses are marked {UNSURE.strip()} read them first")
    with one_sentence():
        try:
            parse_contract(tomllib.loads(text), str(output or "draft"))
        except ContractError as error:
            lacks = "no contract yet: lines marked MISSING at the top say why: " if "# MISSING: " in text else ""
            raise DraftError(f"{lacks}{error}") from error


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
