"""What a shuffled field costs, on rows whose labels are known to follow one number and one list."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from hinet_core.contract import load_contract
from hinet_core.dataset import Dataset, FeatureSpec, FieldSpec
from hinet_core.evaluation.cells import judge
from hinet_core.evaluation.comparison import paired_deltas
from hinet_core.evaluation.explain import findings
from hinet_core.evaluation.importance import importance, order_inside, scored, scored_again, shuffles
from hinet_core.evaluation.rows import Scores
from hinet_core.evaluation.scoring import observed

SPEC = FeatureSpec(
    fields=(FieldSpec("city", "id", 4), FieldSpec("hidden", "id", 4, in_x=False)),
    numbers=(FieldSpec("price", "number"), FieldSpec("noise", "number")),
    lists=(FieldSpec("tags", "list", 5, max_length=2),),
    scenarios=("a", "b"),
    tasks=("click",),
)
N = 600


class Known(nn.Module):
    """Click follows the price; in scenario b the city too, which is one city in scenario a. The rest says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, batch):
        assert (batch.position_B <= 1).all()
        in_b_B = batch.scenario_B == 1
        return (self.weight * batch.numbers_BN[:, 0] + 2.0 * in_b_B * (batch.fields_BF[:, 0] == 3))[:, None]


def planted() -> Dataset:
    g = torch.Generator().manual_seed(0)
    scenario_N = (torch.arange(N) % 3 == 0).long()
    city_N = torch.where(scenario_N == 0, 1, torch.randint(2, 4, (N,), generator=g))
    data = Dataset(
        fields_NF=torch.stack([city_N, torch.zeros(N, dtype=torch.int64)], dim=1),
        numbers_NK=torch.randn(N, 2, generator=g),
        scenario_N=scenario_N,
        position_N=torch.full((N,), 3),
        labels_NT=torch.zeros(N, 1),
        label_mask_NT=torch.ones(N, 1),
        user_N=torch.arange(N) // 4,
        day_N=torch.zeros(N, dtype=torch.int64),
        lists={"tags": torch.randint(0, 5, (N, 2), generator=g)},
    )
    with torch.no_grad():
        chance_NT = Known()(data.at_first_slot().batch(slice(None))).sigmoid()
    data.labels_NT = (torch.rand(N, 1, generator=g) < chance_NT).float()
    return data


@pytest.fixture(scope="module")
def found():
    data = planted()
    rows = importance(Known(), data, observed(data, SPEC), SPEC, seed=1)
    return {(one.name, one.scenario_id): one for one in rows}


def test_a_field_that_the_model_ignores_costs_exactly_nothing(found):
    for name in ("noise", "tags"):
        for place in ("a", "b", "pooled", "macro"):
            one = found[name, place]
            assert (one.value, one.low, one.high) == (0.0, 0.0, 0.0)


def test_a_field_that_is_the_same_in_all_rows_of_a_scenario_costs_nothing_there(found):
    assert found["city", "a"].value == 0.0
    assert found["city", "b"].value > 0.02


def test_a_field_that_the_labels_follow_costs_auc_beyond_its_interval(found):
    one = found["price", "a"]
    assert one.value > 0.1 and one.low > 0.0
    assert (one.task, one.metric, one.n) == ("click", "auc_drop", 400)


def test_a_drop_is_the_auc_before_minus_the_auc_after(found):
    data = planted()
    (shuffled,) = (changed for name, changed in shuffles(data, SPEC, seed=1) if name == "price")
    inside = (data.scenario_N == 1).numpy()
    labels = data.labels_NT[inside, 0]

    def auc(rows):
        with torch.no_grad():
            return roc_auc_score(labels, Known()(rows.at_first_slot().batch(slice(None)))[inside, 0])

    assert found["price", "b"].value == pytest.approx(auc(data) - auc(shuffled))


