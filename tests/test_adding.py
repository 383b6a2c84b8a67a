"""docs/adding.md is true: every example on that page works as it stands there."""

import importlib.util
import re
import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch

from hinet_core.contract import parse_contract
from hinet_core.dataset import Batch, FeatureSpec, FieldSpec
from hinet_core.evaluation import metrics
from hinet_core.evaluation.ranked import ranked
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.outcome_books import total_counts, write_books
from hinet_core.ingest.pending import pending_days
from hinet_core.lake import Lake

PAGE = (Path(__file__).parents[1] / "docs" / "adding.md").read_text(encoding="utf-8")


def examples(section: str, language: str) -> list[str]:
    """The code blocks of one section."""
    _, _, rest = PAGE.partition(f"\n## {section}\n")
    assert rest, f"docs/adding.md has no section {section!r}"
    return re.findall(rf"```{language}\n(.*?)```", rest.partition("\n## ")[0], flags=re.DOTALL)


def with_additions(raw, parts):
    """The contract with the page's tables appended."""
    for part in map(tomllib.loads, parts):
        for key, rows in part.items():
            if key == "features":
                for kind, more in rows.items():
                    raw["features"].setdefault(kind, []).extend(more)
            else:
                raw[key] += rows
    return parse_contract(raw)


@pytest.mark.parametrize("section", ["A scenario", "A task", "Late outcomes", "A feature"])
def test_tables_of_a_contract_can_be_appended_as_written(section, tiny_raw):
    before = parse_contract(tiny_raw).data_fingerprint
    assert with_additions(tiny_raw, examples(section, "toml")).data_fingerprint != before


def test_the_task_of_the_page_is_the_third_step_of_the_funnel(tiny_raw):
    contract = with_additions(tiny_raw, examples("A task", "toml"))
    assert (contract.tasks[-1].name, contract.tasks[-1].after, contract.maturity_days) == ("pay", "order", 2)


def test_the_late_file_of_the_page_does_what_the_page_says(tiny_raw, paths, con):
    contract = with_additions(tiny_raw, examples("Late outcomes", "toml"))
    lake = Lake(paths.lake)
    shown = ["1,a,1,2026-03-27T10:00:00Z,1,1,1,2026-03-27T12:00:00Z,9.5", "2,a,1,2026-03-28T10:00:00Z,1,1,1,,9.5"]
    header = "user,item,place,shown_at,slot,clicked,ordered,ordered_at,price"
    (paths.landing / "log_1.csv").write_text("\n".join([header, *shown]) + "\n")
    (paths.landing / "items.csv").write_text("item_id,brand\na,Acme\n")
    list(ingest_days(contract, lake, index(contract, paths), index(contract, paths).days, None))
    (paths.landing / "payments_1.csv").write_text(*examples("Late outcomes", "csv"))
    landed = index(contract, paths)
    pending = pending_days(lake, landed)
    assert pending == [date(2026, 3, 27)]
    list(ingest_days(contract, lake, landed, pending, None))
    rows = lake.scan(con, "impressions", pending).project("label_pay, known_day_pay - day_number, payment").fetchall()
    assert rows == [(1, 1, "refused")]
    assert total_counts(write_books(lake, landed)) == {
        "read": 3, "matched": 2, "duplicate": 0, "unmatched": 1, "quarantined": 0,
    }  # fmt: skip


def test_the_whole_contract_of_a_log_is_valid():
    (text,) = examples("A log", "toml")
    assert [one.id for one in parse_contract(tomllib.loads(text)).modelled] == ["home", "search"]


def test_the_model_maps_a_batch_to_one_logit_per_task(tmp_path):
    (source,) = examples("A model", "python")
    (tmp_path / "linear.py").write_text(source)
    found = importlib.util.spec_from_file_location("linear", tmp_path / "linear.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    spec = FeatureSpec(
        fields=(FieldSpec("item", "id", 9),), numbers=(FieldSpec("price", "number"),), lists=(),
        scenarios=("home", "search"), tasks=("click", "order"), n_positions=3,
    )  # fmt: skip
    batch = Batch(
        torch.randint(9, (5, 1)), torch.randn(5, 1), {}, torch.randint(2, (5,)), torch.randint(4, (5,)),
        torch.zeros(5, 2), torch.ones(5, 2),
    )  # fmt: skip
    assert {"quick", "paper"} <= set(module.PRESETS)
    assert module.build(spec, module.PRESETS["quick"])(batch).shape == (5, 2)


def test_the_metric_registers_itself(monkeypatch):
    (source,) = examples("A metric", "python")
    monkeypatch.setattr(metrics, "METRICS", dict(metrics.METRICS))
    exec(source, vars(metrics).copy())
    value = metrics.METRICS["brier"].compute(ranked(np.zeros(4), np.array([0.0, 1, 1, 0])))
    assert value.tolist() == [0.25]


def test_the_files_that_the_page_names_exist():
    for path in re.findall(r"`((?:hinet_core|tests|docs)/[\w/]+\.(?:py|md))`", PAGE):
        assert (Path(__file__).parents[1] / path).exists(), path
