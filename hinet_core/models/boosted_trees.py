"""Gradient boosted trees, one set per task, fitted by scikit-learn's HistGradientBoostingClassifier.

B batch, C columns, S scenarios, T tasks, W values of all categories.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hinet_core.dataset import Batch, Dataset, FeatureSpec
from hinet_core.models.parts.all_rows import check_inputs, flat_logit, has_both, known_labels, rows_of, slot_offsets
from hinet_core.models.parts.config import ModelConfig
from hinet_core.models.parts.forest import MISSING, MOST_BINS, Forest
from hinet_core.models.parts.task_model import TaskModel

WIDEST = 254  # values of a category; scikit-learn has 255 bins, one of them for what is missing


@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
    """Of each task's trees."""

    trees: int = 200  # at most; the validation rows decide how many are kept
    patience: int = 15  # trees without a better validation loss before stopping
    learning_rate: float = 0.1
    leaves: int = 31  # of a tree, at most
    depth: int = 8
    rows_per_leaf: int = 50  # at least
    columns_per_split: float = 0.3  # share of the columns that a split may choose from, drawn anew for each
    l2: float = 1.0
    max_rows: int = 1_000_000  # of the training set; more are drawn by the seed, since all lie in memory


PRESETS = {
    "quick": Config(),
    "paper": Config(trees=500, patience=30, learning_rate=0.05, rows_per_leaf=200, l2=20.0),
}


