"""A trained model's logits on committed examples, and what was observed there. The only torch of evaluation."""

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray
from torch import Tensor, equal

from hinet_core.contract import Contract
from hinet_core.dataset import Dataset, FeatureSpec
from hinet_core.evaluation.rows import Rows, Scores
from hinet_core.training.arithmetic import threads
from hinet_core.training.checkpoint import ENCODER, Bundle, load
from hinet_core.training.loop import predict
from hinet_core.training.validation import uncalibrated

BATCH = 8192


class Encoded:
    """The examples of some days as tensors, with labels as known at `as_of`; models in a row that share an encoder, as
    seeds and peers on one window do, share the tensors."""

    def __init__(self, con: duckdb.DuckDBPyConnection, examples: duckdb.DuckDBPyRelation, as_of: date) -> None:
        self.con, self.examples, self.as_of = con, examples, as_of
        self._last: tuple[dict[str, str], Dataset] | None = None

    def by(self, bundle: Bundle) -> Dataset:
        all_files = bundle.description["sha256"] if bundle.description else {}
        files = {name: one for name, one in all_files.items() if name.startswith(f"{ENCODER}/")}
        if self._last is None or self._last[0] != files or not files:
            self._last = None  # frees the one before
            self._last = files, bundle.encoder.transform(self.con, self.examples, self.as_of)
        return self._last[1]


class Scorer:
    """One model folder, loaded once for all splits; one trained under another contract is refused."""

    def __init__(self, name: str, folder: Path, contract: Contract) -> None:
        self.name = name
        self.bundle = load(folder, contract=contract)

    @threads()
    def score(self, encoded: Encoded) -> tuple[Rows, Scores, NDArray[np.int64]]:
        """Rows with what was observed, the model's logits on them, and each row's day number."""
        data = encoded.by(self.bundle)
        logged = predict(self.bundle.model, data, BATCH)
        shown_first = data.at_first_slot()
        same = equal(shown_first.position_N, data.position_N)
        first = logged if same else predict(self.bundle.model, shown_first, BATCH)
        raw = uncalibrated(self.bundle.model, data, BATCH)
        scores = Scores(
            model=self.name, first_NT=_double(first), logged_NT=_double(logged), uncalibrated_NT=_double(raw)
        )
        return observed(data, self.bundle.spec), scores, data.day_N.numpy()


def observed(data: Dataset, spec: FeatureSpec) -> Rows:
    """The labels of a dataset; users are numbered by first appearance, whatever codes the encoder gave."""
    return Rows(
        scenarios=spec.scenarios,
        tasks=spec.tasks,
        scenario_N=data.scenario_N.numpy(),
        user_N=by_first_appearance(data.user_N.numpy()),
        label_NT=_double(data.labels_NT),
        counts_NT=data.label_mask_NT.numpy() > 0,
        request_N=None if data.request_N is None else data.request_N.numpy(),
    )


def by_first_appearance(code_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """7 7 3 9 3 becomes 0 0 1 2 1: equal for two codings of the same users in the same row order."""
    _, first, inverse = np.unique(code_N, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _double(values: Tensor | NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(values.numpy() if isinstance(values, Tensor) else values, dtype=np.float64)
