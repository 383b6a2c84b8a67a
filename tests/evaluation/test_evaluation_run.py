"""Judging what was trained as of a day: on settled later days only, the same rows for all, twice the same."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from hinet_core import models
from hinet_core.contract import parse_contract
from hinet_core.dataset import Encoder
from hinet_core.evaluation.metrics import METRICS
from hinet_core.evaluation.run import (
    NotComparableError,
    NotMatureYet,
    evaluate,
    newest_judged_as_of,
    settled_on,
)
from hinet_core.evaluation.scoring import by_first_appearance
from hinet_core.lake import Lake, connect
from hinet_core.training import checkpoint
from hinet_core.training.description import contract_of
from hinet_core.training.loop import predict
from hinet_core.training.run import train

FIRST, AS_OF, LAST = date(2026, 3, 1), date(2026, 3, 8), date(2026, 3, 10)
ROWS_PER_DAY = 120
RUNS = pa.schema(
    [(name, pa.string()) for name in ("run_id", "model", "version")]
    + [(name, pa.date32()) for name in ("as_of", "train_from", "train_to", "valid_day")]
)


@pytest.fixture
def contract(tiny_raw):
    """Without entities, so that examples are the log's own columns."""
    tiny_raw["features"]["entities"] = []
    return parse_contract(tiny_raw)


def examples_of(day: date) -> pa.Table:
    """A day of random rows; orders are rare and only in `home`."""
    rng = np.random.default_rng(day.toordinal())
    n = ROWS_PER_DAY
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() * 1e6)
    home, click = rng.random(n) < 0.7, rng.random(n) < 0.4
    order = click & home & (rng.random(n) < 0.3)
    return pa.table({
        "day": pa.array([day] * n), "day_number": pa.array([(day - date(1970, 1, 1)).days] * n, pa.int32()),
        "hour": pa.array([13] * n, pa.int8()), "exposed_us": pa.array(noon + np.arange(n) * 1_000_000),
        "source_file": ["log.csv"] * n, "record_number": pa.array(np.arange(n)),
        "scenario_id": np.where(home, "home", "search"), "user": rng.integers(1, 30, n),
        "item": [f"i{one}" for one in rng.integers(9, size=n)], "slot": pa.array(rng.integers(1, 4, n), pa.int8()),
        "price": rng.random(n) * 20, "brand": [f"b{one}" for one in rng.integers(4, size=n)],
        "label_click": pa.array(click, pa.int8()), "known_us_click": pa.array(noon + np.arange(n) * 1_000_000),
        "label_order": pa.array(order, pa.int8()), "known_us_order": pa.array(noon + np.full(n, 7_200_000_000)),
    })  # fmt: skip


def commit_examples(lake: Lake, days: list[date]) -> None:
    for day in days:
        rows = examples_of(day)
        with lake.begin("examples", day) as draft:
            draft.write_rows("examples", rows, rows.schema)
            draft.commit()


def commit_model(contract, lake, root, name, seed=0, train_to=AS_OF - timedelta(days=1), valid_day=None):
    """A fresh model as training would leave it: a folder and a row of runs."""
    con = connect()
    encoder = Encoder.fit(con, contract, lake.scan(con, "examples", lake.days("examples")[:6]))
    con.close()
    model = models.build(name, encoder.spec, seed=seed)
    version = f"{name}-{AS_OF}-{seed:08d}"
    meta = {"contract": contract_of(contract)}
    checkpoint.save(root / version, model, name, model.config, encoder.spec, encoder, meta)
    run = {
        "run_id": f"run-{version}", "model": name, "version": version, "as_of": AS_OF,
        "train_from": FIRST, "train_to": train_to, "valid_day": valid_day or AS_OF - timedelta(days=2),
    }  # fmt: skip
    with lake.begin(f"train/{name}", AS_OF) as draft:
        draft.write_rows("runs", [run], RUNS)
        draft.commit()


@pytest.fixture(scope="module")
def built() -> dict[str, Path]:
    """Where the first test left the trained lake, for the others to copy."""
    return {}


@pytest.fixture
def lake(tmp_path, tmp_path_factory, contract, built):
    """Ten days of examples and two models, in `tmp_path / lake` and `tmp_path / models`."""
    if not built:
        root = tmp_path_factory.mktemp("trained")
        lake = Lake(root / "lake")
        commit_examples(lake, [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)])
        for name in ("hinet", "shared_bottom"):
            commit_model(contract, lake, root / "models", name)
        built["root"] = root
    shutil.copytree(built["root"], tmp_path, dirs_exist_ok=True)
    return Lake(tmp_path / "lake")


