"""Encode examples into what models read: `Encoder`, `Dataset`, `window`, `cutoff_us`."""

from hinet_core.dataset.encoder import Encoder
from hinet_core.dataset.plan import EncodingError
from hinet_core.dataset.rows import Dataset
from hinet_core.dataset.tensors import Batch, FeatureSpec, FieldSpec
from hinet_core.dataset.window import NotEnoughDays, Window, cutoff_us, window

__all__ = [
    "Batch",
    "Dataset",
    "Encoder",
    "EncodingError",
    "FeatureSpec",
    "FieldSpec",
    "NotEnoughDays",
    "Window",
    "cutoff_us",
    "window",
]
