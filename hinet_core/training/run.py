"""From committed examples to a stored model: the window, the encoder, the fit, the folder, the commit.

A version is named by its inputs, so the same inputs are never trained twice. A training that was killed goes on from
its last progress checkpoint, and a run that was cut off between the folder and the commit is finished from the folder
with the very rows that it would have written.
"""

import hashlib
import importlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa

from hinet_core import models
from hinet_core.contract import Contract, at_most
from hinet_core.dataset import Dataset, Encoder, Window, window
from hinet_core.dataset.training_set import training_set
from hinet_core.features.history import step_hashes
from hinet_core.lake import Lake, connect
from hinet_core.lock import TRAINING, shared
from hinet_core.settings import load_settings
from hinet_core.training import checkpoint
from hinet_core.training.arithmetic import threads
from hinet_core.training.config import TrainConfig
from hinet_core.training.description import contract_of
from hinet_core.training.history import History, TrainingDivergedError
from hinet_core.training.loop import device_of, fit
from hinet_core.training.memory import enough_memory
from hinet_core.training.origin import origin
from hinet_core.training.progress import EVERY_S, Progress
from hinet_core.training.settings import settings_of
from hinet_core.training.sweep import sweep
from hinet_core.training.validation import validation_metrics
from hinet_core.training.warm_start import Known, older, start_from

log = logging.getLogger(__name__)

EXAMPLES = "examples"
# The training rows stay in memory up to this part of HINET_MEMORY; DuckDB and the model need the rest.
ROWS_SHARE = 4
# The contract's own code has lengths, transforms and defaults that it does not write into a contract's hash.
CODE_ROOMS = ("contract", "features", "dataset", "models", "training")
RUN_SCHEMA = pa.schema(
    [("run_id", pa.string()), ("model", pa.string()), ("as_of", pa.date32()), ("seed", pa.int64()),
     ("status", pa.string()), ("started_at", pa.timestamp("us")), ("finished_at", pa.timestamp("us")),
     ("duration_s", pa.float64()), ("device", pa.string()), ("n_params", pa.int64()), ("n_train", pa.int64()),
     ("best_epoch", pa.int64()), ("preset", pa.string()), ("params_hash", pa.string()), ("code_version", pa.string()),
     ("data_fingerprint", pa.string()), ("full_fingerprint", pa.string()), ("train_from", pa.date32()),
     ("train_to", pa.date32()), ("valid_day", pa.date32()), ("version", pa.string()), ("rows_per_s", pa.float64())]
)  # fmt: skip
PARAM_SCHEMA = pa.schema([("run_id", pa.string()), ("key", pa.string()), ("value", pa.string())])
CURVE_SCHEMA = pa.schema(
    [("run_id", pa.string()), ("task", pa.string()), ("split", pa.string()), ("metric", pa.string()),
     ("epoch", pa.float64()), ("step", pa.int64()), ("wall_s", pa.float64()), ("value", pa.float64())]
)  # fmt: skip
DATES = ("as_of", "train_from", "train_to", "valid_day")
TIMES = ("started_at", "finished_at")


@dataclass(frozen=True)
class TrainedModel:
    """One version of a model; `reused` when it had been trained before from the same inputs."""

    model: str
    version: str
    run_id: str
    folder: Path
    as_of: date
    n_train: int
    n_params: int
    best_epoch: int
    duration_s: float
    window: Window
    reused: bool


@dataclass(frozen=True)
class Job:
    """What decides a version: nothing else may change what is learned, but the device's arithmetic."""

    contract: Contract
    model_name: str
    preset: str
    seed: int
    window: Window
    model_config: Mapping[str, Any]
    train_config: TrainConfig
    examples: Mapping[str, str]
    code_version: str
    warm_start: str | None = None  # the version whose weights it begins with

    @property
    def params(self) -> dict[str, Any]:
        """Settings as flat keys, for `run_params`."""
        sizes = {f"model.{key}": value for key, value in self.model_config.items()}
        start = {"train.warm_start": self.warm_start} if self.warm_start else {}
        return sizes | {f"train.{key}": value for key, value in asdict(self.train_config).items()} | start

    @property
    def params_hash(self) -> str:
        return short_hash({"model": self.model_name, "preset": self.preset, "params": self.params})

    @property
    def version(self) -> str:
        inputs = {
            "params": self.params_hash,
            "seed": self.seed,
            "contract": self.contract.data_fingerprint,
            "train_days": self.contract.split.train_days,
            "negative_rate": self.contract.split.negative_rate,
            "examples": dict(self.examples),
            "code": self.code_version,
        }
        return f"{self.model_name}-{self.window.as_of.isoformat()}-{short_hash(inputs)[:8]}"