def table(lake, name):
    con = connect()
    try:
        return lake.scan(con, name, [AS_OF]).to_arrow_table().to_pylist()
    finally:
        con.close()


def test_every_model_scope_task_split_and_metric_has_one_row(tmp_path, contract, lake):
    rows = evaluate(contract, lake, tmp_path / "models", AS_OF)
    keys = [tuple(row[k] for k in ("model", "split", "scope", "scenario_id", "task", "metric")) for row in rows]
    places = [("scenario", "home"), ("scenario", "search"), ("pooled", ""), ("macro", "")]
    assert len(keys) == len(set(keys)) == 2 * 2 * len(places) * 2 * len(METRICS)
    assert {key[2:4] for key in keys} == set(places)
    assert table(lake, "eval_metrics") == rows
    for row in rows:
        assert (row["value"] is None) == (row["null_reason"] is not None)
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"]


def test_calibration_is_shown_before_and_after_on_the_judged_days(tmp_path, contract, lake):
    folder = tmp_path / "models" / f"hinet-{AS_OF}-00000000"
    bundle = checkpoint.load(folder)
    bundle.model.calibration.scale_ST[:] = 0.5
    bundle.model.calibration.offset_STK[0] = 1.0
    shutil.rmtree(folder)
    checkpoint.save(folder, bundle.model, "hinet", bundle.model.config, bundle.spec, bundle.encoder, bundle.meta)
    rows = evaluate(contract, lake, tmp_path / "models", AS_OF)
    days = pa.concat_tables([examples_of(AS_OF), examples_of(AS_OF + timedelta(days=1))])
    con = connect()
    data = bundle.encoder.transform(con, con.from_arrow(days), date(2026, 4, 1))
    con.close()
    with bundle.model.calibration.bypassed():
        raw_N = predict(bundle.model, data, 4096)[:, 0].astype(np.float64)
    home = data.scenario_N.numpy() == 0
    label_N = data.labels_NT.numpy()[:, 0]
    found = {(r["model"], r["split"], r["scenario_id"], r["task"], r["metric"]): r["value"] for r in rows}
    for suffix, z_N in (("_before_calibration", raw_N[home]), ("", 0.5 * raw_N[home] + 1)):
        wanted = (1 / (1 + np.exp(-z_N))).sum() / label_N[home].sum()
        key = ("hinet", "judged", "home", "click", f"predicted_over_observed{suffix}")
        assert found[key] == pytest.approx(wanted, rel=1e-6)
        logloss = np.mean(np.logaddexp(0, z_N) - z_N * label_N[home])
        assert found[*key[:4], f"logloss{suffix}"] == pytest.approx(logloss, rel=1e-6)


def test_values_are_those_of_the_two_judged_days(tmp_path, contract, lake):
    rows = evaluate(contract, lake, tmp_path / "models", AS_OF)
    days = pa.concat_tables([examples_of(AS_OF), examples_of(AS_OF + timedelta(days=1))])
    con = connect()
    bundle = checkpoint.load(tmp_path / "models" / f"hinet-{AS_OF}-00000000")
    data = bundle.encoder.transform(con, con.from_arrow(days), date(2026, 4, 1))
    con.close()
    home = np.asarray(days["scenario_id"]) == "home"
    label = np.asarray(days["label_order"])[home]
    expected = roc_auc_score(label, predict(bundle.model, data.at_first_slot(), 4096)[home, 1])
    found = {(r["model"], r["split"], r["scenario_id"], r["task"], r["metric"]): r for r in rows}
    row = found["hinet", "judged", "home", "order", "auc"]
    assert row["value"] == pytest.approx(expected, abs=1e-9)
    assert (row["n"], row["n_positives"]) == (home.sum(), label.sum())
    nobody = found["hinet", "judged", "search", "order", "auc"]
    assert nobody["value"] is None
    assert nobody["null_reason"].startswith("one class only: no positive among")


