"""Layers that every model shares.

B batch, D width of x, E experts, H hidden, I input, K knots, L list length, O output, P positions,
R rows of the table, S scenarios, T tasks.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.parts.open_rows import OpenRows

# Of a calibration curve: 64 intervals, so that six halvings find one.
HALVING = (32, 16, 8, 4, 2, 1)
KNOTS = 2 * HALVING[0] + 1
ALL = slice(None)


class FieldEmbedding(nn.Module):
    """Batch -> x_BD: embeddings of the id fields, mean-pooled lists, raw numbers, side by side.

    One table holds the rows of all fields, each at its own offset: one lookup and one optimizer state. Only
    features with `in_x` enter. Row 0 of an id field is learned ("missing" may tell something); id 0 of a
    list is padding and never counts, and an empty list is all zeros.

    Between `open_rows(batch)` and `close_rows()` that batch's rows are read from a copy of them, which takes the
    gradient: it is as small as the batch, and the table's own, as large as the table, is never made.
    """

    offsets_F: Tensor
    opened: OpenRows | None = None

    def __init__(self, spec: FeatureSpec, width: int, scenario_in_x: bool = False) -> None:
        super().__init__()
        self.scenario_in_x = scenario_in_x
        self.id_columns = [i for i, field in enumerate(spec.fields) if field.in_x]
        self.number_columns = [i for i, field in enumerate(spec.numbers) if field.in_x]
        self.all_numbers = len(self.number_columns) == len(spec.numbers)
        list_fields = [field for field in spec.lists if field.in_x]
        rows = [spec.fields[i].width for i in self.id_columns]
        rows += [len(spec.scenarios)] if scenario_in_x else []
        offsets = [sum(rows[:i]) for i in range(len(rows))]
        self.list_offsets: dict[str, int] = {}
        for field in list_fields:
            self.list_offsets[field.name] = sum(rows)
            rows.append(field.width)
        self.register_buffer("offsets_F", torch.tensor(offsets, dtype=torch.int64), persistent=False)
        self.table = nn.Parameter(torch.empty(sum(rows), width))
        # Small rows: a token seen once must not shout before it has learned anything.
        nn.init.normal_(self.table, std=0.05)
        self.width = len(rows) * width + len(self.number_columns)
        if not (self.id_columns or self.number_columns or list_fields):
            raise ValueError("no feature enters x: expected at least one field, number or list with in_x = true")

    def forward(self, batch: Batch) -> Tensor:
        """-> x_BD"""
        parts: list[Tensor] = []
        if len(self.offsets_F):
            parts.append(self._vectors(self._ids(batch) + self.offsets_F).flatten(1))
        parts += [self._pooled(batch.lists[name], offset) for name, offset in self.list_offsets.items()]
        if self.number_columns:
            numbers = batch.numbers_BN
            parts.append(numbers if self.all_numbers else numbers[:, self.number_columns])
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    def open_rows(self, batch: Batch, places_R: Tensor) -> OpenRows:
        """Forward passes over the batch, or parts of it, now read the copy. `places_R`: int32, one per row of the
        table, what is in it does not matter."""
        parts = [(self._ids(batch) + self.offsets_F).flatten()] if len(self.offsets_F) else []
        parts += [(batch.lists[name] + offset).flatten() for name, offset in self.list_offsets.items()]
        self.opened = OpenRows(self.table, torch.cat(parts) if parts else self.offsets_F, places_R)
        return self.opened

    def close_rows(self) -> None:
        """Read the table itself again."""
        self.opened = None

    def _vectors(self, rows: Tensor) -> Tensor:
        """Rows of the table, any shape -> the same shape and the width."""
        if self.opened is None:
            return functional.embedding(rows, self.table)
        return self.opened(rows)

    def _ids(self, batch: Batch) -> Tensor:
        ids_BF = batch.fields_BF
        if len(self.id_columns) != ids_BF.shape[1]:
            ids_BF = ids_BF[:, self.id_columns]
        return torch.cat([ids_BF, batch.scenario_B[:, None]], dim=1) if self.scenario_in_x else ids_BF

    def _pooled(self, ids_BL: Tensor, offset: int) -> Tensor:
        """Mean over the entries that are not padding -> (B, width)."""
        present_BL = (ids_BL > 0).to(self.table.dtype)
        vectors_BLD = self._vectors(ids_BL + offset)
        total_BD = (vectors_BLD * present_BL[..., None]).sum(dim=1)
        return total_BD / present_BL.sum(dim=1, keepdim=True).clamp(min=1)


class Experts(nn.Module):
    """E independent ReLU networks of equal shape on one input: x_BI -> expert outputs (E, B, H).

    The weights are stacked (E, I, O), so a layer is one product for all experts; expert e is row e of every
    parameter. The last layer has its ReLU too (`last_relu`), as in the code of HiNet's authors.
    """

    def __init__(
        self, n_experts: int, n_in: int, widths: Sequence[int], dropout: float = 0.0, last_relu: bool = True
    ) -> None:
        super().__init__()
        sizes = [n_in, *widths]
        self.dropout, self.last_relu = dropout, last_relu
        self.weights = nn.ParameterList(xavier(n_experts, n_in, n_out) for n_in, n_out in pairwise(sizes))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(n_experts, n_out)) for n_out in widths)

    def forward(self, x_BI: Tensor, which: slice = ALL) -> Tensor:
        """-> (E, B, H) of all experts, or of those in the slice."""
        first_EIO, first_bias_EO = self.weights[0][which], self.biases[0][which]
        n_experts, n_in, n_out = first_EIO.shape
        # All experts read the same x: their first layers are one wide product.
        wide_IW = first_EIO.transpose(0, 1).reshape(n_in, n_experts * n_out)
        hidden_BW = self._activate(torch.addmm(first_bias_EO.flatten(), x_BI, wide_IW), 0)
        hidden_EBH = hidden_BW.view(x_BI.shape[0], n_experts, n_out).transpose(0, 1)
        for layer, (weight_EIO, bias_EO) in enumerate(zip(self.weights[1:], self.biases[1:], strict=True), 1):
            hidden_EBH = self._activate(torch.baddbmm(bias_EO[which, None], hidden_EBH, weight_EIO[which]), layer)
        return hidden_EBH

    def _activate(self, hidden: Tensor, layer: int) -> Tensor:
        if self.last_relu or layer < len(self.weights) - 1:
            hidden = functional.relu(hidden)
        return dropout(hidden, self.dropout, self.training)


class MLP(nn.Module):
    """ReLU layers, then (with `n_out`) a linear one: (B, I) -> (B, n_out or the last width)."""

    def __init__(self, n_in: int, widths: Sequence[int], n_out: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in widths:
            layers += [linear(n_in, width), nn.ReLU(inplace=True)] + ([Dropout(dropout)] if dropout else [])
            n_in = width
        self.layers = nn.Sequential(*layers, *([linear(n_in, n_out)] if n_out else []))

    def forward(self, x_BI: Tensor) -> Tensor:
        """-> (B, O)"""
        return self.layers(x_BI)


class PositionTerm(nn.Module):
    """What the slot adds to the logit, per scenario and task: (scenario_B, position_B) -> (B, T).

    Starts at zero and stands outside x, so that a ranking at slot 1 never sees where the log showed the item.
    Slot 0 (unknown) adds exactly 0. A log without positions has no parameters here.
    """

    def __init__(self, n_scenarios: int, n_positions: int, n_tasks: int) -> None:
        super().__init__()
        self.slots_SPT = nn.Parameter(torch.zeros(n_scenarios, n_positions, n_tasks)) if n_positions else None

    def forward(self, scenario_B: Tensor, position_B: Tensor) -> Tensor | float:
        """-> (B, T), or 0.0 where the log has no positions"""
        if self.slots_SPT is None:
            return 0.0
        with_unknown_SPT = functional.pad(self.slots_SPT, (0, 0, 1, 0))
        return with_unknown_SPT[scenario_B, position_B]


class Calibration(nn.Module):
    """The last step of every model: the sampling of negatives is undone, then z_st -> a_st z_st + o_st(z_st).

    o_st is piecewise linear between knots and constant outside, one per scenario and task, and every slope is above 0:
    no ranking inside a scenario changes. With a = 1 it holds an isotonic regression, with constant o a line of Platt.
    Training sets the rates before it begins and the rest on the validation day at its end; all are identity before, and
    training itself sees the logits of the sample. Needed because dropout shifts what ReLU layers pass on, so that
    evaluation predicts too much. Computed in double, so that rounding never puts one row above another.
    """

    rate_S: Tensor
    scale_ST: Tensor
    knot_STK: Tensor
    offset_STK: Tensor

    def __init__(self, n_scenarios: int, n_tasks: int) -> None:
        super().__init__()
        shape_STK = (n_scenarios, n_tasks, KNOTS)
        self.is_bypassed = False
        self.register_buffer("rate_S", torch.ones(n_scenarios))
        self.register_buffer("scale_ST", torch.ones(n_scenarios, n_tasks, dtype=torch.float64))
        self.register_buffer("knot_STK", torch.arange(KNOTS, dtype=torch.float64).repeat(n_scenarios, n_tasks, 1))
        self.register_buffer("offset_STK", torch.zeros(shape_STK, dtype=torch.float64))

    def forward(self, logits_BT: Tensor, scenario_B: Tensor) -> Tensor:
        """-> (B, T)"""
        if self.training:
            return logits_BT
        logits_BT = without_sampling(logits_BT, self.rate_S[scenario_B])
        if self.is_bypassed:
            return logits_BT
        z_BT = logits_BT.double()
        return (self.scale_ST[scenario_B] * z_BT + self._offset(z_BT, scenario_B)).to(logits_BT.dtype)

    @contextmanager
    def bypassed(self) -> Iterator[None]:
        """Inside, the logits are those before calibration; the sampling is undone as ever."""
        before, self.is_bypassed = self.is_bypassed, True
        try:
            yield
        finally:
            self.is_bypassed = before

    def reset(self) -> None:
        """Back to identity, rates included."""
        fresh = Calibration(*self.scale_ST.shape).state_dict()
        self.load_state_dict(fresh)

    def _offset(self, z_BT: Tensor, scenario_B: Tensor) -> Tensor:
        """o_st(z), from the two knots around z -> (B, T)"""
        n_tasks = self.scale_ST.shape[1]
        knots, offsets = self.knot_STK.flatten(), self.offset_STK.flatten()
        # The first knot of each row's cell; halving steps then lead to the last knot that is not above z.
        place_BT = (scenario_B[:, None] * n_tasks + torch.arange(n_tasks, device=z_BT.device)) * KNOTS
        for step in HALVING:
            place_BT = place_BT + step * (knots[place_BT + step] <= z_BT)
        next_BT = place_BT + 1
        share_BT = ((z_BT - knots[place_BT]) / (knots[next_BT] - knots[place_BT])).clamp(0, 1)
        return torch.lerp(offsets[place_BT], offsets[next_BT], share_BT)


def funnel_product(logits_BT: Tensor, after: Sequence[int]) -> Tensor:
    """Logits of p_t = sigmoid(z_t) p_after(t): each task's chance given the step before it, times that step's own.

    `after[t]` is the index of the earlier step (less than t), -1 for none. The product of ESMM, for funnels of any
    length. p and 1 - p are carried as logarithms, since 1 - p q = (1 - p) + p (1 - q) loses nothing near 0 or 1.
    """
    yes_TB: list[Tensor] = []
    no_TB: list[Tensor] = []
    for z_B, before in zip(logits_BT.unbind(dim=1), after, strict=True):
        yes_B, no_B = functional.logsigmoid(z_B), functional.logsigmoid(-z_B)
        if before >= 0:
            no_B = torch.logaddexp(no_TB[before], yes_TB[before] + no_B)
            yes_B = yes_TB[before] + yes_B
        yes_TB.append(yes_B)
        no_TB.append(no_B)
    return torch.stack(yes_TB, dim=1) - torch.stack(no_TB, dim=1)


def without_sampling(logits_BT: Tensor, rate_B: Tensor) -> Tensor:
    """Logits for all rows from logits of a sample that kept rows without any positive at a rate w, and all others.

    Exact when a positive of any task is one of the first task, as in a funnel. Let a = P(first) and p = P(later) for
    all rows: the sample keeps a share Z = a + w (1 - a), with a' = a / Z and p' = p / Z, since all positives stay. So
    P(later | first) = p / a = p' / a' is what the sample shows, and p = c p' with c = Z = w / (1 - (1 - w) a').
    As logits, z = z' + log c - log(1 + (1 - c) e^z'), which for the first task is z' + log w.
    """
    w_B1, first_B1 = rate_B[:, None], logits_BT[:, :1]
    # 1 - (1 - w) a', with 1 - a' as the sigmoid of the negated logit: nothing cancels where a' is near 1.
    rest_B1 = (1 - w_B1) * torch.sigmoid(-first_B1)
    kept_B1 = w_B1 + rest_B1
    # Where nothing was left out (w = 1) the rest is 0: its logarithm would make every gradient not a number.
    lost_B1 = (rest_B1 / kept_B1).clamp(min=torch.finfo(rest_B1.dtype).tiny)
    log_c_B1, log_1_minus_c_B1 = torch.log(w_B1 / kept_B1), torch.log(lost_B1)
    return logits_BT + log_c_B1 - functional.softplus(logits_BT + log_1_minus_c_B1)


class Dropout(nn.Module):
    """`dropout` as a layer."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"dropout is {rate}, expected 0 <= rate < 1")
        self.rate = rate

    def forward(self, hidden: Tensor) -> Tensor:
        """Any shape -> the same shape"""
        return dropout(hidden, self.rate, self.training)