def train(
    contract: Contract,
    lake: Lake,
    models_root: Path,
    as_of: date,
    model_name: str,
    preset: str = "quick",
    seed: int = 0,
    device: str = "auto",
    warm_start: str | None = None,
    progress_every_s: float = EVERY_S,
) -> TrainedModel:
    """Train a model as of a day from what is committed, store it as `models_root/<version>` and commit its run.

    Killed at any step, the same call goes on from what was last saved (every `progress_every_s` seconds and after each
    epoch) to the same bits on a CPU. With `warm_start`, a version under `models_root`, it begins with the weights of
    that one (`warm_start.start_from`). Raises NotEnoughDays when the committed days do not reach, ValueError for an
    unknown model or preset, BusyError when another process trains this very version.
    """
    job = plan_job(contract, lake, as_of, model_name, preset, seed, warm_start)
    if missing := texts(job.window.missing_days):
        log.warning("%s learns without days that are not committed: %s", job.version, at_most(missing))
    folder = models_root / job.version
    progress = Progress(folder, progress_every_s)
    models_root.mkdir(parents=True, exist_ok=True)
    with progress.held():
        reused = folder.exists()
        try:
            if not reused:
                train_to_folder(job, lake, folder, device, progress)
            progress.remove()
        except TrainingDivergedError:
            progress.remove()  # what is not a number stays so
            raise
    sweep(models_root)
    meta = checkpoint.load(folder).meta
    commit_run(lake, job, meta)
    run = meta["run"]
    log.info(
        "%s %s: %s rows, best epoch %s",
        job.version,
        "reused" if reused else "trained",
        run["n_train"],
        run["best_epoch"],
    )
    return TrainedModel(
        model_name, job.version, run["run_id"], folder, as_of, run["n_train"], run["n_params"], run["best_epoch"],
        run["duration_s"], job.window, reused,
    )  # fmt: skip


def plan_job(
    contract: Contract,
    lake: Lake,
    as_of: date,
    model_name: str,
    preset: str,
    seed: int,
    warm_start: str | None = None,
) -> Job:
    """Everything that decides the version, read before any work is done."""
    if preset not in models.presets(model_name):
        raise ValueError(f"preset is {preset!r}, expected one of {', '.join(models.presets(model_name))}")
    days = window(contract, lake.days(EXAMPLES), as_of)
    config = asdict(importlib.import_module(f"hinet_core.models.{model_name}").PRESETS[preset])
    read = step_hashes(lake, EXAMPLES, (*days.fitted_days, days.valid_day))
    settings = settings_of(contract, preset)
    return Job(contract, model_name, preset, seed, days, config, settings, read, code_version(), warm_start)


@dataclass(frozen=True)
class Prepared:
    """The encoded days of a window: what every model of it learns from and is stopped by."""

    encoder: Encoder
    train: Dataset
    valid: Dataset


@contextmanager
def prepared(contract: Contract, lake: Lake, days: Window, beside: Path) -> Iterator[Prepared]:
    """Encode a window; inside, the training set may lie in a file beside the path, and no user is forgotten meanwhile.

    The training set is written again by a training that goes on: its order is that of its keys, so it is the same.
    Raises BusyError while `hinet forget` is at work.
    """
    memory_bytes = load_settings().memory_bytes // ROWS_SHARE
    with shared(lake.root.parent / TRAINING), closing(connect()) as con:
        fitted = lake.scan(con, EXAMPLES, days.fitted_days)
        encoder = Encoder.fit(con, contract, fitted)
        valid = encoder.transform(con, lake.scan(con, EXAMPLES, [days.valid_day]), days.as_of)
        parts = encoder.stream(con, fitted, days.as_of, contract.split.negative_rate)
        with training_set(beside, parts, len(fitted), memory_bytes) as train_set:
            con.close()  # gives DuckDB's memory to the training
            yield Prepared(encoder, train_set, valid)


def train_to_folder(job: Job, lake: Lake, folder: Path, device: str, progress: Progress) -> None:
    """Encode, fit and save; the folder appears whole or not at all."""
    with prepared(job.contract, lake, job.window, folder) as data:
        fit_to_folder(job, data, folder, device, progress)


