"""Rows with a planted rule for the trainer's tests."""

import torch

from hinet_core.dataset import Dataset, FeatureSpec, FieldSpec

SPEC = FeatureSpec(
    (FieldSpec("item", "id", 20),), (FieldSpec("price", "number"),), (), ("a", "b"), ("click", "order"), 3
)


def rows(n: int, seed: int = 0) -> Dataset:
    """A click follows the price, an order the price and the item; slot 1 doubles both."""
    g = torch.Generator().manual_seed(seed)
    price_N, item_N = torch.randn(n, generator=g), torch.randint(2, 20, (n,), generator=g)
    position_N = torch.randint(1, 4, (n,), generator=g)
    chance_NT = torch.stack([price_N, price_N + item_N % 2], dim=1) - 0.5 + (position_N == 1).float()[:, None]
    return Dataset(
        fields_NF=item_N[:, None],
        numbers_NK=price_N[:, None],
        scenario_N=torch.randint(0, 2, (n,), generator=g),
        position_N=position_N,
        labels_NT=(torch.rand(n, 2, generator=g) < chance_NT.sigmoid()).float(),
        label_mask_NT=torch.ones(n, 2),
        user_N=torch.arange(n) % 50,
        day_N=torch.zeros(n, dtype=torch.int64),
    )
