"""What moves the weights: Adam for the network, and for an embedding table Adam or a rule for the batch's rows alone.

D width, R rows of the table, U distinct rows of a batch.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch
from hinet_core.models.layers import FieldEmbedding
from hinet_core.training.config import TrainConfig


class RowRule(torch.optim.Optimizer):
    """Moves the open rows of one `FieldEmbedding`; the other rows and their state stay as they are.

    L2 is coupled (added to the gradient) and reaches the open rows only: a row that is read in a share of the batches
    is pulled to zero in that share of the steps. State is tensors with a row per row of the table.
    """

    def __init__(self, fields: FieldEmbedding, learning_rate: float, l2: float) -> None:
        super().__init__([fields.table], {"lr": learning_rate, "weight_decay": l2})
        self.fields = fields
        self.places_R = torch.zeros(len(fields.table), dtype=torch.int32, device=fields.table.device)
        self.state[fields.table] = self.fresh_state(fields.table.detach())

    def open(self, batch: Batch) -> None:
        self.fields.open_rows(batch, self.places_R)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the open rows by the gradient that their copy has taken."""
        opened, group = self.fields.opened, self.param_groups[0]
        if opened is None or opened.values_UD.grad is None:
            return
        values_UD = opened.values_UD.detach()
        grad_UD = opened.values_UD.grad.add(values_UD, alpha=group["weight_decay"])
        move_UD = self.direction(opened.rows_U, grad_UD, self.state[self.fields.table])
        self.fields.table.index_copy_(0, opened.rows_U, values_UD - group["lr"] * move_UD)

    def fresh_state(self, table_RD: Tensor) -> dict[str, Tensor]:
        raise NotImplementedError

    def direction(self, rows_U: Tensor, grad_UD: Tensor, state: dict[str, Tensor]) -> Tensor:
        """-> (U, D), what the learning rate is multiplied with; the rows' state takes in the gradient."""
        raise NotImplementedError


class RowwiseAdagrad(RowRule):
    """w -= lr g / (sqrt(G) + eps) with one G per row, the sum over its steps of the mean of g^2 over the width."""

    EPS = 1e-8

    def fresh_state(self, table_RD: Tensor) -> dict[str, Tensor]:
        return {"sum_R": table_RD.new_zeros(len(table_RD))}

    def direction(self, rows_U: Tensor, grad_UD: Tensor, state: dict[str, Tensor]) -> Tensor:
        sum_U = state["sum_R"].index_select(0, rows_U) + grad_UD.square().mean(dim=1)
        state["sum_R"].index_copy_(0, rows_U, sum_U)
        return grad_UD / sum_U.sqrt().add_(self.EPS)[:, None]


class TouchedAdam(RowRule):
    """Each row's own Adam (Kingma and Ba, 2015), whose steps are the batches that read the row.

    DEPARTS from `torch.optim.SparseAdam`, whose bias correction counts all steps of the training: there a row that is
    first read late moves by up to 3 learning rates, here by one.
    """

    BETAS, EPS = (0.9, 0.999), 1e-8

    def fresh_state(self, table_RD: Tensor) -> dict[str, Tensor]:
        first_RD, second_RD = torch.zeros_like(table_RD), torch.zeros_like(table_RD)
        return {"first_RD": first_RD, "second_RD": second_RD, "steps_R": table_RD.new_zeros(len(table_RD))}

    def direction(self, rows_U: Tensor, grad_UD: Tensor, state: dict[str, Tensor]) -> Tensor:
        (beta1, beta2), state_of = self.BETAS, {name: one.index_select(0, rows_U) for name, one in state.items()}
        first_UD = state_of["first_RD"].lerp_(grad_UD, 1 - beta1)
        second_UD = state_of["second_RD"].mul_(beta2).addcmul_(grad_UD, grad_UD, value=1 - beta2)
        steps_U = state_of["steps_R"].add_(1)
        for name, one in state_of.items():
            state[name].index_copy_(0, rows_U, one)
        bias1_U1, bias2_U1 = (1 - beta1**steps_U)[:, None], (1 - beta2**steps_U)[:, None]
        return (first_UD / bias1_U1) / (second_UD / bias2_U1).sqrt_().add_(self.EPS)


