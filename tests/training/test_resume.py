"""A training stopped at any step goes on to the very bits of an undisturbed one; what is of no use is left alone."""

import fcntl
import json
import os
import re
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from loop_rows import SPEC, rows
from safetensors.torch import load_file, save_file

from hinet_core import models
from hinet_core.lock import BusyError
from hinet_core.training.config import TrainConfig
from hinet_core.training.history import History
from hinet_core.training.loop import fit
from hinet_core.training.progress import FACTS, Progress
from hinet_core.training.sweep import ABANDONED_AFTER_S, sweep

pytestmark = pytest.mark.slow

# 15 steps an epoch, of which every second one is reported and every third one of the training is saved.
CONFIG = TrainConfig(epochs=2, batch_size=20, learning_rate=3e-2, ema_decay=0.6)
STEPS, SAVED_EVERY = 30, 3


class Stopped(Exception):
    """What a kill is to the training."""


class StoppedAt(Progress):
    """Saves after every third step, and stops after the given one, saved or not."""

    def __init__(self, folder: Path, step: int) -> None:
        super().__init__(folder, every_steps=SAVED_EVERY)
        self.stop_at = step

    def due(self, steps: int) -> bool:
        if steps > self.stop_at:
            raise Stopped
        return super().due(steps)


def training(name: str, progress: Progress | None, config: TrainConfig = CONFIG, **names) -> tuple[dict, History]:
    model = models.build(name, SPEC, seed=3)
    history = fit(model, rows(290), rows(300, 1), config, seed=3, device="cpu", progress=progress, **names)
    return model.state_dict(), history


def without_clock(history: History) -> dict:
    plain = vars(history) | {"rows_per_s": 0.0}
    return plain | {"rows": [row | {"wall_s": 0} for row in history.rows]}


def same(left: tuple[dict, History], right: tuple[dict, History]) -> bool:
    weights = all(torch.equal(left[0][name], right[0][name]) for name in left[0].keys() | right[0].keys())
    return weights and without_clock(left[1]) == without_clock(right[1])


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("shared_bottom", range(0, STEPS, 4)),
        ("hinet", range(1, STEPS, 7)),
        pytest.param("shared_bottom", range(STEPS), marks=pytest.mark.long, id="shared_bottom at each step"),
        pytest.param("hinet", range(STEPS), marks=pytest.mark.long, id="hinet at each step"),
    ],
)
def test_stopped_after_any_step_it_ends_with_the_same_bits(tmp_path, name, steps):
    """Dropout is on, so the random state counts; so do the moments, the averages, the order of the rows."""
    whole = training(name, None)
    assert whole[1].steps == STEPS
    for step in steps:
        folder = tmp_path / f"v{step}"
        with pytest.raises(Stopped):
            training(name, StoppedAt(folder, step))
        progress = Progress(folder)
        if step >= SAVED_EVERY:
            facts = json.loads((progress.folder / FACTS).read_text())["facts"]
            assert facts["history"]["steps"] == step - step % SAVED_EVERY
        assert same(training(name, progress), whole), step


SETTINGS = {
    "touched_adam": replace(CONFIG, embedding_optimizer="touched_adam", optimizer="adamw", weight_decay=0.1),
    "rowwise_adagrad": replace(CONFIG, embedding_optimizer="rowwise_adagrad", schedule="cosine", warm_up_steps=9),
    "learned balance": replace(CONFIG, task_balance="uncertainty", loss_mean="scenario", ema_decay=0.0),
}


