"""What moves the weights."""

from typing import Any

import torch
from torch import nn

from hinet_core.models.layers import FieldEmbedding
from hinet_core.training.config import TrainConfig


def adam(model: nn.Module, config: TrainConfig) -> torch.optim.Adam:
    """Adam; the embedding table alone carries L2."""
    tables = [module.table for module in model.modules() if isinstance(module, FieldEmbedding)]
    in_tables = {id(table) for table in tables}
    others = [parameter for parameter in model.parameters() if id(parameter) not in in_tables]
    groups: list[dict[str, Any]] = [{"params": others}]
    if tables:
        groups.append({"params": tables, "weight_decay": config.embedding_l2})
    return torch.optim.Adam(groups, lr=config.learning_rate, fused=True)
