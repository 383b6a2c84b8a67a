"""A model folder: whole or absent, checked on the way in."""

import json
import resource
import signal
from pathlib import Path

import pytest
import torch
from loop_rows import SPEC
from safetensors.torch import load_file, save_file

from hinet_core import models
from hinet_core.training import checkpoint
from hinet_core.training.checkpoint import CheckpointError


class Vocabulary:
    """The least an encoder must do."""

    def __init__(self, tokens):
        self.tokens = tokens

    def to_folder(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "tokens.json").write_text(json.dumps(self.tokens))

    @classmethod
    def from_folder(cls, folder: Path) -> "Vocabulary":
        return cls(json.loads((folder / "tokens.json").read_text()))


class Failing:
    def to_folder(self, folder: Path) -> None:
        raise OSError("no space left on device")


def saved(folder, encoder=None, **meta):
    model = models.build("mmoe", SPEC, seed=0)
    return checkpoint.save(folder, model, "mmoe", model.config, SPEC, encoder, meta)


def test_folder_holds_weights_description_and_encoder_and_nothing_else(tmp_path):
    folder = saved(tmp_path / "models" / "v1", Vocabulary(["x", "y"]), seed=3)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    names = ("MODEL_CARD.md", "encoder/tokens.json", "model.json", "weights.safetensors")
    assert found == [f"models/v1/{name}" for name in names]
    bundle = checkpoint.load(folder, read_encoder=Vocabulary.from_folder)
    assert bundle.encoder.tokens == ["x", "y"]
    assert bundle.meta == {"seed": 3}
    assert not bundle.model.training


def test_a_finished_folder_is_never_changed(tmp_path):
    folder = saved(tmp_path / "v1")
    with pytest.raises(CheckpointError, match="exists already"):
        saved(folder)


def test_a_failed_save_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="no space left"):
        saved(tmp_path / "v1", Failing())
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_may_not_grow_ends_in_a_sentence_and_leaves_nothing(tmp_path):
    """As on a full disk: the process may write no more than 2,000 bytes to a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(OSError, match=r"weights\.safetensors cannot be written .* free some space, then run"):
            saved(tmp_path / "v1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_save_left_is_cleared(tmp_path):
    (tmp_path / ".v1.partial").mkdir()
    (tmp_path / ".v1.partial" / "stale").write_text("half")
    folder = saved(tmp_path / "v1")
    assert sorted(path.name for path in folder.iterdir()) == ["MODEL_CARD.md", "model.json", "weights.safetensors"]
    assert [path.name for path in tmp_path.iterdir()] == ["v1"]


def test_weights_of_another_shape_are_named(tmp_path):
    path = saved(tmp_path / "v1") / "weights.safetensors"
    weights = load_file(path)
    weights["gate.bias"] = torch.zeros(3)
    del weights["gate.weight"]
    weights["extra"] = torch.zeros(1)
    save_file(weights, path)
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(tmp_path / "v1")
    assert "gate.weight is missing; extra is unknown; gate.bias is (3,), expected (16,)" in str(error.value)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    path = saved(tmp_path / "v1") / "weights.safetensors"
    weights = load_file(path)
    weights["gate.bias"][0] = float("nan")
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=r"gate\.bias holds NaN or infinity"):
        checkpoint.load(tmp_path / "v1")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.json", None, "is no model folder: expected model.json in it"),
        ("model.json", "{", "is not JSON"),
        ("model.json", '{"format": 99}', "has format 99, expected 3: another version of the platform wrote it. Train"),
        ("model.json", '{"format": 1}', "has format 1, expected 3"),
        ("weights.safetensors", None, "cannot read the weights"),
        ("weights.safetensors", "cut", "cannot read the weights"),
    ],
)
def test_a_damaged_folder_is_explained(tmp_path, file, content, message):
    path = saved(tmp_path / "v1") / file
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(tmp_path / "v1")


def edit_description(folder):
    path = folder / "model.json"
    path.write_text(path.read_text().replace('"san_norm": "exclude"', '"san_norm": "zero_after"'))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "encoder/tokens.json").write_text('["y", "x"]'), "tokens.json was changed after"),
        (lambda folder: (folder / "encoder/tokens.json").unlink(), "tokens.json is missing: put this model's own back"),
        (edit_description, "model.json was changed after training: put it back from a copy, or train again"),
    ],
    ids=["encoder", "no encoder", "setting"],
)
def test_a_file_that_is_not_the_models_own_is_refused(tmp_path, change, message):
    """Tokens in another order or another switch of the same shape would give other predictions without a word."""
    model = models.build("hinet", SPEC, seed=0)
    folder = checkpoint.save(tmp_path / "v1", model, "hinet", model.config, SPEC, Vocabulary(["x", "y"]), {})
    checkpoint.load(folder, read_encoder=Vocabulary.from_folder)
    change(folder)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(folder, read_encoder=Vocabulary.from_folder)


def test_a_description_that_is_laid_out_anew_is_the_same(tmp_path):
    path = saved(tmp_path / "v1", runs={1: (2, 3.5)}) / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert checkpoint.load(tmp_path / "v1").meta == {"runs": {"1": [2, 3.5]}}


def test_nothing_is_pickled(tmp_path):
    folder = saved(tmp_path / "v1")
    assert not any(path.read_bytes()[:2] == b"\x80\x04" for path in folder.iterdir())
    assert "torch.load" not in Path(checkpoint.__file__).read_text()
