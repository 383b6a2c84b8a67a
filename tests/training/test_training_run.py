"""From committed examples to a stored version: same inputs same version, and a cut-off run is finished."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest
import torch
from tiny_log import CONTRACT, Row, random_rows, tiny_contract, write_ingest

from hinet_core.contract import Contract
from hinet_core.dataset import EncodingError, FieldSpec, NotEnoughDays
from hinet_core.features.daily import write_daily_range
from hinet_core.features.examples import write_examples_range
from hinet_core.lake import Lake
from hinet_core.training import checkpoint, run
from hinet_core.training.checkpoint import CheckpointError
from hinet_core.training.config import TrainConfig
from hinet_core.training.export import export
from hinet_core.training.loop import predict
from hinet_core.training.progress import Progress
from hinet_core.training.run import plan_job, train, train_to_folder

pytestmark = pytest.mark.slow

AS_OF = date(2024, 3, 13)
RATES = {"home": 0.2}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return written(tmp_path_factory.mktemp("lake"), tiny_contract())


def written(root: Path, contract: Contract, changes: Callable[[Row], Row] = lambda row: row) -> Lake:
    from hinet_core.lake import connect

    lake = write_ingest(root, map(changes, random_rows(0, "UTC", date(2024, 3, 6), n_days=8, n=900)))
    con = connect(threads=1)
    write_daily_range(con, contract, lake, lake.days("ingest"))
    write_examples_range(con, contract, lake, lake.days("ingest"))
    con.close()
    return lake


def test_a_version_is_stored_and_its_run_committed(lake: Lake, tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    contract = tiny_contract(training={"batch_size": 512, "task_weights": {"order": 2}})
    done = train(contract, lake, tmp_path, AS_OF, "shared_bottom", seed=3)
    assert done.folder == tmp_path / done.version
    assert done.version.startswith("shared_bottom-2024-03-13-")
    assert not done.reused
    bundle = checkpoint.load(done.folder)
    assert bundle.name == "shared_bottom"
    assert bundle.spec.tasks == ("click", "order")
    valid = bundle.encoder.transform(con, lake.scan(con, "examples", [done.window.valid_day]), AS_OF)
    assert torch.isfinite(bundle.model(valid.batch(slice(0, len(valid))))).all()
    (run,) = lake.scan(con, "runs").to_arrow_table().to_pylist()
    assert run["run_id"] == run["version"] == done.version
    assert (
        run["n_train"]
        == done.n_train
        == sum(lake.manifest("examples", day).rows["examples"] for day in done.window.fitted_days)
    )
    assert (run["as_of"], run["valid_day"], run["train_to"]) == (AS_OF, date(2024, 3, 11), date(2024, 3, 12))
    assert run["data_fingerprint"] == contract.data_fingerprint
    assert run["rows_per_s"] > 0
    curves = lake.scan(con, "train_curves").to_arrow_table().to_pylist()
    assert {one["task"] for one in curves} <= {"click", "order", "all"}
    assert {one["split"] for one in curves} == {"train", "valid"}
    keys = {one["key"] for one in lake.scan(con, "run_params").to_arrow_table().to_pylist()}
    assert {"train.learning_rate", "model.embedding"} <= keys
    assert done.version != plan_job(tiny_contract(), lake, AS_OF, "shared_bottom", "quick", 3).version
    card = (done.folder / "MODEL_CARD.md").read_text()
    assert '    train.batch_size = 512\n' in card and '    train.task_weights = {"click": 1.0, "order": 2.0}\n' in card


def test_the_same_inputs_are_not_trained_twice_and_train_to_the_same_weights(lake: Lake, tmp_path: Path) -> None:
    contract = tiny_contract()
    one = train(contract, lake, tmp_path / "a", AS_OF, "shared_bottom")
    again = train(contract, lake, tmp_path / "a", AS_OF, "shared_bottom")
    other = train(contract, lake, tmp_path / "b", AS_OF, "shared_bottom")
    assert again.reused
    assert again.duration_s == one.duration_s
    assert one.version == again.version == other.version
    weights = [checkpoint.load(done.folder).model.state_dict() for done in (one, other)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    seeded = train(contract, lake, tmp_path / "a", AS_OF, "shared_bottom", seed=1)
    assert seeded.version != one.version
    assert len(list((tmp_path / "a").iterdir())) == 2


def test_rows_that_do_not_fit_into_memory_train_the_same_model_from_a_file(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    contract = tiny_contract()
    kept, weights = [], []
    for share in (4, 10**9):
        folder = tmp_path / str(share)
        monkeypatch.setattr("hinet_core.training.run.ROWS_SHARE", share)
        with caplog.at_level("INFO"):
            done = train(contract, lake, folder, AS_OF, "shared_bottom")
        weights.append(checkpoint.load(done.folder).model.state_dict())
        kept.append("mapped" if "mapped" in caplog.text else "in memory")
        assert [path.name for path in folder.iterdir()] == [done.version]
    assert kept == ["in memory", "mapped"]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_sampled_negatives_buckets_and_crosses_reach_the_stored_model(
    lake: Lake, tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    fields = {
        "buckets": [{"name": "rate_band", "of": "user_click_rate_3d", "quantiles": 4, "keep_number": False}],
        "crosses": [{"name": "shop_at_hour", "columns": ["shop", "hour"]}],
    }
    whole = train(tiny_contract(), lake, tmp_path, AS_OF, "shared_bottom")
    contract = tiny_contract(features=CONTRACT["features"] | fields, split=CONTRACT["split"] | {"negative_rate": RATES})
    done = train(contract, lake, tmp_path, AS_OF, "shared_bottom")
    assert done.version != whole.version
    assert 0 < done.n_train < whole.n_train
    bundle, before = checkpoint.load(done.folder), checkpoint.load(whole.folder)
    assert bundle.model.calibration.rate_S.tolist() == pytest.approx([0.2, 1.0])
    assert before.model.calibration.rate_S.tolist() == [1, 1]
    names = [[one.name for one in part] for part in (bundle.spec.fields, bundle.spec.numbers)]
    assert names[0] == ["shop", "city", "rate_band", "shop_at_hour", "hour", "weekday"]
    assert set(before.spec.numbers) - set(bundle.spec.numbers) == {FieldSpec("user_click_rate_3d", "number")}
    # What is judged is never sampled.
    valid = lake.scan(con, "examples", [done.window.valid_day])
    assert len(bundle.encoder.transform(con, valid, AS_OF)) == len(valid)
    only_rates = tiny_contract(split=CONTRACT["split"] | {"negative_rate": {"home": 0.3}})
    assert train(only_rates, lake, tmp_path, AS_OF, "shared_bottom").version not in (whole.version, done.version)


def test_a_run_cut_off_before_its_commit_is_finished_from_its_folder(lake: Lake, tmp_path: Path) -> None:
    contract = tiny_contract()
    copied = Lake(tmp_path / "lake")
    shutil.copytree(lake.root, copied.root)
    shutil.rmtree(copied.root / "_manifests" / "train", ignore_errors=True)
    train(contract, copied, tmp_path / "models", AS_OF, "shared_bottom")
    before = copied.manifest("train/shared_bottom", AS_OF)
    copied.manifest_path("train/shared_bottom", AS_OF).unlink()
    assert train(contract, copied, tmp_path / "models", AS_OF, "shared_bottom").reused
    after = copied.manifest("train/shared_bottom", AS_OF)
    assert before.content_hash == after.content_hash
    assert before.info == after.info


def test_code_that_decides_what_is_learned_makes_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lengths of lists stand in the code of the contract; how a model is judged changes none."""
    root, before = Path(run.__file__).parent.parent, run.code_version()
    copied = shutil.copytree(root, tmp_path / "hinet_core")
    monkeypatch.setattr(run, "__file__", str(copied / "training" / "run.py"))
    assert run.code_version() == before
    for file, changes in (("evaluation/metrics.py", False), ("contract/columns.py", True)):
        (copied / file).open("a").write("LIST_LENGTH = 9\n")
        assert (run.code_version() != before) == changes


