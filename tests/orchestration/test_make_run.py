"""`make run` before any work: options, the lock, what FRESH=1 takes away, the sentences of commands that cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hinet_core.contract import packaged_contracts
from hinet_core.lock import BusyError, exclusive
from hinet_core.settings import SettingsError
from orchestration import run
from orchestration.instance import named_contracts


def test_options_and_their_defaults():
    assert run.options_of({}) == run.Options("meishi", None, serve=True, fresh=False, preset="quick")
    given = {"CONTRACT": "kuairand", "DATA": "logs", "SERVE": "0", "FRESH": "1", "PRESET": "paper"}
    assert run.options_of(given) == run.Options("kuairand", Path("logs"), serve=False, fresh=True, preset="paper")
    assert run.options_of(dict.fromkeys(given, "")) == run.options_of({})


@pytest.mark.parametrize(("name", "allowed"), [("SERVE", "0 or 1"), ("FRESH", "0 or 1"), ("PRESET", "quick, paper")])
def test_an_option_that_makes_no_sense_is_named_with_what_is_allowed(name, allowed):
    with pytest.raises(SettingsError, match=f"{name}: found 'maybe', allowed: {allowed}"):
        run.options_of({name: "maybe"})


def test_the_contract_joins_those_that_dagster_shows(monkeypatch, tmp_path):
    monkeypatch.setenv("HINET_CONTRACTS", "kuairand, meishi")
    assert named_contracts("meishi") == "meishi,kuairand"
    monkeypatch.chdir(tmp_path)
    assert named_contracts("mine.toml") == f"{tmp_path / 'mine.toml'},kuairand,meishi"


def test_the_lock_names_its_holder_and_is_free_afterwards(tmp_path):
    path = tmp_path / "small" / ".run.lock"
    with exclusive(path), pytest.raises(BusyError, match=f"process {os.getpid()}"), exclusive(path):
        pass
    with exclusive(path):
        pass


def test_a_killed_holder_holds_nothing(tmp_path):
    path = tmp_path / ".run.lock"
    code = (
        "import os, signal, sys; from pathlib import Path; from hinet_core.lock import exclusive\n"
        f"with exclusive(Path({str(path)!r})): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with exclusive(path):
        pass


def start_over(contract, paths, home, instance, data):
    options = run.Options(contract.name, data, serve=False, fresh=True, preset="quick")
    run.start_over(contract, paths, options, instance)


def test_fresh_takes_only_what_can_be_had_again(tiny, paths, instance, tmp_path):
    for folder in (paths.lake, paths.models, paths.published, paths.landing):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "file").write_text("x")
    notes = paths.root / "notes.txt"
    notes.write_text("mine")
    start_over(tiny, paths, None, instance, data=None)
    # The log was put there by hand and has no world: it is nobody's to delete.
    assert sorted(one.name for one in paths.root.iterdir()) == ["landing", "notes.txt"]
    start_over(tiny, paths, None, instance, data=tmp_path)
    assert sorted(one.name for one in paths.root.iterdir()) == ["notes.txt"]


@pytest.fixture
def call(monkeypatch, tmp_path, capsys):
    """main() with an environment; gives status and stderr, one line."""
    for name in ("CONTRACT", "DATA", "FRESH", "PRESET", "HINET_CONTRACTS", "HINET_DEVICE", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HINET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SERVE", "0")

    def main(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        status = run.main()
        return status, capsys.readouterr().err.strip()

    return main


def test_a_contract_that_does_not_exist(call, tmp_path):
    status, said = call(CONTRACT="nope")
    names = ", ".join(packaged_contracts())
    sentence = f"contract 'nope': unknown name; allowed: {names}, or the path of your own .toml file"
    assert (status, said) == (2, sentence)
    status, said = call(CONTRACT=tmp_path / "nope.toml")
    assert status == 2
    assert said.endswith("no such contract file; give the path of an existing .toml file")
    assert not (tmp_path / "home").exists()


def test_a_contract_with_a_mistake_is_told_by_file_and_key(call, small_file, tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(small_file.read_text().replace('time_zone = "Asia/Shanghai"', 'time_zone = "Moon"'))
    status, said = call(CONTRACT=path)
    assert status == 2
    assert str(path) in said and "Moon" in said


def test_a_device_that_does_not_exist(call):
    assert call(HINET_DEVICE="tpu") == (2, "HINET_DEVICE: found 'tpu', allowed: auto, cpu, cuda")


def test_a_folder_that_is_not_there_or_holds_other_files(call, small_file, tmp_path):
    status, said = call(CONTRACT=small_file, DATA=tmp_path / "nope")
    assert status == 1
    assert said == f"{tmp_path / 'nope'}: no such folder; give the folder that holds the log files"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.jpg").write_text("x")
    status, said = call(CONTRACT=small_file, DATA=tmp_path / "other")
    assert status == 1
    assert "no file matches 'impressions/day=*.parquet'" in said and "photo.jpg" in said
    assert not (tmp_path / "home" / "small" / "landing").exists()


def test_a_second_run_says_who_is_at_work(call, small_file, tmp_path):
    with exclusive(tmp_path / "home" / "small" / ".run.lock"):
        status, said = call(CONTRACT=small_file)
    assert status == 1
    assert f"is going (process {os.getpid()}): wait until it ends" in said
    assert not (tmp_path / "home" / "small" / "landing").exists()
