"""Boosted trees as tensors: scikit-learn's fitted trees, evaluated by torch to the same sums.

B batch, C columns, L bins' edges, N nodes, R trees, W words of 64 bits.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

MISSING = 255  # the bin of a missing value; all others are below
MOST_BINS = 255
WORDS = 4  # 256 bins as bits
TREES_AT_ONCE = 32  # so that their nodes and rows stay in the processor's cache
LAST = torch.finfo(torch.float64).max  # an edge above every number


class Forest(nn.Module):
    """One task's trees on binned columns: every node knows for each bin whether it goes left. Empty trees add 0.

    The right child lies behind the left one. A leaf sends every bin to itself, so that all rows take `depth` steps.
    """

    feature_RN: Tensor
    left_RN: Tensor
    value_RN: Tensor
    goes_left_RNW: Tensor
    edge_CL: Tensor
    baseline: Tensor

    def __init__(self, n_trees: int, n_leaves: int, depth: int, n_numbers: int) -> None:
        super().__init__()
        self.depth = depth
        shape_RN = (n_trees, 2 * n_leaves - 1)
        self.register_buffer("feature_RN", torch.empty(shape_RN, dtype=torch.int64))
        self.register_buffer("left_RN", torch.empty(shape_RN, dtype=torch.int64))
        self.register_buffer("value_RN", torch.empty(shape_RN, dtype=torch.float64))
        self.register_buffer("goes_left_RNW", torch.empty((*shape_RN, WORDS), dtype=torch.int64))
        self.register_buffer("edge_CL", torch.empty((n_numbers, MOST_BINS - 1), dtype=torch.float64))
        self.register_buffer("baseline", torch.empty((), dtype=torch.float64))
        self.clear()

    def clear(self) -> None:
        """Back to no trees: each a single leaf of 0."""
        self.feature_RN.zero_()
        self.left_RN.copy_(torch.arange(self.left_RN.shape[1]))
        self.value_RN.zero_()
        self.goes_left_RNW.fill_(-1)
        self.edge_CL.fill_(LAST)
        self.baseline.zero_()

    def forward(self, code_BC: Tensor, number_BC: Tensor) -> Tensor:
        """Categories (B, ·) and numbers (B, ·), NaN for missing -> sum of the trees (B,)"""
        bin_BC = torch.cat([code_BC, self.bins(number_BC)], dim=1)
        total_B = self.baseline.expand(bin_BC.shape[0])
        n_trees = len(self.feature_RN)
        for first, last in pairwise([*range(0, n_trees, TREES_AT_ONCE), n_trees]):
            total_B = total_B + self._sum(bin_BC, slice(first, last))
        return total_B

    def bins(self, number_BC: Tensor) -> Tensor:
        """The bin of a number: how many edges lie below it."""
        bin_CB = torch.searchsorted(self.edge_CL, number_BC.t().contiguous())
        return torch.where(number_BC.isnan(), MISSING, bin_CB.t())

    def _sum(self, bin_BC: Tensor, trees: slice) -> Tensor:
        feature, left = self.feature_RN[trees].flatten(), self.left_RN[trees]
        n_trees, n_nodes = left.shape
        root_R = torch.arange(n_trees, device=left.device) * n_nodes
        left = (left + root_R[:, None]).flatten()
        words = self.goes_left_RNW[trees].flatten()
        node_BR = root_R.expand(bin_BC.shape[0], -1)
        for _ in range(self.depth):
            bin_BR = bin_BC.gather(1, feature[node_BR])
            goes_left_BR = (words[node_BR * WORDS + (bin_BR >> 6)] >> (bin_BR & 63)) & 1
            node_BR = left[node_BR] + 1 - goes_left_BR
        return self.value_RN[trees].flatten()[node_BR].sum(dim=1)

    def store(self, fitted: Any, n_trees: int, n_categories: int) -> None:
        """Take over the first `n_trees` of a HistGradientBoostingClassifier, whose first columns are categories."""
        self.baseline.fill_(float(fitted._baseline_prediction.ravel()[0]))
        for tree, (predictor,) in enumerate(fitted._predictors[:n_trees]):
            self._store_tree(tree, predictor)
        for column, edges in enumerate(fitted._bin_mapper.bin_thresholds_[n_categories:]):
            self.edge_CL[column, : len(edges)] = torch.from_numpy(np.asarray(edges, np.float64))

    def _store_tree(self, tree: int, predictor: Any) -> None:
        nodes, place = predictor.nodes, {0: 0}
        waiting, used = [0], 1
        while waiting:
            number = waiting.pop(0)
            node, here = nodes[number], place[number]
            if node["is_leaf"]:
                # Leaves stay as they were made: every bin goes "left", to the leaf itself.
                self.value_RN[tree, here] = float(node["value"])
                continue
            place[int(node["left"])], place[int(node["right"])] = used, used + 1
            self.feature_RN[tree, here] = int(node["feature_idx"])
            self.left_RN[tree, here] = used
            self.goes_left_RNW[tree, here] = torch.from_numpy(bits(node, predictor.binned_left_cat_bitsets))
            waiting += [int(node["left"]), int(node["right"])]
            used += 2


def bits(node: NDArray[Any], category_bits: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Bit b says whether bin b goes left: categories of the node's set, numbers up to its threshold."""
    left_256 = np.arange(256) <= node["bin_threshold"]
    if node["is_categorical"]:
        words_8 = category_bits[node["bitset_idx"]].astype("<u4")
        left_256 = np.unpackbits(words_8.view(np.uint8), bitorder="little").astype(bool)
    left_256[MISSING] = bool(node["missing_go_to_left"])
    return np.packbits(left_256, bitorder="little").view("<i8").astype(np.int64)
