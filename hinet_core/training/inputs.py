"""What a training refuses of its rows, before the first step, and what it says of them.

K numbers, T tasks.
"""

import logging
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, Dataset, FeatureSpec

log = logging.getLogger(__name__)

CHECKED_AT_ONCE = 65_536  # rows; a mapped training set is never read whole
ENCODE = "encode the rows with the encoder whose spec the model was built with"


def check_rows(model: nn.Module, train: Dataset, valid: Dataset) -> None:
    """Raises ValueError for rows that cannot be learned from, or that are not of the model's spec."""
    if len(train) == 0:
        raise ValueError("the training set has no row: check the training window and which days are committed")
    spec = getattr(model, "spec", None)
    for part, data in (("training", train), ("validation", valid)):
        if isinstance(spec, FeatureSpec):
            _check_columns(spec, data, part)
        _check_label_values(data, part)
        _check_numbers(data, part)
        if isinstance(spec, FeatureSpec):
            _check_codes(spec, data, part)
    _check_known_labels(train)


def _check_columns(spec: FeatureSpec, data: Dataset, part: str) -> None:
    counts = {
        "id fields": (data.fields_NF.shape[1], len(spec.fields)),
        "numbers": (data.numbers_NK.shape[1], len(spec.numbers)),
        "tasks": (data.labels_NT.shape[1], len(spec.tasks)),
    }
    wrong = [f"{found} {what}, expected {expected}" for what, (found, expected) in counts.items() if found != expected]
    wrong += [f"no list {field.name}" for field in spec.lists if field.name not in data.lists]
    if wrong:
        raise ValueError(f"the {part} rows have {'; '.join(wrong)}: {ENCODE}")


def _check_label_values(data: Dataset, part: str) -> None:
    for batch in data.batches(CHECKED_AT_ONCE):
        wrong_BT = (batch.label_mask_BT > 0) & (batch.labels_BT != 0) & (batch.labels_BT != 1)
        if bool(wrong_BT.any()):
            task = int(wrong_BT.any(dim=0).nonzero()[0])
            found = batch.labels_BT[:, task][wrong_BT[:, task]][0].item()
            raise ValueError(
                f"task {task} of the {part} rows has the label {found:g}, expected 0 or 1: mask what is not known, and "
                "make a condition of what is a number"
            )


def _check_known_labels(train: Dataset) -> None:
    known_T, positive_T = torch.zeros(2, train.labels_NT.shape[1], dtype=torch.int64)
    for batch in train.batches(CHECKED_AT_ONCE):
        known_BT = batch.label_mask_BT > 0
        known_T += known_BT.sum(dim=0)
        positive_T += (known_BT & (batch.labels_BT > 0.5)).sum(dim=0)
    if not bool(known_T.any()):
        raise ValueError("no training row has a known label: the window may be younger than the labels' maturity")
    for task, (known, positive) in enumerate(zip(known_T.tolist(), positive_T.tolist(), strict=True)):
        if known and positive in (0, known):
            which, verb = ("all", "are") if positive else ("none", "is")
            said = f"{which} of {known} known labels of the training rows {verb} positive"
            log.warning("task %d: %s, so that is all that is learned of it", task, said)


def _check_numbers(data: Dataset, part: str) -> None:
    broken_K = torch.zeros(data.numbers_NK.shape[1], dtype=torch.bool)
    for batch in data.batches(CHECKED_AT_ONCE):
        broken_K |= ~torch.isfinite(batch.numbers_BN).all(dim=0)
    if bool(broken_K.any()):
        columns = broken_K.nonzero().flatten().tolist()
        raise ValueError(
            f"number columns {columns} of the {part} rows hold NaN or infinity: fill and scale them when encoding"
        )


def _check_codes(spec: FeatureSpec, data: Dataset, part: str) -> None:
    """All fields share a table: an id beyond its field would be learned as another field's."""
    for batch in data.batches(CHECKED_AT_ONCE):
        for name, codes, width in _codes(spec, batch):
            least, most = (int(one) for one in codes.aminmax()) if codes.numel() else (0, 0)
            if least < 0 or most >= width:
                found = least if least < 0 else most
                raise ValueError(
                    f"{name} of the {part} rows holds {found}, expected 0 to {width - 1}: {ENCODE}"
                )


def _codes(spec: FeatureSpec, batch: Batch) -> Iterator[tuple[str, Tensor, int]]:
    yield "the scenario", batch.scenario_B, len(spec.scenarios)
    if spec.n_positions:
        yield "the slot", batch.position_B, spec.n_positions + 1
    for field, ids_B in zip(spec.fields, batch.fields_BF.unbind(dim=1), strict=True):
        yield f"field {field.name}", ids_B, field.width
    for field in spec.lists:
        yield f"list {field.name}", batch.lists[field.name], field.width