@threads()
def fit_to_folder(job: Job, data: Prepared, folder: Path, device: str, progress: Progress) -> History:
    """Fit a model on encoded days and save it; the folder appears whole or not at all."""
    started, clock = datetime.now(UTC), perf_counter()
    with enough_memory(job.train_config):
        model = models.build(job.model_name, data.encoder.spec, job.preset, seed=job.seed, **job.model_config)
    if job.warm_start:
        start_from(Known(model, data.encoder.spec, data.encoder.words), older(folder.parent, job.warm_start))
    history = fit(model, data.train, data.valid, job.train_config, job.seed, device, progress=progress)
    seconds = perf_counter() - clock
    n_params = models.n_params(model)
    run = run_row(job, history, started, seconds, str(device_of(device)), n_params, len(data.train))
    meta = meta_of(job, run, history) | {
        "metrics": validation_metrics(model, data.valid, data.encoder.spec),
        **origin(device_of(device), job.code_version),
    }
    spec = data.encoder.spec
    checkpoint.save(folder, model, job.model_name, job.model_config, spec, data.encoder, meta)
    return history


def run_row(
    job: Job, history: History, started: datetime, duration_s: float, device: str, n_params: int, n_train: int
) -> dict[str, Any]:
    """The row of `runs`, in JSON values."""
    days = job.window
    return {
        "run_id": job.version, "model": job.model_name, "as_of": days.as_of.isoformat(), "seed": job.seed,
        "status": "finished", "started_at": started.isoformat(), "finished_at": datetime.now(UTC).isoformat(),
        "duration_s": round(duration_s, 3), "device": device, "n_params": n_params, "n_train": n_train,
        "best_epoch": history.best_epoch, "preset": job.preset, "params_hash": job.params_hash,
        "code_version": job.code_version, "data_fingerprint": job.contract.data_fingerprint,
        "full_fingerprint": job.contract.full_fingerprint, "train_from": days.train_days[0].isoformat(),
        "train_to": days.fitted_days[-1].isoformat(), "valid_day": days.valid_day.isoformat(), "version": job.version,
        "rows_per_s": round(history.rows_per_s, 1),
    }  # fmt: skip


def meta_of(job: Job, run: dict[str, Any], history: History) -> dict[str, Any]:
    """What the folder says of its origin: enough to commit the run again."""
    names = [task.name for task in job.contract.tasks]
    curves = [
        {**row, "run_id": job.version, "task": "all" if row["task"] is None else names[row["task"]]}
        for row in history.rows
    ]
    days = job.window
    return {
        "run": run,
        "params": job.params,
        "curves": curves,
        "days": {
            "train": texts(days.train_days),
            "fresh": texts(days.fresh_days),
            "valid": days.valid_day.isoformat(),
            "missing": texts(days.missing_days),
        },
        "examples": dict(job.examples),
        "time_zone": job.contract.time_zone,
        "contract": contract_of(job.contract),
        "calibration": calibration_rows(job.contract, history),
    }


def calibration_rows(contract: Contract, history: History) -> list[dict[str, Any]]:
    """How each scenario and task was calibrated, by name."""
    scenarios, tasks = [one.id for one in contract.modelled], [one.name for one in contract.tasks]
    return [
        asdict(cell) | {"scenario": scenarios[cell.scenario], "task": tasks[cell.task]} for cell in history.calibration
    ]


def commit_run(lake: Lake, job: Job, meta: dict[str, Any]) -> None:
    """Commit the rows of a stored version as the run of its model and as_of, unless they are committed already."""
    step, as_of = f"train/{job.model_name}", job.window.as_of
    present = lake.manifest(step, as_of)
    if present is not None and present.info.get("version") == job.version:
        return
    run = dict(meta["run"])
    run |= {key: date.fromisoformat(run[key]) for key in DATES}
    run |= {key: datetime.fromisoformat(run[key]).replace(tzinfo=None) for key in TIMES}
    params = [{"run_id": job.version, "key": key, "value": str(value)} for key, value in sorted(meta["params"].items())]
    with lake.begin(step, as_of) as draft:
        draft.write_rows("runs", [run], RUN_SCHEMA)
        draft.write_rows("run_params", params, PARAM_SCHEMA)
        draft.write_rows("train_curves", meta["curves"], CURVE_SCHEMA)
        draft.commit({key: meta[key] for key in ("days", "examples")} | {"version": job.version})


def code_version() -> str:
    """A hash of the source of the rooms that decide what is learned."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for room in CODE_ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def short_hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def texts(days: Iterable[date]) -> list[str]:
    return [day.isoformat() for day in days]
