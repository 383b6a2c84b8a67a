"""Scores of trained models on candidates, from the same features that logged rows get. The only torch of lift."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hinet_core.contract import Contract
from hinet_core.dataset import Dataset
from hinet_core.evaluation.scoring import Encoded
from hinet_core.features.examples import examples
from hinet_core.lake import Lake
from hinet_core.training.checkpoint import Bundle, load
from hinet_core.training.loop import predict

BATCH = 8192


class ModelRankers:
    """Frozen models as `Rankers`: a candidate's score is its logit of the funnel's last task in slot 1."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, folders: Mapping[str, Path]
    ) -> None:
        self.con, self.contract, self.lake = con, contract, lake
        self.bundles: dict[str, Bundle] = {
            name: load(folder, contract=contract) for name, folder in folders.items()
        }

    def __call__(self, candidates: pa.Table, day: date) -> dict[str, NDArray[np.floating]]:
        self.con.register("candidates", candidates)
        rows = examples(self.con, self.contract, self.con.table("candidates"), day, self.lake)
        # Computed once for all models, and encoded once for models in a row that share an encoder.
        found = rows.order("record_number").to_arrow_table()
        self.con.register("candidate_examples", found)
        encoded = Encoded(self.con, self.con.table("candidate_examples"), day)
        return {name: self._score(bundle, encoded, candidates) for name, bundle in self.bundles.items()}

    def _score(self, bundle: Bundle, encoded: Encoded, candidates: pa.Table) -> NDArray[np.floating]:
        data = encoded.by(bundle).at_first_slot()
        require_same_rows(data, candidates, bundle.spec.scenarios)
        return predict(bundle.model, data, BATCH)[:, -1]


def require_same_rows(data: Dataset, candidates: pa.Table, scenarios: tuple[str, ...]) -> None:
    """Row n of the dataset must be candidate n: a score on another row would be a wrong lift, silently."""
    expected = np.array([scenarios.index(one) for one in candidates["scenario_id"].to_pylist()])
    found = data.scenario_N.numpy()
    numbered = np.array_equal(candidates["record_number"].to_numpy(), np.arange(len(expected)))
    if not numbered or not np.array_equal(found, expected):
        raise ValueError(
            f"expected {len(expected)} candidates in their order after encoding, found {len(found)} rows in another "
            "order; number the candidates from 0, and let features and encoder keep every row"
        )
