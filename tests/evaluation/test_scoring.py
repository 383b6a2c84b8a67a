"""Rows are encoded once for all models whose encoder is the same, and again for one whose is not."""

from typing import Any

from torch import nn

from hinet_core.dataset import FeatureSpec
from hinet_core.evaluation.scoring import Encoded
from hinet_core.training.checkpoint import Bundle

SPEC = FeatureSpec((), (), (), ("a",), ("click",), 1)


class Counting:
    """An encoder whose rows are the number of times that any was asked."""

    asked = 0

    def transform(self, *_: Any) -> int:
        Counting.asked += 1
        return Counting.asked


def bundle(weights: str, encoder: str | None) -> Bundle:
    files = {"weights.safetensors": weights} | ({"encoder/plan.json": encoder} if encoder else {})
    return Bundle(nn.Identity(), Counting(), SPEC, {}, "mmoe", {"sha256": files})


def test_models_with_one_encoder_share_its_rows() -> None:
    encoded: Any = Encoded(None, None, None)  # type: ignore[arg-type]
    first = Counting.asked + 1
    rows = [encoded.by(bundle(*one)) for one in (("w1", "e1"), ("w2", "e1"), ("w3", "e2"), ("w4", "e1"))]
    assert rows == [first, first, first + 1, first + 2]


def test_a_model_whose_encoder_has_no_file_of_its_own_shares_nothing() -> None:
    encoded: Any = Encoded(None, None, None)  # type: ignore[arg-type]
    first = encoded.by(bundle("w1", None))
    assert encoded.by(bundle("w2", None)) == first + 1
    assert encoded.by(Bundle(nn.Identity(), Counting(), SPEC, {}, "mmoe")) == first + 2