def dropout(hidden: Tensor, rate: float, training: bool) -> Tensor:
    """Zero a share `rate` of the entries and scale up the rest. On a CPU `rate` is rounded to 1/256, 255/256 at most.

    One random byte decides an entry there: torch's own draw costs eight times as much, and was 60 % of a
    HiNet step.
    """
    if not training or rate == 0:
        return hidden
    if hidden.device.type != "cpu":
        return functional.dropout(hidden, rate)
    return hidden * dropout_factor(hidden, rate)


def dropout_factor(hidden: Tensor, rate: float) -> Tensor:
    """What dropout multiplies with on a CPU: 0 or `dropout_scale`."""
    n = hidden.numel()
    words = torch.empty(n // 8 + 1, dtype=torch.int64).random_(-(2**63), None)
    # A byte b is kept where b >= k: clamp(b - k + 1, 0, 1), exact in bfloat16 too and a third of a comparison's time.
    bytes_n = words.view(torch.uint8)[:n].view(hidden.shape).to(hidden.dtype)
    return bytes_n.sub_(dropped_bytes(rate) - 1).clamp_(0, 1).mul_(dropout_scale(rate))


def dropout_scale(rate: float) -> float:
    """1 / (1 - rate), for the rate that a random byte can decide."""
    return 256 / (256 - dropped_bytes(rate))


def dropped_bytes(rate: float) -> int:
    """How many of a byte's 256 values drop an entry: never all, however near `rate` is to 1."""
    return min(round(rate * 256), 255)


def linear(n_in: int, n_out: int) -> nn.Linear:
    """Xavier weights and zero bias, as in the authors' code."""
    layer = nn.Linear(n_in, n_out)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def xavier(n_stack: int, n_in: int, n_out: int) -> nn.Parameter:
    """A stack of (n_in, n_out) matrices, each initialised as one layer of its own."""
    bound = math.sqrt(6 / (n_in + n_out))
    return nn.Parameter(torch.empty(n_stack, n_in, n_out).uniform_(-bound, bound))