def test_the_interval_is_that_of_the_bootstrap_over_users(found):
    """400 draws give a width to 4 %, and its ends are those of a distribution that is not quite normal."""
    data = planted()
    rows = observed(data, SPEC)
    (shuffled,) = (changed for name, changed in shuffles(data, SPEC, seed=1) if name == "price")
    before, after = (scored(Known(), one.at_first_slot()) for one in (data, shuffled))
    scores = [Scores(model="", first_NT=one, logged_NT=one) for one in (before, after)]
    for delta in paired_deltas(*judge(rows, scores, (0,), 400, ["auc"])):
        one = found["price", delta.cell.scenario_id or delta.cell.scope]
        assert (one.value, one.n) == (pytest.approx(delta.value, abs=1e-12), delta.cell.n)
        assert one.high - one.low == pytest.approx(delta.interval.high - delta.interval.low, rel=0.15)
        assert (one.high + one.low) / 2 == pytest.approx(one.value, abs=1e-12)


def test_rows_that_a_shuffle_leaves_alone_are_not_predicted_again():
    seen = []

    class Counted(Known):
        def forward(self, batch):
            seen.append(len(batch))
            return super().forward(batch)

    data = planted()
    for name, changed in shuffles(data, SPEC, seed=1):
        before, seen[:] = scored(Known(), data.at_first_slot()), []
        after = scored_again(Counted(), data.at_first_slot(), changed.at_first_slot(), before)
        assert np.array_equal(after, scored(Known(), changed.at_first_slot()))
        moved = {"city": 0.2, "price": 1.0, "noise": 1.0, "tags": 0.95}[name]
        assert sum(seen) <= moved * N


def test_few_labels_and_users_give_a_reason_in_place_of_an_interval():
    """Scenario a has no positive, scenario b four; with all labels back, three users are too few."""
    data = planted()
    labels_NT, a_N = data.labels_NT.clone(), data.scenario_N == 0
    data.labels_NT = torch.zeros(N, 1)
    data.labels_NT[torch.where(~a_N)[0][:4]] = 1
    few = {one.scenario_id: one for one in importance(Known(), data, observed(data, SPEC), SPEC, 1)
           if one.name == "price"}  # fmt: skip
    assert few["a"].value is None and few["a"].reason == "one class only: no positive among 400 labels"
    for place in ("b", "pooled", "macro"):
        assert few[place].value is not None and few[place].low is None
        assert few[place].reason == "no interval: 4 positives, expected 5 or more"
    assert few["macro"].value == few["b"].value and few["macro"].n == 200
    data.labels_NT, data.user_N = labels_NT, torch.arange(N) // 3 % 3
    for one in importance(Known(), data, observed(data, SPEC), SPEC, 1):
        assert one.low is None and one.reason == "no interval: 3 users, expected 10 or more"


def test_what_stays_out_of_x_is_not_shuffled(found):
    assert {name for name, _ in found} == {"city", "price", "noise", "tags"}


def test_a_shuffle_moves_one_field_inside_each_scenario_and_nothing_else():
    data = planted()
    for name, changed in shuffles(data, SPEC, seed=1):
        parts = {
            "city": (data.fields_NF[:, :1], changed.fields_NF[:, :1]),
            "price": (data.numbers_NK[:, :1], changed.numbers_NK[:, :1]),
            "noise": (data.numbers_NK[:, 1:], changed.numbers_NK[:, 1:]),
            "tags": (data.lists["tags"], changed.lists["tags"]),
        }
        assert {key for key, (one, other) in parts.items() if not torch.equal(one, other)} == {name}
        for code in (0, 1):
            one, other = (part[data.scenario_N == code].tolist() for part in parts[name])
            assert sorted(one) == sorted(other)
        assert torch.equal(changed.labels_NT, data.labels_NT)


def test_an_order_stays_inside_the_scenarios_and_follows_the_seed():
    scenario_N = np.array([0, 1, 1, 0, 2, 1, 0, 0])
    order_N = order_inside(scenario_N, seed=4)
    assert sorted(order_N) == list(range(8))
    assert (scenario_N[order_N] == scenario_N).all()
    assert order_N[4] == 4
    assert (order_inside(scenario_N, seed=4) == order_N).all()


def test_a_model_without_gates_is_explained_by_its_fields_alone():
    found = findings(Known(), planted(), SPEC, load_contract("meishi"), draws=20)
    assert {one.part for one in found} == {"importance"}
