"""What a stored model relies on: SAN's matrix, gates, experts without a say, the importance of each field.

Read on the model's validation day: it chose the epoch and the calibration, but no weight was fitted to it, and no model
is judged on it. N rows.
"""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import from_numpy

from hinet_core.contract import Contract
from hinet_core.dataset import Dataset, FeatureSpec
from hinet_core.evaluation.gates import Finding, gate_findings
from hinet_core.evaluation.importance import importance
from hinet_core.evaluation.intervals import LEVEL
from hinet_core.evaluation.scoring import observed
from hinet_core.evaluation.true_scenarios import rank_correlation, true_similarity
from hinet_core.lake import Lake, connect
from hinet_core.models.hinet import HiNet
from hinet_core.training.arithmetic import threads
from hinet_core.training.checkpoint import load

MAX_ROWS = 100_000  # one pass over them per field
DRAWS = 200
EXPLANATIONS = pa.schema(
    [("run_id", pa.string()), ("model", pa.string()), ("as_of", pa.date32()), ("part", pa.string()),
     ("scenario_id", pa.string()), ("task", pa.string()), ("name", pa.string()), ("metric", pa.string()),
     ("value", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("level", pa.float64()), ("n", pa.int64()),
     ("reason", pa.string())]
)  # fmt: skip


def explain(contract: Contract, lake: Lake, models_root: Path, version: str, seed: int = 0) -> list[Finding]:
    """Explain a stored version and commit the findings as `explanations` of its model and day.

    Raises ValueError for a version that is not there or of another contract.
    """
    folder = models_root / version
    if not folder.is_dir():
        there = sorted(path.name for path in models_root.glob("[!.]*") if path.is_dir())
        raise ValueError(f"no version {version!r}: expected one of {', '.join(there) or 'none trained yet'}")
    bundle = load(folder, contract=contract)
    run, valid_day = bundle.meta["run"], date.fromisoformat(bundle.meta["days"]["valid"])
    as_of = date.fromisoformat(run["as_of"])
    con = connect()
    try:
        data = bundle.encoder.transform(con, lake.scan(con, "examples", [valid_day]), as_of)
    finally:
        con.close()
    found = findings(bundle.model, sample_of_users(data, MAX_ROWS, seed), bundle.spec, contract, seed)
    rows = [row_of(one, run["run_id"], run["model"], as_of) for one in found]
    with lake.begin(f"explain/{run['model']}", as_of) as draft:
        draft.write_rows("explanations", rows, EXPLANATIONS)
        draft.commit({"version": version, "day": valid_day.isoformat(), "seed": seed})
    return found


@threads()
def findings(
    model: Any, data: Dataset, spec: FeatureSpec, contract: Contract, seed: int = 0, draws: int = DRAWS
) -> list[Finding]:
    """Everything about a model on these rows: gates if it is a HiNet, and the importance of each field."""
    found: list[Finding] = []
    if isinstance(model, HiNet):
        found += gate_findings(model, data, spec, seed, draws)
        found += against_truth(model, spec, contract)
    return found + importance(model, data, observed(data, spec), spec, seed)


def against_truth(model: HiNet, spec: FeatureSpec, contract: Contract) -> list[Finding]:
    """The rank correlation of SAN's matrix with the true one, for a simulated log and a model with SAN."""
    layer = model.scenario_layer
    if contract.world is None or layer is None or layer.san is None:
        return []
    san_SS = layer.san().detach().double().cpu().numpy()
    found = rank_correlation(san_SS, true_similarity(contract, spec.scenarios))
    if found is None:
        return []
    said = f"p = {found.p:.2g} by {found.n} pairs of scenarios in random order; the training's seed is not in it"
    return [
        Finding(
            part="san", scenario_id="macro", task="", name="true similarity", metric="rank_correlation",
            value=found.value, n=found.n, reason=said,
        )
    ]  # fmt: skip


def sample_of_users(data: Dataset, max_rows: int, seed: int) -> Dataset:
    """All rows of users drawn at random, as many users as `max_rows` rows hold; at least one."""
    if len(data) <= max_rows:
        return data
    _, user_N, n_U = np.unique(data.user_N.numpy(), return_inverse=True, return_counts=True)
    order_U = np.random.default_rng(seed).permutation(len(n_U))
    wanted = max(1, int(np.searchsorted(np.cumsum(n_U[order_U]), max_rows, side="right")))
    kept_N: NDArray[np.int64] = np.flatnonzero(np.isin(user_N, order_U[:wanted]))
    return data.map(lambda tensor: tensor[from_numpy(kept_N)])


def row_of(one: Finding, run_id: str, model: str, as_of: date) -> dict[str, Any]:
    """A row of `explanations`."""
    return {"run_id": run_id, "model": model, "as_of": as_of, "level": LEVEL} | vars(one)
