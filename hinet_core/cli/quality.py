"""`hinet leaks`: which inputs know the answer."""

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.cli.output import show
from hinet_core.lake import LakeError, connect

INPUTS_SHOWN = 10


@main.command()
@contract_option
def leaks(name: str) -> None:
    """Warn of inputs that alone predict a label too well, or bear the name of an outcome.

    Looks at the newest settled days and lists, per task, the inputs that tell most by themselves. The bound is
    quality.leaks.max_auc of the contract; a warning stops nothing.
    """
    from hinet_core.quality.leaks import leaks as find_leaks

    with one_sentence():
        contract, _, lake = places(name)
        con = connect()
        try:
            found = find_leaks(con, contract, lake)
        finally:
            con.close()
        if not found:
            raise LakeError(f"{contract.name}: no day is ingested yet; run `hinet ingest --contract {name}` first")
    for task in contract.tasks:
        told = [one for one in found if one.check_name.endswith(f" for {task.name}") and one.observed is not None]
        told.sort(key=lambda one: -(one.observed or 0.0))
        show(
            [f"inputs that tell {task.name}", "AUC alone", "rows", "note"],
            [[one.column_name, f"{one.observed:.3f}", one.n_rows, one.note] for one in told[:INPUTS_SHOWN]],
        )
    for one in found:
        if one.status == "fail":
            click.echo(f"warning: {one.sentence}", err=True)
