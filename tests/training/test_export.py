"""The exported program gives the model's logits, for every model, any number of rows, and without this platform."""

import json
import math
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from hinet_core import models
from hinet_core.dataset import Dataset, FeatureSpec, FieldSpec
from hinet_core.training.checkpoint import Bundle, CheckpointError, sha256
from hinet_core.training.export import Scoring, export, made_up_rows, program_of, save_program
from hinet_core.training.loop import predict

pytestmark = pytest.mark.slow

SPEC = FeatureSpec(
    fields=(FieldSpec("user", "id", 9), FieldSpec("secret", "id", 5, in_x=False), FieldSpec("item", "id", 7)),
    numbers=(FieldSpec("price", "number"), FieldSpec("hidden", "number", in_x=False)),
    lists=(FieldSpec("history", "list", 6, max_length=4),),
    scenarios=("home", "map"),
    tasks=("click", "order"),
    n_positions=4,
    after=(-1, 0),
)  # fmt: skip


def rows_of(n: int) -> Dataset:
    g = torch.Generator().manual_seed(n)
    zeros_N = torch.zeros(n, dtype=torch.int64)
    return Dataset(
        fields_NF=torch.stack([torch.randint(0, one.width, (n,), generator=g) for one in SPEC.fields], dim=1).int(),
        numbers_NK=torch.randn(n, 2, generator=g),
        scenario_N=torch.randint(0, 2, (n,), generator=g),
        position_N=torch.randint(0, 5, (n,), generator=g),
        labels_NT=torch.zeros(n, 2), label_mask_NT=torch.ones(n, 2), user_N=zeros_N, day_N=zeros_N,
        lists={"history": torch.randint(0, 6, (n, 4), generator=g).int()},
    )  # fmt: skip


def calibrated(model: nn.Module) -> nn.Module:
    """The model with curves, sampling rates and slots that are not those of its start."""
    g = torch.Generator().manual_seed(1)
    layer = model.calibration
    layer.rate_S[:] = torch.tensor([0.1, 1.0])
    layer.scale_ST[:] = 0.5 + torch.rand(layer.scale_ST.shape, generator=g)
    layer.offset_STK[:] = torch.rand(layer.offset_STK.shape, generator=g).cumsum(dim=2) / 10
    layer.knot_STK -= 4
    nn.init.normal_(model.position.slots_SPT, generator=g)
    return model.eval()


# Parts that are alike make no other program, only a longer one.
FEWER = {"hinet": {"sub_experts": 2, "shared_experts": 1}, "boosted_trees": {"trees": 20}, "mmoe": {"experts": 3},
         "hmoe": {"experts": 3}}  # fmt: skip


def inputs_of(data: Dataset) -> dict:
    return {
        "fields": data.fields_NF, "numbers": data.numbers_NK, "lists": data.lists, "scenario": data.scenario_N,
        "position": data.position_N,
    }  # fmt: skip


@pytest.mark.parametrize("name", [*models.names(), "hinet per_scenario_task"])
def test_the_program_of_every_model_gives_its_logits(name):
    name, _, heads = name.partition(" ")
    settings = FEWER.get(name, {}) | ({"heads": heads} if heads else {})
    model = calibrated(models.build(name, SPEC, seed=0, **settings))
    program = program_of(Scoring(model, SPEC).eval(), made_up_rows(SPEC)).module()
    for n in (1, 2, 300):
        expected_NT = torch.tensor(predict(model, rows_of(n)))
        torch.testing.assert_close(program(**inputs_of(rows_of(n))), expected_NT, rtol=0, atol=1e-5)


def test_an_id_that_no_token_has_counts_as_unseen_and_never_as_another_fields():
    model = calibrated(models.build("shared_bottom", SPEC, seed=0))
    scoring, rows = Scoring(model, SPEC).eval(), made_up_rows(SPEC)
    beyond, unseen = ({**rows, "fields": rows["fields"].clone(), "lists": dict(rows["lists"])} for _ in range(2))
    for place, field in enumerate(SPEC.fields):
        beyond["fields"][:2, place] = torch.tensor([-1, field.width])
        unseen["fields"][:2, place] = 1
    for field in SPEC.lists:
        beyond["lists"][field.name] = torch.full((5, 3), field.width, dtype=torch.int32)
        unseen["lists"][field.name] = torch.ones(5, 3, dtype=torch.int32)
    assert torch.equal(scoring(**beyond), scoring(**unseen))
    assert not torch.equal(scoring(**beyond), scoring(**rows))


