"""One step of training: a batch's loss, its gradient, the optimizer, the averaged weights.

B batch, T tasks.
"""

from torch import Tensor, nn, tensor

from hinet_core.dataset import Batch
from hinet_core.training.config import TrainConfig
from hinet_core.training.losses import masked_bce, total_loss
from hinet_core.training.optimizers import Optimizers
from hinet_core.training.stopping import AveragedWeights


class Stepper:
    """All that changes with every step: the model's weights, the optimizer's moments, the averaged weights."""

    def __init__(self, model: nn.Module, config: TrainConfig, n_tasks: int) -> None:
        self.model, self.config = model, config
        self.optimizers = Optimizers(model, config)
        self.averaged = AveragedWeights(model, config.ema_decay, self.optimizers.by_row)
        device = next(model.parameters()).device
        self.weight_T = tensor(config.task_weights or [1.0] * n_tasks, device=device)

    def step(self, batch: Batch) -> Tensor:
        """Learn from a batch. -> its loss per row and task (B, T), without gradient"""
        with self.optimizers.open(batch):
            loss_BT = masked_bce(self.model(batch), batch.labels_BT, batch.label_mask_BT)
            total_loss(loss_BT, self.weight_T).backward()
            self.optimizers.clip(self.config.clip_norm)
            self.optimizers.step()
            self.averaged.update(self.optimizers.changed)
        return loss_BT.detach()