RULES: dict[str, type[RowRule]] = {"rowwise_adagrad": RowwiseAdagrad, "touched_adam": TouchedAdam}


class Optimizers:
    """All optimizers of a model, as one: `dense` for whole parameters, `rows` with a rule per embedding table.

    `of_loss`: parameters that are not the model's. They have an Adam of their own, without decay and clipping.
    """

    def __init__(self, model: nn.Module, config: TrainConfig, of_loss: Iterable[nn.Parameter] = ()) -> None:
        tables = [module for module in model.modules() if isinstance(module, FieldEmbedding)]
        by_row = RULES.get(config.embedding_optimizer)
        rate = config.embedding_learning_rate or config.learning_rate
        self.rows = [by_row(table, rate, config.embedding_l2) for table in tables] if by_row else []
        self.dense = dense(model, [fields.table for fields in tables], config)
        if more := list(of_loss):
            self.dense.append(torch.optim.Adam(more, lr=config.learning_rate, fused=True))
        self.rates = [[group["lr"] for group in one.param_groups] for one in self.all]
        in_rows = {id(rule.fields.table) for rule in self.rows}
        self.whole = [parameter for parameter in model.parameters() if id(parameter) not in in_rows]

    def set_rate(self, factor: float) -> None:
        """Multiply the learning rates of the settings with the schedule's factor."""
        for one, rates in zip(self.all, self.rates, strict=True):
            for group, rate in zip(one.param_groups, rates, strict=True):
                group["lr"] = factor * rate

    @contextmanager
    def open(self, batch: Batch) -> Iterator[None]:
        """Inside, gradients of this batch are taken, and `step` applies them."""
        for one in self.dense:
            one.zero_grad()
        for rule in self.rows:
            rule.open(batch)
        try:
            yield
        finally:
            for rule in self.rows:
                rule.fields.close_rows()

    def clip(self, max_norm: float) -> None:
        """Scale all gradients down to a common norm of `max_norm`. Rows that the batch does not read have none."""
        if max_norm == math.inf:
            return
        copies = [rule.fields.opened.values_UD for rule in self.rows if rule.fields.opened is not None]
        nn.utils.clip_grad_norm_([*self.whole, *copies], max_norm)

    @property
    def all(self) -> list[torch.optim.Optimizer]:
        """Each of them; what it keeps is in `state[parameter]` as tensors (training/state.py)."""
        return [*self.dense, *self.rows]

    @property
    def by_row(self) -> list[nn.Parameter]:
        """The parameters that only some rows of change in a step."""
        return [rule.fields.table for rule in self.rows]

    @property
    def changed(self) -> list[tuple[Tensor, Tensor]]:
        """For each of them, inside `open`: the batch's rows and what they were before the step."""
        opened = [rule.fields.opened for rule in self.rows]
        return [(one.rows_U, one.values_UD.detach()) for one in opened if one is not None]

    def step(self) -> None:
        for one in self.all:
            one.step()


def dense(model: nn.Module, tables: list[nn.Parameter], config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Adam or AdamW for the network and, unless a rule moves its rows, Adam for the table, which alone carries L2."""
    in_tables = {id(table) for table in tables}
    others = [parameter for parameter in model.parameters() if id(parameter) not in in_tables]
    settings: dict[str, Any] = {"lr": config.learning_rate, "fused": True}
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    found: list[torch.optim.Optimizer] = [kind(others, **settings, weight_decay=config.weight_decay)] if others else []
    if tables and config.embedding_optimizer == "dense_adam":
        rate = config.embedding_learning_rate or config.learning_rate
        found.append(torch.optim.Adam(tables, lr=rate, fused=True, weight_decay=config.embedding_l2))
    return found