def test_a_slot_beyond_those_trained_on_counts_as_the_last_and_another_scenario_is_refused():
    """As the encoder has it, and for a log without slots, where none counts."""
    for n_positions in (4, 0):
        spec = replace(SPEC, n_positions=n_positions)
        model = models.build("shared_bottom", spec, seed=0).eval()
        if n_positions:
            nn.init.normal_(model.position.slots_SPT)
        rows = made_up_rows(spec)
        program = program_of(Scoring(model, spec).eval(), rows).module()
        for said, taken in ((5, n_positions), (99, n_positions), (-1, 0)):
            found, expected = (program(**rows | {"position": torch.full((5,), slot)}) for slot in (said, taken))
            assert torch.equal(found, expected)
    for place in (-1, 2):
        scenario = rows["scenario"].clone()
        scenario[3] = place
        with pytest.raises(RuntimeError, match="scenario: expected numbers from 0 to 1"):
            program(**rows | {"scenario": scenario})


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return calibrated(models.build("shared_bottom", SPEC, seed=0))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory) -> Path:
    """What export writes of it."""
    return export(Bundle(model, None, SPEC, {}, "shared_bottom"), tmp_path_factory.mktemp("exported") / "out")


def test_the_folder_says_what_its_inputs_are_and_is_never_overwritten(model, folder):
    names = ["inputs.json", "model.pt2", "rows.json", "score.py", "vocabulary.json"]
    assert sorted(one.name for one in folder.iterdir()) == names
    said = json.loads((folder / "inputs.json").read_text())
    assert said["sha256"] == sha256(folder / "model.pt2")
    assert [one["name"] for one in said["fields"]] == ["user", "secret", "item"]
    assert (said["scenarios"], said["tasks"], said["slots"]) == (["home", "map"], ["click", "order"], 4)
    assert said["largest_error"] <= 1e-5
    with pytest.raises(CheckpointError, match="out exists already"):
        export(Bundle(model, None, SPEC, {}, "shared_bottom"), folder)


def test_the_example_needs_only_torch_and_prints_the_models_probabilities(model, folder):
    _, _, code = (folder / "score.py").read_text().partition("import torch\n")
    assert len(code.split("\n")) <= 12
    watched = "import runpy, sys; runpy.run_path(sys.argv[1]); assert 'hinet_core' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", watched, str(folder / "score.py")],
        cwd="/", env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = made_up_rows(SPEC)
    data = Dataset(rows["fields"], rows["numbers"], rows["scenario"], rows["position"], torch.zeros(5, 2),
                   torch.ones(5, 2), rows["scenario"], rows["scenario"], lists=rows["lists"])  # fmt: skip
    expected = [[1 / (1 + math.exp(-z)) for z in row] for row in predict(model, data).tolist()]
    printed = [[float(word) for word in line.split()] for line in done.stdout.splitlines()]
    assert printed == [pytest.approx(row, abs=1e-5) for row in expected]


def test_nothing_in_the_program_is_pickled(folder):
    with zipfile.ZipFile(folder / "model.pt2") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    configs = [json.loads(text) for name, text in parts.items() if name.endswith("_config.json")]
    assert len(configs) == 2
    assert not any(one["use_pickle"] for config in configs for one in config["config"].values())
    assert not any(content[:2] in (b"\x80\x02", b"PK") for content in parts.values())


def test_a_model_that_looks_at_its_rows_values_is_refused_with_a_sentence(tmp_path):
    class Branching(nn.Module):
        def forward(self, batch):
            return batch.numbers_BN if batch.numbers_BN.sum() > 0 else -batch.numbers_BN

    with pytest.raises(CheckpointError, match="torch.export cannot follow Branching .* must not depend on the values"):
        save_program(Branching(), SPEC, made_up_rows(SPEC), tmp_path / "model.pt2")
    assert list(Path(tmp_path).iterdir()) == []