def test_differences_to_the_baseline_and_label_rates(tmp_path, contract, lake):
    rows = evaluate(contract, lake, tmp_path / "models", AS_OF)
    value = {(r["model"], r["split"], r["scope"], r["scenario_id"], r["task"], r["metric"]): r["value"] for r in rows}
    deltas = table(lake, "eval_deltas")
    assert {(row["model"], row["baseline"]) for row in deltas} == {("hinet", "shared_bottom")}
    assert len(deltas) == len(rows) // 2
    for row in deltas:
        key = tuple(row[k] for k in ("split", "scope", "scenario_id", "task", "metric"))
        mine, theirs = value["hinet", *key], value["shared_bottom", *key]
        assert row["delta"] == (None if mine is None else mine - theirs)
    rates = table(lake, "label_rates")
    assert len(rates) == 2 * 2 * 2
    first = next(r for r in rates if (r["day"], r["scenario_id"], r["task"]) == (AS_OF, "home", "click"))
    day = examples_of(AS_OF)
    home = np.asarray(day["scenario_id"]) == "home"
    assert (first["n"], first["rate"]) == (home.sum(), np.asarray(day["label_click"])[home].mean())
    assert first["low"] < first["rate"] < first["high"]


def test_judging_again_commits_the_same_rows(tmp_path, contract, lake):
    evaluate(contract, lake, tmp_path / "models", AS_OF)
    before = lake.manifest("evaluation", AS_OF)
    commit_examples(lake, [LAST + timedelta(days=n) for n in (1, 2)])
    evaluate(contract, lake, tmp_path / "models", AS_OF)
    after = lake.manifest("evaluation", AS_OF)
    assert (after.content_hash, after.info) == (before.content_hash, before.info)


def test_only_the_models_asked_for(tmp_path, contract, lake):
    rows = evaluate(contract, lake, tmp_path / "models", AS_OF, models=["hinet"])
    assert {row["model"] for row in rows} == {"hinet"}
    assert table(lake, "eval_deltas") == []
    with pytest.raises(ValueError, match="found none for mmoe; trained as of that day: hinet, shared_bottom"):
        evaluate(contract, lake, tmp_path / "models", AS_OF, models=["hinet", "mmoe"])


def test_days_to_come_are_waited_for(tmp_path, contract, lake):
    late = AS_OF + timedelta(days=1)
    with pytest.raises(NotMatureYet, match=r"labels that settle by the end of 2026-03-11"):
        evaluate(contract, lake, tmp_path / "models", late)
    with pytest.raises(NotMatureYet, match=r"missing: examples of 2026-03-11, 2026-03-12"):
        evaluate(contract, lake, tmp_path / "models", LAST + timedelta(days=1))
    assert lake.days("evaluation") == []
    assert newest_judged_as_of(contract, lake) == AS_OF


def test_a_blocked_judged_day_is_named(tmp_path, contract, lake):
    lake.manifest_path("examples", AS_OF).unlink()
    with pytest.raises(NotMatureYet, match="missing: examples of 2026-03-08"):
        evaluate(contract, lake, tmp_path / "models", AS_OF)
    assert newest_judged_as_of(contract, lake) == AS_OF - timedelta(days=2)


def test_labels_settle_on_the_clock_also_when_a_day_has_23_hours(contract):
    # Berlin skips an hour on 29 March: 24 hours after the end of the 28th are past the start of the 30th.
    assert settled_on(contract, date(2026, 3, 20)) == date(2026, 3, 23)
    assert settled_on(contract, date(2026, 3, 27)) == date(2026, 3, 31)


def test_a_model_that_saw_the_judged_days_is_refused(tmp_path, contract, lake):
    commit_model(contract, lake, tmp_path / "models", "hinet", seed=1, train_to=AS_OF)
    with pytest.raises(NotComparableError, match="through 2026-03-08, and would be judged on days from 2026-03-08"):
        evaluate(contract, lake, tmp_path / "models", AS_OF)
    assert lake.days("evaluation") == []


def test_models_stopped_on_different_days_are_not_compared(tmp_path, contract, lake):
    commit_model(contract, lake, tmp_path / "models", "hinet", seed=1, valid_day=FIRST)
    with pytest.raises(NotComparableError, match="hinet 2026-03-01, shared_bottom 2026-03-06"):
        evaluate(contract, lake, tmp_path / "models", AS_OF)


def test_users_are_numbered_by_first_appearance():
    assert by_first_appearance(np.array([7, 7, 3, 9, 3])).tolist() == [0, 0, 1, 2, 1]
    assert by_first_appearance(np.zeros(0, np.int64)).tolist() == []


@pytest.mark.slow
def test_what_training_leaves_can_be_judged(tmp_path, contract, lake):
    trained = train(contract, lake, tmp_path / "models", AS_OF, "mmoe", device="cpu")
    rows = evaluate(contract, lake, tmp_path / "models", AS_OF, models=["mmoe"])
    assert {row["run_id"] for row in rows} == {trained.run_id}
    assert all(np.isfinite(row["value"]) for row in rows if row["null_reason"] is None)
