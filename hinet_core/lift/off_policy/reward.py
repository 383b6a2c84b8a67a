"""The reward model q-hat of the doubly robust estimates: orders per impression at slot effect 1, never of its own rows.

The estimate stays unbiased whatever q-hat is, if no row helped to fit what is subtracted from it: folds are whole users
(or requests). With y ~ theta q, q is the rate of y / theta weighted by theta: a Poisson regression with exposure theta.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import TargetEncoder

from hinet_core.lift.expected import NotEstimableError
from hinet_core.lift.off_policy.logged import Codes, Floats

FOLDS = 5
# Small steps: orders are rare, and what q-hat invents widens the interval.
LEARNING_RATE, ROUNDS, LEAVES = 0.05, 60, 8


@dataclass(frozen=True)
class CrossFitted:
    """`models[f]` has seen no row of the groups in fold f; `fold_N` is the fold of every row that was given."""

    models: tuple[Any, ...]
    fold_N: Codes

    def predict(self, feature_MF: NDArray[Any], fold_M: Codes) -> Floats:
        """(M,) q-hat in [0, 1], each by the model that has not seen its fold."""
        found = np.zeros(len(feature_MF))
        for fold in np.unique(fold_M):
            mine = fold_M == fold
            found[mine] = self.models[fold].predict(feature_MF[mine])
        return np.clip(found, 0.0, 1.0)


def cross_fit(
    feature_NF: NDArray[Any],
    outcome_N: Floats,
    theta_N: Floats,
    group_N: Codes,
    *,
    ids: tuple[int, ...] = (),
    folds: int = FOLDS,
    seed: int = 0,
) -> CrossFitted:
    """Fit one model per fold; columns `ids` of the features are codes of things (items), the others numbers."""
    n_groups = len(np.unique(group_N))
    if n_groups < folds:
        raise NotEstimableError(f"a cross-fitted reward model needs {folds} users or requests, found {n_groups}")
    fold_N = np.empty(len(outcome_N), dtype=np.int64)
    models = []
    splits = GroupKFold(folds, shuffle=True, random_state=seed).split(feature_NF, outcome_N, group_N)
    for fold, (train, held_out) in enumerate(splits):
        fold_N[held_out] = fold
        if not outcome_N[train].any():
            raise NotEstimableError(f"no order outside fold {fold}, so there is nothing to fit a reward model on")
        models.append(fitted(feature_NF[train], outcome_N[train], theta_N[train], ids, seed))
    return CrossFitted(tuple(models), fold_N)


def fitted(feature_NF: NDArray[Any], outcome_N: Floats, theta_N: Floats, ids: tuple[int, ...], seed: int) -> Any:
    """Ids become their shrunken rates, themselves cross-fitted, then trees under the Poisson loss."""
    encoder = TargetEncoder(target_type="continuous", cv=KFold(FOLDS, shuffle=True, random_state=seed))
    trees = HistGradientBoostingRegressor(
        loss="poisson", learning_rate=LEARNING_RATE, max_iter=ROUNDS, max_leaf_nodes=LEAVES, early_stopping=False,
        random_state=seed,
    )  # fmt: skip
    model = make_pipeline(ColumnTransformer([("ids", encoder, list(ids))], remainder="passthrough"), trees)
    return model.fit(feature_NF, outcome_N / theta_N, histgradientboostingregressor__sample_weight=theta_N)
