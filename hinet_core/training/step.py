"""One step of training: a batch's loss, its gradient, the optimizer, the averaged weights.

B batch, T tasks.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch
from hinet_core.models.layers import Calibration
from hinet_core.training.config import TrainConfig
from hinet_core.training.losses import BatchLoss
from hinet_core.training.optimizers import Optimizers
from hinet_core.training.precision import autocast_of
from hinet_core.training.schedule import rate_factor
from hinet_core.training.state import load_optimizer_state, optimizer_state
from hinet_core.training.stopping import AveragedWeights


class Stepper:
    """All that changes with every step: the model's weights, the optimizer's moments, the averaged weights.

    Whatever else `step` comes to change (learned weights of the loss, a counter) belongs into `state` and `load_state`,
    as tensors: a resumed training must end with the very bits of an undisturbed one.
    """

    def __init__(self, model: nn.Module, config: TrainConfig, n_tasks: int, total_steps: int = 0) -> None:
        self.model, self.config, self.total_steps = model, config, total_steps  # `total_steps` is for the schedule
        self.loss = BatchLoss(config, n_tasks, scenarios_of(model, config)).to(next(model.parameters()).device)
        self.optimizers = Optimizers(model, config, self.loss.parameters())
        self.averaged = AveragedWeights(model, config.ema_decay, self.optimizers.by_row)
        self.autocast = autocast_of(config.precision, next(model.parameters()).device)

    def step(self, batch: Batch) -> Tensor:
        """Learn from a batch. -> its loss per row and task (B, T), without gradient"""
        self.optimizers.set_rate(rate_factor(self.config, self.averaged.steps, self.total_steps))
        with self.optimizers.open(batch):
            loss_BT = self._backward(batch)
            self.optimizers.clip(self.config.clip_norm)
            self.optimizers.step()
            self.averaged.update(self.optimizers.changed)
        return loss_BT

    def _backward(self, batch: Batch) -> Tensor:
        """Add up the gradient of the batch, slice by slice -> loss per row and task (B, T).

        A row's weight is that in the whole batch: where its loss depends on no other row the sum is exact but for
        rounding. Dropout draws per slice, and STAR's partitioned normalization takes the statistics of each slice.
        """
        weight_BT, losses = self.loss.weights(batch), []
        size = self.config.slice_rows or len(batch)
        for at in range(0, len(batch), size):
            part = batch if size >= len(batch) else batch.map(lambda tensor, at=at: tensor[at : at + size])  # type: ignore[misc]
            with self.autocast:
                logits_BT = self.model(part)
            total, loss_NT = self.loss(logits_BT.float(), part, weight_BT[at : at + size])
            total.backward()
            losses.append(loss_NT)
        return torch.cat(losses)

    def state(self) -> dict[str, Tensor]:
        """Everything that `step` changes, by name; the tensors are the live ones, not copies."""
        state = under("model", self.model.state_dict()) | under("average", self.averaged.state())
        state |= under("loss", self.loss.state_dict())
        for place, one in enumerate(self.optimizers.all):
            state |= under(f"optimizer.{place}", optimizer_state(one))
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave, before the first step. Raises ValueError where it is of another model."""
        mine = {name: tuple(value.shape) for name, value in self.state().items()}
        found = {name: tuple(value.shape) for name, value in state.items()}
        if wrong := sorted(name for name, shape in mine.items() if found.get(name) != shape):
            raise ValueError(f"{wrong[0]} is {found.get(wrong[0], 'missing')}, expected {mine[wrong[0]]}")
        self.model.load_state_dict(part(state, "model"))
        for place, one in enumerate(self.optimizers.all):
            load_optimizer_state(one, part(state, f"optimizer.{place}"))
        self.averaged.load_state(part(state, "average"))
        self.loss.load_state_dict(part(state, "loss"))


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it."""
    return {name[len(prefix) + 1 :]: value for name, value in tensors.items() if name.startswith(f"{prefix}.")}


def scenarios_of(model: nn.Module, config: TrainConfig) -> int:
    """How many scenarios the loss can tell apart: those of the model's calibration, or one for all rows.

    Raises ValueError where the settings need more than the model says.
    """
    calibration = getattr(model, "calibration", None)
    if isinstance(calibration, Calibration):
        return len(calibration.rate_S)
    if config.scenario_weights or config.cell_weights or config.loss_mean == "scenario":
        raise ValueError(
            "the loss is to weigh scenarios, and this model does not say how many there are: give it a "
            "layers.Calibration named calibration, or remove scenario_weights, cell_weights and loss_mean"
        )
    return 1