class BoostedTrees(TaskModel):
    """Batch -> logits_BT. Not trained by gradients: `fit_rows` stores the trees as tensors; none are there before.

    Columns: the scenario and every id field of up to 254 values as categories; numbers; a wider id field as the rank of
    its token by frequency (ids are ranks), missing where it was not seen; how many entries a list has. What a user or
    an item did is in the numbers. The slot is no column: its term per scenario, slot and task is fitted to what the
    trees leave. A task of which the training rows show one label alone gets the logit of its rate.
    """

    code_TW: Tensor

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        check_inputs(spec)
        c = self.config = config or Config()
        ids = [(i, field.width) for i, field in enumerate(spec.fields) if field.in_x]
        self.narrow = [i for i, width in ids if width <= WIDEST]
        self.wide = [i for i, width in ids if width > WIDEST]
        self.number_columns = [i for i, number in enumerate(spec.numbers) if number.in_x]
        self.list_names = [field.name for field in spec.lists if field.in_x]
        if len(spec.scenarios) > WIDEST:
            raise ValueError(f"the log has {len(spec.scenarios)} scenarios, expected at most {WIDEST} for these trees")
        widths = [len(spec.scenarios), *(spec.fields[i].width for i in self.narrow)]
        self.offsets = [sum(widths[:i]) for i in range(len(widths))]
        self.shape_SPT = (len(spec.scenarios), spec.n_positions, len(spec.tasks))
        # Which category of a task's trees a value is: scikit-learn counts those that its rows have from 0.
        self.register_buffer("code_TW", torch.full((len(spec.tasks), sum(widths)), MISSING))
        n_numbers = len(self.number_columns) + len(self.wide) + len(self.list_names)
        self.forests = nn.ModuleList(Forest(c.trees, c.leaves, len(widths), n_numbers) for _ in spec.tasks)
        self.add_end(spec)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        value_BC, number_BC = self.columns(batch)
        logits = [forest(self.code_TW[t][value_BC], number_BC) for t, forest in enumerate(self.forests)]
        return self.finish(torch.stack(logits, dim=1).float(), batch)

    def n_fitted(self) -> int:
        """Values of the leaves and each task's level; slots are parameters, and where trees split is not counted."""
        return sum(1 + cast(Forest, forest).n_leaves() for forest in self.forests)

    def columns(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """-> places of the categories' values in W (B, ·), numbers (B, ·) with NaN for what is missing."""
        ids_BF = batch.fields_BF.long()
        values = [batch.scenario_B, *(ids_BF[:, i] for i in self.narrow)]
        value_BC = torch.stack([value_B + start for value_B, start in zip(values, self.offsets, strict=True)], dim=1)
        rank_BC = ids_BF[:, self.wide].double()
        # Ids 0 and 1 are padding and unseen.
        rank_BC = torch.where(rank_BC < 2, torch.nan, rank_BC)
        length_BC = [(batch.lists[name] > 0).sum(dim=1, keepdim=True).double() for name in self.list_names]
        return value_BC, torch.cat([batch.numbers_BN[:, self.number_columns].double(), rank_BC, *length_BC], dim=1)

    def fit_rows(self, train: Dataset, valid: Dataset, config: Any, seed: int) -> None:
        """Fit every task's trees to the training rows; the loss on `valid` decides how many are kept.

        Without both labels among the known ones of `valid` all trees are.
        """
        rows, judged = rows_of(train, self.config.max_rows, seed), rows_of(valid, self.config.max_rows, seed)
        for task, module in enumerate(self.forests):
            forest = cast(Forest, module)
            place_N, label_N = known_labels(rows, task)
            if not has_both(label_N):
                forest.clear()
                forest.baseline.fill_(flat_logit(label_N))
                continue
            self._learn_codes(task, rows, place_N)
            matrix_NC = self.matrix(task, rows)[place_N]
            model = self.fitted(task, matrix_NC, label_N, judged, seed)
            forest.store(model)
            self._fit_slots(task, rows, place_N, label_N, model.decision_function(matrix_NC))

    def fitted(
        self, task: int, matrix_NC: NDArray[np.float64], label_N: NDArray[np.int64], judged: Batch, seed: int
    ) -> Any:
        """scikit-learn's model of one task, with the trees up to the least loss on the validation rows."""
        from sklearn.ensemble import HistGradientBoostingClassifier  # costs a second to import

        c = self.config
        judged_N, judged_label_N = known_labels(judged, task)
        stops = has_both(judged_label_N)
        model = HistGradientBoostingClassifier(
            learning_rate=c.learning_rate,
            max_iter=c.trees,
            max_leaf_nodes=c.leaves,
            max_depth=c.depth,
            min_samples_leaf=c.rows_per_leaf,
            l2_regularization=c.l2,
            max_bins=MOST_BINS,
            max_features=c.columns_per_split,
            categorical_features=list(range(len(self.offsets))),
            early_stopping=stops,
            n_iter_no_change=c.patience,
            random_state=seed,
        )
        if not stops:
            return model.fit(matrix_NC, label_N)
        judged_NC = self.matrix(task, judged)[judged_N]
        model.fit(matrix_NC, label_N, X_val=judged_NC, y_val=judged_label_N)
        # Scores are negated losses, the first one before any tree.
        model._predictors = model._predictors[: int(np.argmax(model.validation_score_))]
        return model

    def matrix(self, task: int, batch: Batch) -> NDArray[np.float64]:
        """What scikit-learn reads (B, C): categories' codes, NaN for one that the training rows lack, then numbers."""
        value_BC, number_BC = self.columns(batch)
        code_BC = self.code_TW[task][value_BC].double()
        return torch.cat([torch.where(code_BC == MISSING, torch.nan, code_BC), number_BC], dim=1).numpy()

    def _learn_codes(self, task: int, rows: Batch, place_N: NDArray[np.int64]) -> None:
        value_BC, _ = self.columns(rows)
        self.code_TW[task] = MISSING
        for values_B in value_BC[torch.from_numpy(place_N)].unbind(dim=1):
            present = values_B.unique()
            self.code_TW[task, present] = torch.arange(len(present))

    @torch.no_grad()
    def _fit_slots(
        self,
        task: int,
        rows: Batch,
        place_N: NDArray[np.int64],
        label_N: NDArray[np.int64],
        logit_N: NDArray[np.float64],
    ) -> None:
        if self.position.slots_SPT is None:
            return
        n_scenarios, n_positions, _ = self.shape_SPT
        slot_N = rows.position_B.numpy()[place_N]
        shown_N = slot_N > 0
        cell_N = rows.scenario_B.numpy()[place_N] * n_positions + slot_N - 1
        offset_C = slot_offsets(logit_N[shown_N], label_N[shown_N], cell_N[shown_N], n_scenarios * n_positions)
        self.position.slots_SPT[..., task] = torch.from_numpy(offset_C.reshape(n_scenarios, n_positions))


def build(spec: FeatureSpec, config: Config) -> BoostedTrees:
    return BoostedTrees(spec, config)
