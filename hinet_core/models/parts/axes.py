"""Which row of a parameter belongs to what: labels of axes, by which a warm start finds an older model's weights.

A model that knows scenarios, tasks or columns of x by their place offers `axes(spec) -> Axes`. An axis without labels
is the same from model to model (hidden units). Embedding tables need none: their rows are tokens of the vocabulary.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from torch import nn

from hinet_core.dataset import FeatureSpec
from hinet_core.models.layers import MLP, FieldEmbedding

Label = Hashable
Axis = Sequence[Label] | None


@dataclass(frozen=True)
class Axes:
    """`of`: (beginning of) a parameter's name -> labels of its first axes; the longest beginning that fits counts.

    `members`: name of a list of modules -> the label of each, in the place of its number. Several are joined by `|`.
    """

    of: Mapping[str, tuple[Axis, ...]] = field(default_factory=dict)
    members: Mapping[str, Sequence[Label]] = field(default_factory=dict)

    def __or__(self, other: "Axes") -> "Axes":
        return Axes({**self.of, **other.of}, {**self.members, **other.members})


@dataclass(frozen=True)
class Scenario:
    """The label of a scenario's own part. What a new scenario starts from is the part of `SHARED`, if there is one."""

    name: str


SHARED = Scenario("")


def scenarios(spec: FeatureSpec) -> list[Scenario]:
    return [Scenario(name) for name in spec.scenarios]


def pairs(*parts: Sequence[Label]) -> list[Label]:
    """Every combination, the first part varying slowest: as rows of stacked experts and gates lie."""
    return list(product(*parts))


def of_x(fields: FieldEmbedding, spec: FeatureSpec) -> list[Label]:
    """The columns of x."""
    width = fields.table.shape[1]
    embedded = [spec.fields[i].name for i in fields.id_columns] + ["scenario of the row"] * fields.scenario_in_x
    numbers = [spec.numbers[i].name for i in fields.number_columns]
    columns = pairs(["id"], embedded, range(width)) + pairs(["list"], list(fields.list_offsets), range(width))
    return columns + pairs(["number"], numbers)


def of_linear(name: str, outputs: Axis, inputs: Axis = None) -> Axes:
    return Axes({f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)})


def of_mlp(name: str, mlp: MLP, inputs: Axis = None, outputs: Axis = None) -> Axes:
    """`outputs` label what the last layer gives; the units between are the same from model to model."""
    linears = [place for place, layer in enumerate(mlp.layers) if isinstance(layer, nn.Linear)]
    first, last = (f"{name}.layers.{place}" for place in (linears[0], linears[-1]))
    if first == last:
        return of_linear(first, outputs, inputs)
    return of_linear(first, None, inputs) | of_linear(last, outputs)


def of_experts(name: str, experts: Axis, inputs: Axis = None) -> Axes:
    first = {f"{name}.weights.0": (experts, inputs)}
    return Axes({f"{name}.weights": (experts,), f"{name}.biases": (experts,), **first})
