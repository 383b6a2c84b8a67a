"""Contracts with mistakes: valid after all, or ContractError with a sentence for each, naming file and key."""

import re
import tomllib
from functools import cache
from pathlib import Path
from random import Random

import pytest
from fuzz_runs import CONTRACTS_LONG, CONTRACTS_QUICK, run_cases
from judge import only_documented_errors
from mutated_contract import mutated, toml
from random_log import random_log

from hinet_core.contract import ContractError, contract_path, load_contract, packaged_contracts, parse_contract

JARGON = re.compile(r"Traceback|validation error|input should|pydantic|NoneType|object has no|<class", re.I)


@cache
def packaged():
    return [contract_path(name).read_text(encoding="utf-8") for name in packaged_contracts()]


def some_contract(rng: Random):
    return tomllib.loads(rng.choice(packaged())) if rng.randrange(4) == 0 else random_log(rng).raw


def sentences(error: ContractError, origin: str) -> None:
    """Every line says where and what, in words of the contract."""
    for line in str(error).split("\n"):
        assert line.startswith(f"{origin}: "), line
        assert len(line) > len(origin) + 10, line
        assert not JARGON.search(line), line


def judged(path: Path) -> None:
    try:
        load_contract(str(path))
    except ContractError as error:
        sentences(error, str(path))


def a_dictionary(rng: Random, home: Path) -> None:
    try:
        parse_contract(mutated(rng, some_contract(rng)), "fuzzed.toml")
    except ContractError as error:
        sentences(error, "fuzzed.toml")


def a_file(rng: Random, home: Path) -> None:
    path = home / "fuzzed.toml"
    path.write_text(toml(mutated(rng, some_contract(rng))), encoding="utf-8")
    judged(path)


def damaged_bytes(rng: Random, home: Path) -> None:
    """A TOML file with bytes changed, lost, doubled or cut off."""
    data = bytearray(rng.choice(packaged()).encode())
    for _ in range(1 + rng.randrange(3)):
        at, other = rng.randrange(len(data)), rng.randrange(len(data))
        how = rng.randrange(4)
        if how == 0:
            data[at] = rng.randrange(256)
        elif how == 1:
            del data[at : at + 1 + rng.randrange(30)]
        elif how == 2:
            data[at:at] = data[other : other + rng.randrange(60)]
        else:
            del data[at + 1 :]
    path = home / "fuzzed.toml"
    path.write_bytes(data)
    judged(path)


def what_is_let_through(rng: Random, home: Path) -> None:
    """A changed contract that is valid all the same never breaks ingest with anything but a documented error."""
    log = random_log(rng)
    raw = mutated(rng, log.raw)
    try:
        parse_contract(raw)
    except ContractError:
        return
    only_documented_errors(log, raw, home / "run")


CHECKS = [a_dictionary, a_file, damaged_bytes, what_is_let_through]


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_some_cases(check, home):
    home.mkdir()
    assert run_cases(CONTRACTS_QUICK, lambda rng: check(rng, home)) >= CONTRACTS_QUICK


@pytest.mark.long
@pytest.mark.parametrize("check", CHECKS)
def test_many_cases(check, home):
    home.mkdir()
    assert run_cases(CONTRACTS_LONG, lambda rng: check(rng, home)) >= CONTRACTS_LONG