@pytest.mark.parametrize("config", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_is_taken_up_where_it_was(tmp_path, config):
    """Rows whose moments have clocks of their own and whose averages are behind, rates that change, a learned loss."""
    whole = training("mmoe", None, config)
    for step in (4, 14, 16):
        with pytest.raises(Stopped):
            training("mmoe", StoppedAt(tmp_path / f"v{step}", step), config)
        assert same(training("mmoe", Progress(tmp_path / f"v{step}"), config), whole), step


def test_stopped_again_and_again_it_ends_with_the_same_bits(tmp_path):
    whole = training("hinet", None)
    for step in range(4, STEPS, 4):
        with pytest.raises(Stopped):
            training("hinet", StoppedAt(tmp_path / "v", step))
    assert same(training("hinet", Progress(tmp_path / "v")), whole)


def test_stopped_after_the_last_epoch_only_the_end_is_done_again(tmp_path):
    """An early stop, too: no epoch is trained that an undisturbed training would not have."""
    config = replace(CONFIG, epochs=9, patience=1, batch_size=50)
    whole = training("hinet", None, config)
    assert 1 < whole[1].epochs < 9

    def stop(epoch, found):
        if epoch == whole[1].epochs:
            raise Stopped

    with pytest.raises(Stopped):
        training("hinet", Progress(tmp_path / "v"), config, on_epoch=stop)
    again = []
    found = training("hinet", Progress(tmp_path / "v"), config, on_epoch=lambda epoch, found: again.append(epoch))
    assert again == []
    assert same(found, whole)


def test_an_epoch_taken_up_in_its_middle_is_told_whole(tmp_path):
    seen = {"whole": [], "resumed": []}
    training("mmoe", None, on_epoch=lambda epoch, found: seen["whole"].append((epoch, len(found))))
    with pytest.raises(Stopped):
        training("mmoe", StoppedAt(tmp_path / "v", 23))
    told = lambda epoch, found: seen["resumed"].append((epoch, len(found)))  # noqa: E731
    training("mmoe", Progress(tmp_path / "v"), on_epoch=told)
    assert seen["resumed"] == seen["whole"][1:]


def stopped(folder: Path) -> Progress:
    with pytest.raises(Stopped):
        training("mmoe", StoppedAt(folder, 7))
    return Progress(folder)


@pytest.fixture(scope="module")
def undisturbed() -> tuple[dict, History]:
    return training("mmoe", None)


def tensors_file(progress: Progress) -> Path:
    (path,) = progress.folder.glob("*.safetensors")
    return path


def cut(progress):
    path = tensors_file(progress)
    path.write_bytes(path.read_bytes()[:-100])


def cut_facts(progress):
    path = progress.folder / FACTS
    path.write_text(path.read_text()[:-100])


def lose_tensors(progress):
    tensors_file(progress).unlink()


def narrow(progress):
    tensors = load_file(tensors_file(progress))
    tensors["model.gate.bias"] = torch.zeros(3)
    save_file(tensors, tensors_file(progress))


def rewrite(**changes):
    def change(progress):
        path = progress.folder / FACTS
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (cut, "incomplete"),
        (cut_facts, "Unterminated|Expecting|delimiter"),
        (lose_tensors, "No such file"),
        (narrow, r"model\.gate\.bias is \(3,\), expected \(16,\)"),
        (rewrite(version="v2"), "version was 'v2', is 'v'"),
        (rewrite(torch="1.0", rows=7), "rows was 7, is 290; torch was '1.0'"),
        (rewrite(format=0), "format was 0, is 1"),
        (rewrite(facts={}), "history"),
    ],
    ids=["cut", "cut facts", "no tensors", "other shape", "other version", "other torch", "other format", "no facts"],
)
def test_what_is_of_no_use_is_left_alone_with_a_sentence(tmp_path, caplog, undisturbed, damage, why):
    progress = stopped(tmp_path / "v")
    damage(progress)
    found = training("mmoe", progress)
    (record,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert f"the progress saved under {progress.folder} is not used (" in record.message
    assert record.message.endswith("): training begins anew")
    assert re.search(why, record.message)
    assert same(found, undisturbed)


def test_a_disk_that_takes_no_progress_stops_no_training(tmp_path, caplog, undisturbed):
    progress = Progress(tmp_path / "no folder" / "v", every_steps=1)
    (tmp_path / "no folder").write_text("a file")
    assert same(training("mmoe", progress), undisturbed)
    assert "could not be saved" in caplog.text


def test_one_process_at_a_time_and_no_folder_without_progress(tmp_path):
    one, other = Progress(tmp_path / "v"), Progress(tmp_path / "v")
    with one.held(), pytest.raises(BusyError, match="another run"), other.held():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_removed_while_another_waited_for_it_holds_nobody_off(tmp_path, monkeypatch):
    """A ends between B's opening of the lock file and its locking it; what B then holds, C cannot."""
    a, b, c = (Progress(tmp_path / "v") for _ in range(3))
    first, flock = ExitStack(), fcntl.flock
    first.enter_context(a.held())

    def late(file, how):
        monkeypatch.setattr(fcntl, "flock", flock)
        first.close()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with b.held(), pytest.raises(BusyError, match="another run"), c.held():
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_killed_saves_left_is_swept_by_the_same_rule(tmp_path):
    partial, young = (tmp_path / f".{name}.partial" for name in ("old", "new"))
    for folder in (partial, young, tmp_path / ".done.partial", tmp_path / "done"):
        (folder / "encoder").mkdir(parents=True)
    for path in (partial / "encoder", partial):
        os.utime(path, (0, 0))
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {young.name, "done"}
    os.utime(young / "encoder", (0, 0))
    os.utime(young, (0, 0))
    stopped(tmp_path / "new")  # somebody has taken the version up
    sweep(tmp_path)
    assert young.exists()


def test_a_file_that_goes_while_it_is_looked_at_does_not_end_the_sweep(tmp_path):
    """A link to nothing is what such a file is: listed, and not there."""
    folder = tmp_path / ".v.progress"
    folder.mkdir()
    (folder / "0.safetensors").symlink_to(tmp_path / "gone")
    os.utime(folder, (0, 0))
    sweep(tmp_path)
    assert folder.exists()


def test_progress_of_finished_and_of_abandoned_versions_is_swept(tmp_path):
    folders = {}
    for name in ("finished", "old", "new", "held"):
        stopped(tmp_path / name)
        folders[name] = tmp_path / f".{name}.progress"
    (tmp_path / "finished").mkdir()
    for name in ("old", "held"):
        for path in [*folders[name].iterdir(), folders[name]]:
            os.utime(path, (0, folders["new"].stat().st_mtime - ABANDONED_AFTER_S - 60))
    with Progress(tmp_path / "held").held():
        os.utime(folders["held"] / "lock", (0, 0))
        os.utime(folders["held"], (0, 0))
        sweep(tmp_path)
        assert {name for name, folder in folders.items() if folder.exists()} == {"new", "held"}
    sweep(tmp_path)
    assert {name for name, folder in folders.items() if folder.exists()} == {"new"}
