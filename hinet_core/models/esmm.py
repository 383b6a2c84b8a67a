"""ESMM: conversion over all exposures, as the click's chance times the conversion's given a click.

Ma et al., "Entire Space Multi-Task Model", SIGIR 2018. B batch, D width of x, T tasks.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.layers import MLP, Dropout, FieldEmbedding, funnel_product
from hinet_core.models.parts.axes import Axes, of_mlp, of_x
from hinet_core.models.parts.config import ModelConfig
from hinet_core.models.parts.task_model import TaskModel


@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
    """DEPARTS: the scenario, of which the paper has one, enters as one more id in x."""

    embedding: int = 8  # width of every field's embedding
    widths: tuple[int, ...] = (128, 64)  # of each step's own network
    input_dropout: float = 0.0
    dropout: float = 0.0  # after each of these layers
    scenario_in_x: bool = True


PRESETS = {
    "quick": Config(input_dropout=0.1, dropout=0.3),
    "paper": Config(embedding=18, widths=(360, 200, 80)),
}


class ESMM(TaskModel):
    """Batch -> logits_BT of each step over all exposures: never above the logit of the step before it.

    The steps share the embedding alone. DEPARTS: a funnel of any length, and the calibration after the product is
    fitted per task, so that calibrated probabilities keep the order only as far as the data do.
    """

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        c = self.config = config or Config()
        if len(spec.after) != len(spec.tasks):
            raise ValueError(
                f"ESMM multiplies along the funnel, but the feature spec says nothing of it (after is {spec.after}, "
                f"expected one entry for each of {spec.tasks}): encode the examples anew, or take another model"
            )
        self.after = spec.after
        self.fields = FieldEmbedding(spec, c.embedding, c.scenario_in_x)
        self.input_dropout = Dropout(c.input_dropout)
        self.steps = nn.ModuleList(MLP(self.fields.width, c.widths, 1, c.dropout) for _ in spec.tasks)
        self.add_end(spec)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        x_BD = self.input_dropout(self.fields(batch))
        step_BT = torch.cat([step(x_BD) for step in self.steps], dim=1)
        # DEPARTS: the slot acts on each step of the funnel, so that the product keeps its order at every slot.
        step_BT = step_BT + self.position(batch.scenario_B, batch.position_B)
        # pCTCVR = pCTR pCVR, equation 1; both losses are over all exposures, none over clicks alone (equation 5).
        return self.calibration(funnel_product(step_BT, self.after), batch.scenario_B)

    def axes(self, spec: FeatureSpec) -> Axes:
        """For a warm start."""
        axes = self.end_axes(spec) | Axes(members={"steps": spec.tasks})
        for place, step in enumerate(self.steps):
            axes |= of_mlp(f"steps.{place}", cast(MLP, step), of_x(self.fields, spec))
        return axes


def build(spec: FeatureSpec, config: Config) -> ESMM:
    return ESMM(spec, config)
