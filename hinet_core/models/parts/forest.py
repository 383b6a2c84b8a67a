"""Boosted trees as tensors: scikit-learn's fitted trees, evaluated by torch to the same sums.

B batch, C columns, I inner nodes of a tree, K numbers, L leaves, M edges of bins, R trees, V bins, W words of 64 bits.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

MISSING = 255  # the bin of a missing value; all others are below
MOST_BINS = 255
MOST_LEAVES = 63  # bits of a positive int64; up to 31 leaves take an int32, at half the cost
WORDS = 4  # 256 bins as bits
LAST = torch.finfo(torch.float64).max  # an edge above every number


class Forest(nn.Module):
    """One task's trees on binned columns; empty trees add 0.

    An inner node knows for each bin of its column whether it goes left, and which leaves lie on either side. From
    these follows, for every column and bin, which leaves of every tree can still be reached; the set that all columns
    of a row leave holds one leaf per tree. (The bit vectors of QuickScorer, Lucchese et al., SIGIR 2015, by bin.) It
    costs one lookup of a row per column, and no walk down the trees.
    """

    column_RI: Tensor
    goes_left_RIW: Tensor
    left_RI: Tensor
    right_RI: Tensor
    leaves_R: Tensor
    value_RL: Tensor
    edge_KM: Tensor
    baseline: Tensor
    reached_CVR: Tensor

    def __init__(self, n_trees: int, n_leaves: int, n_categories: int, n_numbers: int) -> None:
        super().__init__()
        if not 2 <= n_leaves <= MOST_LEAVES:
            raise ValueError(f"leaves is {n_leaves}, expected 2 to {MOST_LEAVES}")
        self.n_categories = n_categories
        word = torch.int32 if n_leaves <= 31 else torch.int64
        shape_RI = (n_trees, n_leaves - 1)
        self.register_buffer("column_RI", torch.empty(shape_RI, dtype=torch.int64))
        self.register_buffer("goes_left_RIW", torch.empty((*shape_RI, WORDS), dtype=torch.int64))
        for side in ("left_RI", "right_RI"):
            self.register_buffer(side, torch.empty(shape_RI, dtype=word))
        self.register_buffer("leaves_R", torch.empty(n_trees, dtype=word))
        self.register_buffer("value_RL", torch.empty((n_trees, n_leaves), dtype=torch.float64))
        self.register_buffer("edge_KM", torch.empty((n_numbers, MOST_BINS - 1), dtype=torch.float64))
        self.register_buffer("baseline", torch.empty((), dtype=torch.float64))
        shape_CVR = (n_categories + n_numbers, MISSING + 1, n_trees)
        self.register_buffer("reached_CVR", torch.empty(shape_CVR, dtype=word), persistent=False)
        self.register_load_state_dict_post_hook(lambda module, _: module.derive())
        self.clear()

    def clear(self) -> None:
        """Back to no trees: each a single leaf of 0."""
        for buffer in (self.column_RI, self.goes_left_RIW, self.left_RI, self.right_RI, self.value_RL, self.baseline):
            buffer.zero_()
        self.leaves_R.fill_(1)
        self.edge_KM.fill_(LAST)
        self.derive()

    def n_leaves(self) -> int:
        """Of all trees that are there."""
        leaves_R = torch.log2(self.leaves_R.double() + 1).round()
        return int(leaves_R[leaves_R > 1].sum())

    def forward(self, code_BC: Tensor, number_BK: Tensor) -> Tensor:
        """Categories as bins (B, ·), numbers with NaN for missing -> sum of the trees (B,)"""
        bin_BC = torch.cat([code_BC, self.bins(number_BK)], dim=1)
        left_BR = self.leaves_R
        for reached_VR, bin_B in zip(self.reached_CVR, bin_BC.unbind(dim=1), strict=True):
            left_BR = left_BR & reached_VR.index_select(0, bin_B)
        # One bit is left, and its logarithm is exact.
        leaf_BR = torch.log2(left_BR.double()).long()
        start_R = torch.arange(len(self.value_RL), device=leaf_BR.device) * self.value_RL.shape[1]
        return self.baseline + self.value_RL.flatten()[start_R + leaf_BR].sum(dim=1)

    def bins(self, number_BK: Tensor) -> Tensor:
        """The bin of a number: how many edges lie below it."""
        bin_KB = torch.searchsorted(self.edge_KM, number_BK.t().contiguous())
        return torch.where(number_BK.isnan(), MISSING, bin_KB.t())

    def derive(self) -> None:
        """Which leaves of each tree can still be reached, for each column and bin."""
        self.reached_CVR.copy_(self.leaves_R.expand_as(self.reached_CVR))
        bin_V = torch.arange(MISSING + 1, device=self.leaves_R.device)
        tree_R = torch.arange(len(self.leaves_R), device=self.leaves_R.device)
        for node in range(self.column_RI.shape[1]):
            words_RV = self.goes_left_RIW[:, node][:, bin_V >> 6]
            goes_left_RV = ((words_RV >> (bin_V & 63)) & 1).bool()
            lost_RV = torch.where(goes_left_RV, self.right_RI[:, node, None], self.left_RI[:, node, None])
            column_R = self.column_RI[:, node]
            self.reached_CVR[column_R, :, tree_R] &= ~lost_RV

    def store(self, fitted: Any) -> None:
        """Take over the trees of a HistGradientBoostingClassifier, whose first columns are the categories."""
        self.clear()
        self.baseline.fill_(float(fitted._baseline_prediction.ravel()[0]))
        for tree, (predictor,) in enumerate(fitted._predictors):
            self._store_tree(tree, predictor)
        for number, edges in enumerate(fitted._bin_mapper.bin_thresholds_[self.n_categories :]):
            self.edge_KM[number, : len(edges)] = torch.from_numpy(np.asarray(edges, np.float64))
        self.derive()

    def _store_tree(self, tree: int, predictor: Any) -> None:
        nodes = predictor.nodes
        leaves = {int(number): leaf for leaf, number in enumerate(np.flatnonzero(nodes["is_leaf"]))}
        self.leaves_R[tree] = (1 << len(leaves)) - 1
        for number, leaf in leaves.items():
            self.value_RL[tree, leaf] = float(nodes[number]["value"])
        under = {number: 1 << leaf for number, leaf in leaves.items()}
        # Children have higher numbers than their parent.
        for place, number in enumerate(int(one) for one in np.flatnonzero(nodes["is_leaf"] == 0)[::-1]):
            node = nodes[number]
            left, right = under[int(node["left"])], under[int(node["right"])]
            under[number] = left | right
            self.column_RI[tree, place] = int(node["feature_idx"])
            self.left_RI[tree, place], self.right_RI[tree, place] = left, right
            self.goes_left_RIW[tree, place] = torch.from_numpy(bits(node, predictor.binned_left_cat_bitsets))


def bits(node: NDArray[Any], category_bits: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Bit b says whether bin b goes left: categories of the node's set, numbers up to its threshold."""
    left_256 = np.arange(256) <= node["bin_threshold"]
    if node["is_categorical"]:
        words_8 = category_bits[node["bitset_idx"]].astype("<u4")
        left_256 = np.unpackbits(words_8.view(np.uint8), bitorder="little").astype(bool)
    left_256[MISSING] = bool(node["missing_go_to_left"])
    return np.packbits(left_256, bitorder="little").view("<i8").astype(np.int64)
