"""The model card, letter by letter."""

import json

from hinet_core import models
from hinet_core.dataset import FeatureSpec, FieldSpec
from hinet_core.training.card import card

SPEC = FeatureSpec(
    (FieldSpec("shop", "id", 9), FieldSpec("user", "id", 9, in_x=False)), (FieldSpec("price", "number"),), (),
    ("home", "map"), ("click",),
)  # fmt: skip


def cell(scenario: str, n: int, positives: int, auc: float | None) -> dict:
    return {
        "scenario": scenario, "task": "click", "n": n, "n_positives": positives, "auc": auc,
        "logloss": 0.25, "predicted_over_observed": 1.0,
        "logloss_before_calibration": 0.3125, "predicted_over_observed_before_calibration": 1.23456,
    }  # fmt: skip


DESCRIPTION = {
    "name": "hinet", "about": 'HiNet: experts under experts.\n\nZhou et al., "HiNet", ICDE 2023.',
    "config": {"embedding": 8}, "spec": SPEC.to_json(),
    "meta": {
        "run": {"version": "hinet-2024-03-13-abcdef12", "as_of": "2024-03-13", "preset": "quick", "seed": 3,
                "n_params": 12345, "n_train": 6789, "best_epoch": 2, "duration_s": 12.4, "rows_per_s": 4321.4,
                "started_at": "2024-04-01T08:30:11+00:00"},
        "days": {"train": ["2024-03-08", "2024-03-09"], "fresh": ["2024-03-12"], "valid": "2024-03-11",
                 "missing": ["2024-03-10"]},
        "time_zone": "UTC",
        "contract": {"name": "tiny", "data_fingerprint": "0123456789abcdef", "content": {}},
        "params": {"model.embedding": 8, "train.learning_rate": 0.001, "train.task_weights": [],
                   "train.scenario_weights": [1.0, 0.5], "train.cell_weights": [[2.0], [1.0]]},
        "code": {"git_revision": "c0ffee", "modified": True, "package": "0.1.0", "source_hash": "beef"},
        "versions": {"python": "3.11.2", "torch": "2.13.0"},
        "hardware": {"device": "cpu", "name": "Some CPU", "threads": 2},
        "metrics": [cell("home", 5000, 1200, 0.71234), cell("map", 17, 0, None)],
        "calibration": [{"scenario": "home", "task": "click", "method": "isotonic"},
                        {"scenario": "map", "task": "click", "method": "platt of all scenarios"}],
    },
}  # fmt: skip

EXPECTED = """\
# hinet-2024-03-13-abcdef12

Written from model.json, beside which it lies.

## What it is

HiNet: experts under experts.

Zhou et al., "HiNet", ICDE 2023.

12,345 parameters, preset quick, seed 3; trained
2024-04-01T08:30 UTC in 12 s at 4,321 rows/s, best epoch 2.

Code: git revision c0ffee, with changes that are not committed, source hash beef. python 3.11.2, torch 2.13.0.
Machine: cpu, Some CPU, 2 threads.

## What it learned from

6,789 rows of 3 days, 2024-03-08 to 2024-03-12; stopped by 2024-03-11.
Labels as known at 00:00 of 2024-03-13 (UTC). Of the days asked for, 2024-03-10 were not committed.
Contract tiny, data fingerprint 0123456789abcdef.

- scenarios: home, map
- tasks: click
- fields: shop
- numbers: price

## On the validation day

AUC at slot 1; logloss and predicted / observed at the logged slot, before → after calibration, which was
fitted on these very rows.

| scenario | task | rows | positives | AUC | logloss | predicted / observed | by |
|---|---|---|---|---|---|---|---|
| home | click | 5,000 | 1,200 | 0.7123 | 0.3125 → 0.2500 | 1.2346 → 1.0000 | isotonic |
| map | click | 17 | 0 | none | 0.3125 → 0.2500 | 1.2346 → 1.0000 | platt of all scenarios |

## On the judged days

| scenario | task | rows | positives | auc | predicted over observed |
|---|---|---|---|---|---|
| home | click | 900 | 90 | 0.701 (0.690 to 0.712) | 1.050 |
| (pooled) | click | 950 | 92 | none | none |

## Use and limits
"""


def judged(scope: str, scenario: str, metric: str, value: float | None, low: float | None, split: str = "judged"):
    n, positives = (900, 90) if scope == "scenario" else (950, 92)
    return {
        "split": split, "scope": scope, "scenario_id": scenario, "task": "click", "metric": metric, "value": value,
        "low": low, "high": None if low is None else 0.712, "n": n, "n_positives": positives,
    }  # fmt: skip


ROWS = [
    judged("scenario", "home", "auc", 0.7009, 0.69),
    judged("scenario", "home", "predicted_over_observed", 1.05, None),
    judged("scenario", "home", "ece", 0.01, None),
    judged("pooled", "", "auc", None, None),
    judged("scenario", "map", "auc", 0.9, 0.8, split="valid"),
]


def test_the_card_says_everything_in_its_place():
    text = card(DESCRIPTION, ROWS)
    assert text.startswith(EXPECTED)
    _, _, rest = text.partition("## Load and score\n")
    assert 'bundle = load(Path("hinet-2024-03-13-abcdef12"), contract=contract)' in rest
    assert rest.endswith(
        '## Settings\n\n    model.embedding = 8\n    train.cell_weights = {"home": [2.0], "map": [1.0]}\n'
        '    train.learning_rate = 0.001\n    train.scenario_weights = {"home": 1.0, "map": 0.5}\n'
        "    train.task_weights = []\n"
    )


def test_before_judging_and_of_a_bare_model_the_card_leaves_out_what_is_not_known():
    assert "judged days" not in card(DESCRIPTION)
    installed = DESCRIPTION["meta"]["code"] | {"git_revision": None, "modified": None}
    text = card(DESCRIPTION | {"meta": DESCRIPTION["meta"] | {"code": installed}})
    assert "Code: an installed package, source hash beef." in text
    bare = card({"name": "mmoe", "config": {"embedding": 8}, "spec": SPEC.to_json(), "meta": {}})
    assert bare.startswith("# mmoe\n")
    titles = [line for line in bare.splitlines() if line.startswith("## ")]
    assert titles == ["## What it is", "## What it learned from", "## Use and limits", "## Load and score",
                      "## Settings"]  # fmt: skip


def test_every_model_says_what_it_is_without_its_letters():
    for name in models.names():
        said = models.about(name)
        assert said and "B batch" not in said, name
    assert models.about("mmoe").endswith("(Ma et al., KDD 2018).")
    assert json.loads(SPEC.to_json())["tasks"] == ["click"]
