"""A trained model as a `torch.export` program that other programs can run without this platform.

The folder holds model.pt2, what its inputs mean (inputs.json, vocabulary.json), some rows to try (rows.json), ten lines
that score them (score.py) and the model card. Nothing in it is pickled.

B batch, F id fields, K numbers, L list length, T tasks.
"""

import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, Encoder, FeatureSpec
from hinet_core.dataset.numbers import CLIP
from hinet_core.dataset.vocabulary import FIRST_ID, UNSEEN
from hinet_core.training.card import CARD, card
from hinet_core.training.checkpoint import Bundle, CheckpointError, sha256

PROGRAM, INPUTS, VOCABULARY, ROWS, EXAMPLE = "model.pt2", "inputs.json", "vocabulary.json", "rows.json", "score.py"
TOLERANCE = 1e-5  # of the logits, against the model itself
N_ROWS = 5
MEANING = {
    "fields": "the id of each id field's token as vocabulary.json has it: 0 padding, 1 a token that it has not; "
    "an id below 0 or not below `ids` is taken for 1",
    "hour, weekday": "where they are fields: 0 to 23, and 0 (Monday) to 6 (Sunday), both in `time_zone`",
    "numbers": "(transform(column) - mean) / scale, clipped at -4 and 4, 0 where missing, as `numbers` says",
    "lists": "per list the ids of the tokens read first (`encoding` says from which end), filled up with 0",
    "scenario": "the place of the scenario in `scenarios`, from 0; another number is an error",
    "position": "the slot: 1 to rank candidates, 0 where it is not known, higher ones to predict what was shown there; "
    "one above `slots` is taken for the last, one below 0 for 0",
    "output": "logits (rows, tasks), calibrated on the validation day; the sigmoid of one is a probability",
}
SCORE = '''"""Scores the rows of rows.json; needs torch and nothing else."""

import json
from pathlib import Path

import torch

here = Path(__file__).parent
kinds = {"fields": torch.int32, "numbers": torch.float32, "scenario": torch.int64, "position": torch.int64}
rows = json.loads((here / "rows.json").read_text())
inputs = {name: torch.tensor(rows[name], dtype=kind) for name, kind in kinds.items()}
inputs["lists"] = {name: torch.tensor(ids, dtype=torch.int32) for name, ids in rows["lists"].items()}
model = torch.export.load(here / "model.pt2").module()
for chances in model(**inputs).sigmoid().tolist():
    print(*(f"{chance:.6f}" for chance in chances))
'''


class Scoring(nn.Module):
    """A model as a function of plain tensors: rows without labels."""

    widths_F: Tensor

    def __init__(self, model: nn.Module, spec: FeatureSpec) -> None:
        super().__init__()
        self.model, self.n_tasks, self.n_positions = model, len(spec.tasks), spec.n_positions
        self.n_scenarios = len(spec.scenarios)
        self.width_of = {one.name: one.width for one in spec.lists}
        self.register_buffer("widths_F", torch.tensor([one.width for one in spec.fields], dtype=torch.int32))

    def forward(
        self, fields: Tensor, numbers: Tensor, lists: dict[str, Tensor], scenario: Tensor, position: Tensor
    ) -> Tensor:
        """-> logits (B, T), calibrated"""
        unknown_BT = numbers.new_zeros(numbers.shape[0], self.n_tasks)
        fields = known(fields, self.widths_F)
        lists = {name: known(ids, self.width_of[name]) for name, ids in lists.items()}
        position = position.clamp(0, self.n_positions)  # as the encoder does
        inside_B = (scenario >= 0) & (scenario < self.n_scenarios)
        torch._assert_async(inside_B.all(), f"scenario: expected numbers from 0 to {self.n_scenarios - 1}")
        return self.model(Batch(fields, numbers, lists, scenario, position, unknown_BT, unknown_BT))


def known(ids: Tensor, width: Tensor | int) -> Tensor:
    """An id that no token has becomes that of an unseen one: all fields share a table, and it would read another's."""
    return torch.where((ids >= 0) & (ids < width), ids, UNSEEN)


def export(bundle: Bundle, folder: Path) -> Path:
    """Write the folder, whole or not at all. -> folder

    Raises CheckpointError when it exists, or when the program does not give the model's logits to 1e-5.
    """
    if folder.exists():
        raise CheckpointError(f"{folder} exists already: name another folder, or remove it first")
    partial = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        rows = made_up_rows(bundle.spec)
        off = save_program(bundle.model, bundle.spec, rows, partial / PROGRAM)
        write_json(partial / INPUTS, inputs_of(bundle) | {"sha256": sha256(partial / PROGRAM), "largest_error": off})
        write_json(partial / VOCABULARY, words_of(bundle.encoder))
        write_json(partial / ROWS, {name: as_lists(value) for name, value in rows.items()})
        (partial / EXAMPLE).write_text(SCORE, encoding="utf-8")
        if bundle.description is not None:
            (partial / CARD).write_text(card(bundle.description), encoding="utf-8")
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder


def save_program(model: nn.Module, spec: FeatureSpec, rows: Mapping[str, Any], path: Path) -> float:
    """Write the program of a model in eval mode, for any number of rows. -> its largest difference from the model"""
    scoring = Scoring(model.cpu(), spec).eval()
    program = program_of(scoring, rows)
    # Example inputs are the one part of a .pt2 file that torch pickles.
    program.example_inputs = None
    # Into memory first: where a disk is full torch's own writing of a file ends the whole process.
    stored_bytes = io.BytesIO()
    torch.export.save(program, stored_bytes)
    path.write_bytes(stored_bytes.getvalue())
    stored = torch.export.load(path).module()
    off = 0.0
    with torch.inference_mode():
        for some in (rows, first_row(rows)):
            off = max(off, (stored(**some) - scoring(**some)).abs().max().item())
    if not off <= TOLERANCE:
        raise CheckpointError(f"the exported program is {off:.1e} off the model's logits, expected at most {TOLERANCE}")
    return off


def program_of(scoring: Scoring, rows: Mapping[str, Any]) -> torch.export.ExportedProgram:
    """The program, traced on these rows. Raises CheckpointError where it would hold for them alone."""
    n_rows = torch.export.Dim("rows")
    shapes = {name: {one: {0: n_rows} for one in rows["lists"]} if name == "lists" else {0: n_rows} for name in rows}
    try:
        return torch.export.export(scoring, (), dict(rows), dynamic_shapes=shapes)
    except Exception as error:  # torch raises what it likes here
        raise CheckpointError(
            f"torch.export cannot follow {type(scoring.model).__name__} ({str(error).splitlines()[0]}): what its "
            "forward does must not depend on the values of a batch nor on how many rows it has (x.shape[0], not len(x))"
        ) from error


def made_up_rows(spec: FeatureSpec, n: int = N_ROWS) -> dict[str, Any]:
    """Random rows that the model could meet, none from a log: ids of the vocabulary, every scenario in turn, slot 1."""
    draw = torch.Generator().manual_seed(0)

    def ids(width: int, *shape: int) -> Tensor:
        return torch.randint(min(UNSEEN, width - 1), width, shape, generator=draw, dtype=torch.int32)

    columns = [ids(field.width, n) for field in spec.fields]
    return {
        "fields": torch.stack(columns, dim=1) if columns else torch.zeros(n, 0, dtype=torch.int32),
        "numbers": torch.randn(n, len(spec.numbers), generator=draw),
        "lists": {field.name: ids(field.width, n, field.max_length) for field in spec.lists},
        "scenario": torch.arange(n) % len(spec.scenarios),
        "position": torch.ones(n, dtype=torch.int64),
    }


def inputs_of(bundle: Bundle) -> dict[str, Any]:
    """What a row's tensors hold and in which order, in JSON values."""
    spec, encoder = bundle.spec, bundle.encoder
    found: dict[str, Any] = {
        "model": bundle.name,
        "torch": torch.__version__,
        "meaning": MEANING,
        "fields": [{"name": one.name, "ids": one.width} for one in spec.fields],
        "numbers": [{"name": one.name} for one in spec.numbers],
        "lists": [{"name": one.name, "ids": one.width, "length": one.max_length} for one in spec.lists],
        "scenarios": list(spec.scenarios),
        "tasks": list(spec.tasks),
        "slots": spec.n_positions,
        "time_zone": bundle.meta.get("contract", {}).get("content", {}).get("time_zone"),
    }
    if isinstance(encoder, Encoder):
        found["numbers"] = [asdict(one) | {"clip": CLIP} for one in encoder.numbers]
        plan = asdict(encoder.plan)
        found["encoding"] = {name: plan[name] for name in ("ids", "buckets", "crosses", "made", "lists", "first_slot")}
    return found


def words_of(encoder: Any) -> dict[str, Any]:
    """Per field and list its tokens and their ids, from 2; `missing` is the id of a row without a value."""
    words: dict[str, Any] = {}
    rows = encoder.vocabulary.to_pylist() if isinstance(encoder, Encoder) else []
    for row in rows:
        field = words.setdefault(row["field"], {"tokens": {}, "missing": UNSEEN})
        if row["token"] is None:
            field["missing"] = row["id"]
        else:
            field["tokens"][row["token"]] = row["id"]
    return {"first_id": FIRST_ID, "unseen": UNSEEN, "fields": words}


def first_row(rows: Mapping[str, Any]) -> dict[str, Any]:
    lists = {name: ids_BL[:1] for name, ids_BL in rows["lists"].items()}
    return {name: lists if name == "lists" else value[:1] for name, value in rows.items()}


def as_lists(value: Any) -> Any:
    return {name: one.tolist() for name, one in value.items()} if isinstance(value, dict) else value.tolist()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