def test_what_cannot_be_trained_is_said(lake: Lake, tmp_path: Path) -> None:
    contract = tiny_contract()
    with pytest.raises(NotEnoughDays, match="as of 2024-03-07"):
        train(contract, lake, tmp_path, date(2024, 3, 7), "hinet")
    with pytest.raises(ValueError, match="no model 'nothing'"):
        train(contract, lake, tmp_path, AS_OF, "nothing")
    with pytest.raises(ValueError, match=r"preset is 'huge', expected one of authors, paper, quick, without_"):
        train(contract, lake, tmp_path, AS_OF, "hinet", preset="huge")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def version(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained model."""
    return train(tiny_contract(), lake, tmp_path_factory.mktemp("models"), AS_OF, "shared_bottom", seed=3).folder


def test_a_version_says_what_it_was_made_from_and_what_it_reached(version: Path) -> None:
    meta = checkpoint.load(version).meta
    assert meta["contract"]["data_fingerprint"] == tiny_contract().data_fingerprint == meta["run"]["data_fingerprint"]
    assert meta["contract"]["content"] == tiny_contract().data_content
    assert meta["code"]["source_hash"] == meta["run"]["code_version"]
    assert set(meta["versions"]) == {"python", "torch"}
    assert meta["versions"]["torch"] == torch.__version__
    assert meta["hardware"]["device"] == "cpu" and meta["hardware"]["name"]
    cells = [(row["scenario"], row["task"]) for row in meta["metrics"]]
    assert cells == [(scenario, task) for scenario in ("home", "map") for task in ("click", "order")]
    assert sorted((row["scenario"], row["task"]) for row in meta["calibration"]) == sorted(cells)


def test_validation_metrics_are_those_of_the_stored_model(
    version: Path, lake: Lake, con: duckdb.DuckDBPyConnection
) -> None:
    bundle = checkpoint.load(version)
    valid = bundle.encoder.transform(con, lake.scan(con, "examples", [date(2024, 3, 11)]), AS_OF)
    z_NT = bundle.model(valid.batch(slice(0, len(valid)))).double()
    with bundle.model.calibration.bypassed():
        raw_NT = bundle.model(valid.batch(slice(0, len(valid)))).double()
    rows = (valid.scenario_N == 1) & (valid.label_mask_NT[:, 0] > 0)
    label_N = valid.labels_NT[rows, 0].double()
    found = next(row for row in bundle.meta["metrics"] if (row["scenario"], row["task"]) == ("map", "click"))
    assert (found["n"], found["n_positives"]) == (int(rows.sum()), int(label_N.sum()))
    for logit_NT, suffix in ((z_NT, ""), (raw_NT, "_before_calibration")):
        logit_N = logit_NT[rows, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit_N, label_N).item()
        assert found[f"logloss{suffix}"] == pytest.approx(loss, abs=2e-6)
        ratio = (logit_N.sigmoid().sum() / label_N.sum()).item()
        assert found[f"predicted_over_observed{suffix}"] == pytest.approx(ratio, abs=2e-6)


def test_a_model_of_another_contract_is_refused_with_the_differences(version: Path) -> None:
    assert checkpoint.load(version, contract=tiny_contract()).name == "shared_bottom"
    columns = [one | ({"type": "int8"} if one["name"] == "slot" else {}) for one in CONTRACT["columns"]]
    features = CONTRACT["features"] | {"min_token_count": 9}
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(version, contract=tiny_contract(columns=columns, features=features))
    assert str(error.value).startswith(f"{version.name} was trained under another contract than tiny is now: ")
    assert "column slot: type was 'int16', is 'int8'; features.min_token_count was " in str(error.value)
    assert str(error.value).endswith("Train it again under this contract, or take the contract back")


FILES = ("weights.safetensors", "model.json", "encoder/vocabulary.parquet", "encoder/encoder.json")


@pytest.mark.parametrize("name", FILES)
def test_a_folder_whose_file_is_cut_short_anywhere_is_refused_with_one_sentence(
    version: Path, tmp_path: Path, name: str
) -> None:
    whole = (version / name).read_bytes()
    shutil.copytree(version, tmp_path / "v")
    for kept in (0, 1, 7, 9, 100, len(whole) // 3, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        (tmp_path / "v" / name).write_bytes(whole[:kept])
        with pytest.raises((CheckpointError, EncodingError)) as error:
            checkpoint.load(tmp_path / "v")
        said = str(error.value)
        assert str(tmp_path / "v" / Path(name).parts[0]) in said and "\n" not in said
        assert "train" in said and "again" in said
    (tmp_path / "v" / name).unlink()
    with pytest.raises((CheckpointError, EncodingError)):
        checkpoint.load(tmp_path / "v")


def test_files_of_another_version_are_not_mixed_in(version: Path, lake: Lake, tmp_path: Path) -> None:
    other = train(tiny_contract(), lake, tmp_path / "other", AS_OF, "shared_bottom", seed=4).folder
    shutil.copytree(version, tmp_path / "v")
    shutil.copy(other / "weights.safetensors", tmp_path / "v")
    with pytest.raises(CheckpointError, match="was changed after training, or is another model's"):
        checkpoint.load(tmp_path / "v")
    shutil.copy(version / "weights.safetensors", tmp_path / "v")
    content = (version / "encoder" / "encoder.json").read_text()
    (tmp_path / "v" / "encoder" / "encoder.json").write_text(content.replace('"n_positions": ', '"n_positions": 1'))
    with pytest.raises(CheckpointError, match=r"encoder\.json was changed after training, or is another model's"):
        checkpoint.load(tmp_path / "v")


def test_scoring_rows_that_lack_a_feature_names_it(version: Path, lake: Lake, con: duckdb.DuckDBPyConnection) -> None:
    encoder = checkpoint.load(version, contract=tiny_contract()).encoder
    rows = lake.scan(con, "examples", [date(2024, 3, 11)])
    for name in ("city", "user_click_rate_3d"):
        with pytest.raises(EncodingError, match=f"examples lack {name}: "):
            encoder.transform(con, rows.project(f"* EXCLUDE ({name})"), AS_OF)


def test_the_exported_program_scores_real_rows_as_the_model_does_and_its_files_encode_them(
    version: Path, lake: Lake, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    bundle = checkpoint.load(version)
    folder = export(bundle, tmp_path / "program")
    rows = lake.scan(con, "examples", [date(2024, 3, 11)]).order("day_number, source_file, record_number")
    data = bundle.encoder.transform(con, rows, AS_OF)
    program = torch.export.load(folder / "model.pt2").module()
    tensors = {"fields": data.fields_NF, "numbers": data.numbers_NK, "lists": dict(data.lists)}
    found_NT = program(**tensors, scenario=data.scenario_N, position=data.position_N)
    torch.testing.assert_close(found_NT, torch.tensor(predict(bundle.model, data)), rtol=0, atol=1e-5)
    # The ids and numbers of the log's own columns follow from the two JSON files alone.
    said, words = (json.loads((folder / name).read_text()) for name in ("inputs.json", "vocabulary.json"))
    raw = rows.to_arrow_table().to_pylist()
    city = words["fields"]["city"]
    ids = [city["missing"] if one["city"] is None else city["tokens"].get(one["city"], 1) for one in raw]
    assert ids == data.fields_NF[:, [one["name"] for one in said["fields"]].index("city")].tolist()
    place = [one["name"] for one in said["numbers"]].index("price")
    price = said["numbers"][place]
    change = {"identity": float, "log1p": lambda value: math.log1p(max(value, 0))}[price["transform"]]
    scaled = [(change(one["price"] or 0) - price["mean"]) / price["scale"] for one in raw]
    clipped = [0 if one["price"] is None else min(max(x, -4), 4) for one, x in zip(raw, scaled, strict=True)]
    assert data.numbers_NK[:, place].tolist() == pytest.approx(clipped, abs=1e-6)
    assert "shared_bottom-2024-03-13" in (folder / "MODEL_CARD.md").read_text()


def test_a_version_can_begin_with_the_weights_of_another(lake: Lake, tmp_path: Path, caplog) -> None:
    """One more day has grown the vocabulary's counts; the version says where it began, and ends elsewhere for it."""
    before = train(tiny_contract(), lake, tmp_path, date(2024, 3, 12), "shared_bottom")
    fresh = train(tiny_contract(), lake, tmp_path, AS_OF, "shared_bottom")
    with caplog.at_level("INFO"):
        warm = train(tiny_contract(), lake, tmp_path, AS_OF, "shared_bottom", warm_start=before.version)
    assert "warm start: shop has 5 tokens, 5 of them known before" in caplog.text
    assert warm.version not in (before.version, fresh.version)
    assert checkpoint.load(warm.folder).meta["params"]["train.warm_start"] == before.version
    weights = [checkpoint.load(done.folder).model.fields.table for done in (fresh, warm)]
    assert not torch.equal(*weights)
    assert train(tiny_contract(), lake, tmp_path, AS_OF, "shared_bottom", warm_start=before.version).reused
    with pytest.raises(ValueError, match=f"no version 'none' to start from .*: expected one of .*{before.version}"):
        train(tiny_contract(), lake, tmp_path, AS_OF, "shared_bottom", warm_start="none")


def test_a_scenario_that_the_contract_has_gained_starts_as_the_shared_part(lake: Lake, tmp_path: Path) -> None:
    """Through a second lake, whose examples have the scenario `other` too; nothing is learned after the start."""
    before = train(tiny_contract(), lake, tmp_path / "m", AS_OF, "hinet")
    wider = tiny_contract(scenarios=[{"id": "other"}, {"id": "home"}, {"id": "map"}])
    job = plan_job(wider, written(tmp_path / "wider", wider), AS_OF, "hinet", "quick", 0, before.version)
    frozen = replace(job, train_config=TrainConfig(epochs=1, learning_rate=1e-12, embedding_l2=0.0))
    folder = tmp_path / "m" / frozen.version
    train_to_folder(frozen, Lake(tmp_path / "wider"), folder, "cpu", Progress(folder))
    layer_GK, old_GK = (
        checkpoint.load(one).model.scenario_layer.sei.experts.weights[1].detach().unflatten(0, (-1, 2))
        for one in (folder, before.folder)
    )
    shared, home, place = old_GK
    torch.testing.assert_close(layer_GK, torch.stack([shared, shared, home, place]))
    assert not torch.allclose(shared, home)


def poor(row: Row) -> Row:
    """Nobody orders, all are in one city, and of the scenario `map` there are 17 rows in all."""
    place = "map" if row["record_number"] < 17 else "home"
    never = {"ordered": 0, "ordered_at": None, "label_order": 0}
    return row | never | {"city": "x", "place": place, "scenario_id": place}


def test_a_poor_log_is_trained_on_and_said_to_be_poor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lake = written(tmp_path / "lake", tiny_contract(), poor)
    done = train(tiny_contract(), lake, tmp_path / "models", AS_OF, "hinet")
    assert "task 1: none of " in caplog.text
    bundle = checkpoint.load(done.folder)
    assert {one.name: one.width for one in bundle.spec.fields}["city"] == 3
    orders = [one for one in bundle.meta["calibration"] if one["task"] == "order"]
    assert [(one["method"], one["n_positives"]) for one in orders] == [("none", 0), ("none", 0)]
    assert all(torch.isfinite(one).all() for one in bundle.model.state_dict().values())
