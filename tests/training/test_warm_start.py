"""What an older model knew is found by token, scenario, task and column: by planted rows, and by equal predictions."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from hinet_core import models
from hinet_core.dataset import Dataset, FeatureSpec, FieldSpec
from hinet_core.dataset.vocabulary import UNSEEN, Words
from hinet_core.training.config import TrainConfig
from hinet_core.training.loop import fit
from hinet_core.training.warm_start import Known, WarmStartError, start_from

# None is a missing value, which is a token of its own.
OLD_TOKENS = {"user": ["u1", "u2", None, "u3"], "item": ["i1", "i2"], "tags": ["t1", "t2", "t3"], "out": ["o1"]}
# Other counts, so another order; some tokens went, others came.
NEW_TOKENS = {
    "user": ["new", "u3", None, "u1"], "item": ["i2", "i1", "i9"], "tags": ["t3", "t8", "t9", "t1"], "out": ["o2", "o1"]
}  # fmt: skip
OLD = FeatureSpec(
    fields=(FieldSpec("user", "id", 6), FieldSpec("out", "id", 3, in_x=False), FieldSpec("item", "id", 4)),
    numbers=(FieldSpec("price", "number"), FieldSpec("age", "number")),
    lists=(FieldSpec("tags", "list", 5, max_length=3),),
    scenarios=("home", "map", "search"), tasks=("click", "order"), n_positions=3, after=(-1, 0),
)  # fmt: skip
# The same names in another order, and a larger vocabulary.
NEW = replace(
    OLD,
    fields=(FieldSpec("item", "id", 5), FieldSpec("out", "id", 4, in_x=False), FieldSpec("user", "id", 6)),
    numbers=(FieldSpec("age", "number"), FieldSpec("price", "number")),
    lists=(FieldSpec("tags", "list", 6, max_length=3),),
    scenarios=("search", "home", "map"),
    n_positions=4,
)
SAYING = [name for name in models.names() if hasattr(models.build(name, OLD), "axes")]


def words(tokens: dict[str, list[str | None]]) -> dict[str, Words]:
    return {
        name: Words(pa.array(some, pa.string()), np.array([*range(2, 2 + len(some)), UNSEEN], np.int32))
        for name, some in tokens.items()
    }


def known(name: str, spec: FeatureSpec, tokens: dict[str, list[str | None]], seed: int, **sizes) -> Known:
    """A model with random weights everywhere, ready to predict."""
    model = models.build(name, spec, seed=seed, **sizes)
    torch.manual_seed(seed)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
        if not parameter.requires_grad:  # running variances
            parameter.abs_()
    return Known(model.eval(), spec, words(tokens))


def rows(spec: FeatureSpec, tokens: dict[str, list[str | None]], n: int = 200) -> Dataset:
    """The same raw rows for every spec; some tokens are not known to the old one, or to none."""
    draw, table = np.random.default_rng(5), words(tokens)
    choices = {name: ["never", *filter(None, NEW_TOKENS[name])] for name in NEW_TOKENS}
    raw = {name: draw.choice(some, (n, 3)) for name, some in choices.items()}
    numbers = {name: draw.normal(size=n).astype("f4") for name in ("age", "price", "rate")}
    place_N = draw.choice(["home", "map", "search"], n)
    ids = {name: table[name].lookup(pa.array(raw[name].ravel(), pa.string())).reshape(n, 3) for name in raw}
    present = draw.random((n, 3)) < 0.7
    return Dataset(
        fields_NF=torch.from_numpy(np.stack([ids[one.name][:, 0] for one in spec.fields], axis=1)),
        numbers_NK=torch.from_numpy(np.stack([numbers[one.name] for one in spec.numbers], axis=1)),
        scenario_N=torch.tensor([spec.scenarios.index(one) for one in place_N]),
        position_N=torch.from_numpy(draw.integers(0, 4, n)),
        labels_NT=torch.zeros(n, len(spec.tasks)), label_mask_NT=torch.ones(n, len(spec.tasks)),
        user_N=torch.arange(n), day_N=torch.zeros(n, dtype=torch.int64),
        lists={"tags": torch.from_numpy(np.where(present, ids["tags"], 0))},
    )  # fmt: skip


@torch.no_grad()
def logits(one: Known, tokens: dict[str, list[str | None]]) -> torch.Tensor:
    data = rows(one.spec, tokens)
    return one.model(data.batch(slice(0, len(data))))


@pytest.mark.parametrize("name", SAYING)
def test_the_model_predicts_as_the_older_one_did_whatever_changed_its_place(name):
    """Tokens that the older model did not know are read as it read them: as unseen."""
    old, new = known(name, OLD, OLD_TOKENS, seed=1), known(name, NEW, NEW_TOKENS, seed=2)
    expected_NT = logits(old, OLD_TOKENS)
    assert not torch.allclose(logits(new, NEW_TOKENS), expected_NT, atol=1e-2)
    begins_anew = start_from(new, old)
    assert begins_anew == ["position.slots_SPT"]  # slot 4
    torch.testing.assert_close(logits(new, NEW_TOKENS), expected_NT, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SAYING)
def test_every_weight_comes_from_the_older_model_when_nothing_changed(name):
    old, new = known(name, OLD, OLD_TOKENS, seed=1), known(name, OLD, OLD_TOKENS, seed=2)
    assert start_from(new, old) == []
    pairs = zip(new.model.parameters(), old.model.parameters(), strict=True)
    assert all(torch.equal(mine, theirs) for mine, theirs in pairs)


SIZES = [
    {"heads": "per_scenario_task"}, {"levels": 2}, {"levels": 3, "lower_reads": "all"}, {"san_gate": "mlp"},
    {"input_norm": "layer"}, {"input_norm": "scale", "scenario_in_x": True}, {"without": "hierarchy"},
    {"without": "san"}, {"without": "sei"}, {"heads": "per_scenario_task", "levels": 2},
]  # fmt: skip


@pytest.mark.parametrize("sizes", SIZES, ids=[" ".join(map(str, one.values())) for one in SIZES])
def test_every_switch_of_hinet_is_found_again(sizes):
    old, new = known("hinet", OLD, OLD_TOKENS, 1, **sizes), known("hinet", NEW, NEW_TOKENS, 2, **sizes)
    start_from(new, old)
    torch.testing.assert_close(logits(new, NEW_TOKENS), logits(old, OLD_TOKENS), rtol=1e-4, atol=1e-5)


def test_planted_rows_of_the_table_are_found_by_their_token():
    old, new = known("mmoe", OLD, OLD_TOKENS, seed=1), known("mmoe", NEW, NEW_TOKENS, seed=2)
    # One table: user at 0, item at 6, the scenario at 10, tags at 13. Row r holds r everywhere.
    old.model.fields.table.data[:] = torch.arange(18.0)[:, None]
    start_from(new, old)
    item = [6, 7, 9, 8, 7]  # padding, unseen, i2, i1, i9
    user = [0, 1, 1, 5, 4, 2]  # padding, unseen, new, u3, NULL, u1
    scenario, tags = [12, 10, 11], [13, 14, 17, 14, 14, 15]
    assert new.model.fields.table[:, 0].tolist() == [*item, *user, *scenario, *tags]


def with_kitchen(spec: FeatureSpec) -> FeatureSpec:
    return replace(spec, scenarios=("kitchen", *spec.scenarios))


def test_an_added_scenario_of_hinet_starts_as_the_shared_part():
    old, new = known("hinet", OLD, OLD_TOKENS, seed=1), known("hinet", with_kitchen(OLD), OLD_TOKENS, seed=2)
    before = {name: one.clone() for name, one in new.model.state_dict().items()}
    begins_anew = start_from(new, old)
    sei, old_sei = new.model.scenario_layer.sei, old.model.scenario_layer.sei
    k = old.model.config.sub_experts
    pairs = [*zip(sei.parameters(), old_sei.parameters(), strict=True)]
    assert len(pairs) == 6  # two layers' weights and biases, gate weight and bias
    for mine, theirs in pairs:
        assert torch.equal(mine[:k], theirs[:k])  # shared
        assert torch.equal(mine[k : 2 * k], theirs[:k])  # kitchen
        assert torch.equal(mine[2 * k :], theirs[k:])  # home, map, search
    san, old_san = new.model.scenario_layer.san, old.model.scenario_layer.san
    for name in ("embedding.weight", "gate.weight", "gate.bias"):
        mine, theirs = san.get_parameter(name), old_san.get_parameter(name)
        assert torch.equal(mine[1:], theirs)
        assert torch.equal(mine[0], before[f"scenario_layer.san.{name}"][0])
    assert torch.equal(new.model.position.slots_SPT[1:], old.model.position.slots_SPT)
    names = [f"scenario_layer.san.{name}" for name in ("embedding.weight", "gate.weight", "gate.bias")]
    assert begins_anew == [*names, "position.slots_SPT"]


@pytest.mark.parametrize("name", ["mmoe", "shared_bottom", "ple", "esmm", "star", "pepnet", "single_task",
                                  "single_task_per_scenario"])  # fmt: skip
def test_an_added_scenario_leaves_the_others_predictions_as_they_were(name):
    old, new = known(name, OLD, OLD_TOKENS, seed=1), known(name, with_kitchen(NEW), NEW_TOKENS, seed=2)
    start_from(new, old)
    torch.testing.assert_close(logits(new, NEW_TOKENS), logits(old, OLD_TOKENS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["mmoe", "esmm", "star", "hinet"])
def test_a_removed_scenario_and_an_added_task_leave_the_rest_as_it_was(name):
    spec = replace(OLD, tasks=("click", "cart", "order"), after=(-1, 0, 0))
    old, new = known(name, with_kitchen(OLD), OLD_TOKENS, seed=1), known(name, spec, OLD_TOKENS, seed=2)
    if name == "hinet":  # its SAN weighs the others anew when one is gone
        old.model.scenario_layer.san.gate.bias.data[0] = -1e9
    start_from(new, old)
    torch.testing.assert_close(logits(new, OLD_TOKENS)[:, [0, 2]], logits(old, OLD_TOKENS), rtol=1e-4, atol=1e-5)


def test_a_new_column_of_x_begins_anew_and_the_others_stay():
    wide = replace(OLD, numbers=(FieldSpec("rate", "number"), *OLD.numbers))
    old, new = known("hinet", OLD, OLD_TOKENS, seed=1), known("hinet", wide, OLD_TOKENS, seed=2)
    before_EIO = new.model.scenario_layer.sei.experts.weights[0].detach().clone()
    start_from(new, old)
    after_EIO, old_EIO = (one.model.scenario_layer.sei.experts.weights[0] for one in (new, old))
    rate = len(old_EIO[0]) - 2
    assert torch.equal(after_EIO[:, rate], before_EIO[:, rate])
    assert torch.equal(after_EIO[:, [*range(rate), rate + 1, rate + 2]], old_EIO)


class Plain(nn.Module):
    """A model that says nothing of its weights."""

    def __init__(self, n_scenarios: int) -> None:
        super().__init__()
        self.line = nn.Linear(2, n_scenarios)


def test_a_model_that_says_nothing_starts_only_where_nothing_changed():
    table = words(OLD_TOKENS)
    old, new = (Known(Plain(3), OLD, table) for _ in range(2))
    assert start_from(new, old) == []
    assert torch.equal(new.model.line.weight, old.model.line.weight)
    moved = Known(Plain(3), replace(OLD, scenarios=("map", "home", "search")), table)
    with pytest.raises(WarmStartError, match=r"scenarios were \['home', 'map', 'search'\], are \['map'.*a method axes"):
        start_from(moved, old)


def test_other_sizes_and_other_models_are_refused():
    old, new = known("hinet", OLD, OLD_TOKENS, 1), known("hinet", OLD, OLD_TOKENS, 2, embedding=16)
    with pytest.raises(WarmStartError, match=r"fields.table is \(15, 16\), but \(15, 8\) .* Take the preset"):
        start_from(new, old)
    with pytest.raises(WarmStartError, match="is a MMoE, expected a HiNet"):
        start_from(new, known("mmoe", OLD, OLD_TOKENS, 1))


@pytest.mark.slow
def test_a_warm_start_is_at_once_where_a_fresh_one_comes_to_in_some_epochs():
    """Planted tastes of 300 users, known to the older model but for the newest third of them."""
    draw = np.random.default_rng(0)
    taste = {f"u{i}": value for i, value in enumerate(draw.normal(size=300))}

    def drawn(users: list[str], n: int) -> tuple[Dataset, FeatureSpec, dict[str, Words]]:
        table = words({"user": draw.permutation(users).tolist()})
        spec = FeatureSpec((FieldSpec("user", "id", len(users) + 2),), (), (), ("home", "map"), ("click",))
        user_N = draw.choice(users, n)
        scenario_N = torch.from_numpy(draw.integers(0, 2, n))
        chance_N = 1 / (1 + np.exp(-2 * np.array([taste[one] for one in user_N])))
        data = Dataset(
            torch.from_numpy(table["user"].lookup(pa.array(user_N, pa.string())))[:, None], torch.zeros(n, 0),
            scenario_N, torch.zeros(n, dtype=torch.int64), torch.from_numpy(draw.random(n) < chance_N)[:, None].float(),
            torch.ones(n, 1), torch.arange(n), torch.zeros(n, dtype=torch.int64),
        )  # fmt: skip
        return data, spec, table

    def auc_per_epoch(model: nn.Module, data: Dataset, epochs: int) -> list[float]:
        train, valid = data.map(lambda column: column[:6000]), data.map(lambda column: column[6000:])
        config = TrainConfig(epochs=epochs, patience=epochs, batch_size=200)
        history = fit(model, train, valid, config, device="cpu")
        return [row["value"] for row in history.rows if row["metric"] == "score"]

    older_data, older_spec, older_words = drawn(list(taste)[:200], 10_000)
    old = models.build("shared_bottom", older_spec, seed=1)
    auc_per_epoch(old, older_data, 8)
    data, spec, table = drawn(list(taste), 10_000)
    fresh, warm = (models.build("shared_bottom", spec, seed=2) for _ in range(2))
    start_from(Known(warm, spec, table), Known(old, older_spec, older_words))
    slow, fast = auc_per_epoch(fresh, data, 5), auc_per_epoch(warm, data, 5)
    reached = max(slow)
    assert next(epoch for epoch, value in enumerate(fast) if value >= reached) + 2 <= slow.index(reached)
