"""Damaged logs through the verbs that people use: every answer is a sentence and a status, and the books are right."""

import csv
import io
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from damages import NotHereError
from fuzz_runs import KINDS
from judge import WrongError, compare, look, reproducer, whole
from log_truth import Log
from mutated_contract import toml
from random_log import random_log
from written import write_log

from hinet_core.cli import main
from hinet_core.contract import load_contract
from hinet_core.ingest.landing import last_index
from hinet_core.lake import Lake
from hinet_core.settings import Paths

QUICK = ["text_in_number", "unknown_scenario", "column_missing", "duplicate_row"]
OPEN_BOUNDS = {"max_quarantined_share": 1, "max_duplicate_share": 1, "max_unknown_scenario_share": 1}


def damaged(kind: str, seed: int) -> Log:
    """A log with this damage: the first of the seed's that has something to damage."""
    rng = Random(f"{kind} {seed}")
    while True:
        log = random_log(rng, KINDS[kind].wish)
        try:
            KINDS[kind].plant(rng, log)
        except NotHereError:
            continue
        return log


def delivered(log: Log, home: Path) -> tuple[str, str]:
    """The contract file and the folder with the log's files."""
    folder = home / "delivered"
    if log.late:
        log.late.after = False
    write_log(log, folder)
    log.meddle.get("written", Path)(folder)
    log.raw["quality"] = OPEN_BOUNDS
    contract = home / "fuzzed.toml"
    contract.write_text(toml(log.raw), encoding="utf-8")
    return str(contract), str(folder)


def call(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(main, arguments)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    told = [line for line in found.output.split("\n") if line.startswith("Error: ")]
    assert "Traceback" not in found.output and bool(told) == (found.exit_code == 1), found.output
    return found.exit_code, found.output


def books(contract: str, *options: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(call("books", "--contract", contract, *options, "--csv")[1])))


def through_the_verbs(kind: str, seed: int, home: Path) -> None:
    log = damaged(kind, seed)
    contract, folder = delivered(log, home)
    assert call("contract", "check", contract)[0] == 0
    status, said = call("land", "--contract", contract, folder)
    if status and " did not land. " not in said:  # else the others did
        assert log.may_fail, said
        return
    status, said = call("ingest", "--contract", contract)
    assert status == ("\nError: " in f"\n{said}"), said
    paths = Paths(home / "fuzzed")
    seen = look(Lake(paths.lake), last_index(load_contract(contract), paths))
    assert all(reason in said for reason in seen.refused.values()), said
    if "kept out" in said:  # by a check; the rows of that day are not committed, and the judge reads what is
        return
    if complaints := compare(log, seen):
        raise WrongError("\n".join(["", *complaints, "", *reproducer(log.raw, home / "fuzzed")]))
    lines = books(contract)
    total = next(line for line in lines if line["day"] == "all")
    counted = [int(total[name]) for name in ("read", "kept", "duplicate", "quarantined")]
    assert counted == [sum(column) for column in zip(*seen.books.values(), strict=True)], lines
    lines += books(contract, "--outcomes") if log.late else []
    assert {whole(line["file"]) for line in lines if "refused" in line["state"]} == set(seen.refused), lines
    said = call("quarantine", "--contract", contract)[1]
    assert all(reason in "".join(said.split("\n")) for reasons, _ in seen.quarantined.values() for reason in reasons)


@pytest.mark.slow
@pytest.mark.parametrize("kind", QUICK)
def test_some_kinds(kind, home, monkeypatch):
    monkeypatch.setenv("HINET_HOME", str(home))
    through_the_verbs(kind, 0, home)


@pytest.mark.long
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind(kind, home, monkeypatch):
    monkeypatch.setenv("HINET_HOME", str(home))
    through_the_verbs(kind, 1, home)


@pytest.mark.slow
def test_a_process_says_it_in_sentences(home, monkeypatch):
    """The real entry point: nothing on stderr but what `hinet` means to say."""
    monkeypatch.setenv("HINET_HOME", str(home))
    contract, folder = delivered(damaged("picture", 0), home)
    hinet = [sys.executable, "-c", "from hinet_core.cli import main; main()"]
    assert call("land", "--contract", contract, folder)[0] == 0
    for verb in ("ingest", "quarantine"):
        done = subprocess.run([*hinet, verb, "--contract", contract], capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
