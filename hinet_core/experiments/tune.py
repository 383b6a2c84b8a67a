"""The search for a model's settings: Optuna's TPE, scored on the validation day, resumable from a journal file.

A score moves with its seed by as much as good settings differ, so the best of ten trials is above all the luckiest: the
best ones and the preset are trained again from further seeds. Their mean decides and is what the file says, without the
seed that chose them.

Only days before as_of are read, and each trial is decided by the finished ones and the seed: a search that was killed
goes on to the same settings as one that was not. The journal is <contract>/experiments/tune/<model>-<hash>.log.
"""

import logging
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState
from torch import nn

from hinet_core import models
from hinet_core.contract import Contract
from hinet_core.dataset import window
from hinet_core.experiments.experiment import SEARCHED, Settings
from hinet_core.experiments.grid import own_rows
from hinet_core.experiments.spaces import of_preset, space_of
from hinet_core.lake import Lake, crash_point
from hinet_core.lock import exclusive
from hinet_core.progress import track
from hinet_core.training.arithmetic import threads
from hinet_core.training.history import TrainingDivergedError
from hinet_core.training.loop import fit
from hinet_core.training.run import EXAMPLES, Job, Prepared, plan_job, prepared, short_hash
from hinet_core.training.stopping import BY_AUC

log = logging.getLogger(__name__)

# Trials that are drawn at random before TPE has something to go by.
N_RANDOM = 4
# So many trials beside the preset are trained from so many further seeds.
N_FINALISTS, MORE_SEEDS = 2, 2


def tune(
    contract: Contract,
    lake: Lake,
    root: Path,
    as_of: date,
    model: str,
    n_trials: int = 10,
    seed: int = 0,
    device: str = "auto",
) -> tuple[Settings, dict[str, Any]]:
    """The best settings of `n_trials` by mean score on the validation day, and what the settings file says of them.

    Trials and further seeds that are in the journal count. The file's `validation_auc` and `preset_auc` are means over
    so many `seeds`: the further ones, or of a single trial, which nothing chose, the search's own. There is no
    `preset_auc` where the preset diverged. Raises ValueError where every trial diverged.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    job = plan_job(contract, lake, as_of, model, SEARCHED, seed)
    with journal(root, job) as study:
        missing = n_trials - len(finished(study))
        if missing > 0 or unconfirmed(study, n_trials, seed):
            days = window(contract, lake.days(EXAMPLES), as_of)
            with prepared(contract, lake, days, own_rows(root)) as data:
                for _ in track(range(missing), f"{contract.name}: tuning {model}"):
                    one_trial(study, job, data, device)
                rest = unconfirmed(study, n_trials, seed)
                for trial, other in track(rest, f"{contract.name}: {model} from more seeds"):
                    value = trained_at(trial.params, replace(job, seed=other), data, device)
                    study.set_user_attr(again(trial, other), value)
        last = finalists(study, n_trials)
        scores = {one.number: scores_of(study, one, seed, n_trials) for one in last}
    means = {number: sum(each) / len(each) for number, each in scores.items()}
    best = max(last, key=lambda one: (means[one.number], -one.number))
    if means[best.number] == -math.inf:
        raise ValueError(f"{model}: all {n_trials} trials diverged; choose another preset")
    aucs = {"validation_auc": means[best.number], "preset_auc": means[last[0].number]}
    facts = {key: round(value, 6) for key, value in aucs.items() if math.isfinite(value)} | {
        "seed": seed, "seeds": len(scores[best.number]), "valid_day": job.window.valid_day.isoformat(),
        "data_fingerprint": contract.data_fingerprint, "code": job.code_version,
    }  # fmt: skip
    return settings_of(best.params, n_trials), facts


def finalists(study: optuna.Study, n_trials: int) -> list[FrozenTrial]:
    """The preset, and the best by the first seed of the others."""
    preset, *others = finished(study)[:n_trials]
    return [preset, *sorted(others, key=lambda one: (-score_of(one), one.number))[:N_FINALISTS]]


def unconfirmed(study: optuna.Study, n_trials: int, seed: int) -> list[tuple[FrozenTrial, int]]:
    """Finalists and the seeds that they have not been trained from yet; none where the preset has no one beside it."""
    last = [one for one in finalists(study, n_trials) if one.value is not None] if n_trials > 1 else []
    return [(one, other) for one in last for other in further(seed) if again(one, other) not in study.user_attrs]


def further(seed: int) -> range:
    """The seeds from which the finalists are trained again."""
    return range(seed + 1, seed + 1 + MORE_SEEDS)


def again(trial: FrozenTrial, seed: int) -> str:
    """The name under which the journal keeps a trial's score from another seed."""
    return f"trial {trial.number}, seed {seed}"


def scores_of(study: optuna.Study, trial: FrozenTrial, seed: int, n_trials: int) -> list[float]:
    """By which a finalist is judged: those of the further seeds, since the first one chose it. -inf where it diverged.

    A single trial was not chosen, so the first seed's score is its.
    """
    if n_trials == 1 or trial.value is None:
        return [score_of(trial)]
    others = [study.user_attrs[again(trial, other)] for other in further(seed)]
    return [-math.inf if one is None else one for one in others]


def one_trial(study: optuna.Study, job: Job, data: Prepared, device: str) -> None:
    """Train once: at the preset first, so that a search never ends below it, then where TPE expects most.

    The sampler begins anew from the number of finished trials: nothing of it has to survive a kill.
    """
    n_done, space = len(finished(study)), space_of(job.model_config)
    if n_done == 0:
        params = of_preset(space, job.model_config, job.train_config)
        value = trained_at(params, job, data, device)
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        mine: dict[str, BaseDistribution] = {key: space[key] for key in params}
        study.add_trial(optuna.trial.create_trial(state=state, value=value, params=params, distributions=mine))
        return
    study.sampler = optuna.samplers.TPESampler(seed=job.seed * 10_000 + n_done, n_startup_trials=N_RANDOM)
    trial = study.ask(dict(space))
    value = trained_at(trial.params, job, data, device)
    crash_point("in-trial")
    study.tell(trial, value, state=TrialState.PRUNED if value is None else TrialState.COMPLETE)


@threads()
def trained_at(params: Mapping[str, Any], job: Job, data: Prepared, device: str) -> float | None:
    """The validation score of the model at these settings; None where training diverges."""
    settings = settings_of(params)
    network = models.build(
        job.model_name, data.encoder.spec, job.preset, seed=job.seed, **{**job.model_config, **settings.model}
    )
    try:
        value = score(network, data, replace(job.train_config, **settings.train), job.seed, device)
    except TrainingDivergedError as error:
        log.warning("%s at %s: %s", job.model_name, dict(params), error)
        return None
    log.info("%s at %s: %.4f", job.model_name, dict(params), value)
    return value


def score(network: nn.Module, data: Prepared, train_config: Any, seed: int, device: str) -> float:
    """The AUC that stops a training (`auc_mean`), of the best epoch, on the validation day."""
    history = fit(network, data.train, data.valid, train_config, seed, device)
    if history.rule not in BY_AUC or history.best_score is None:
        raise ValueError("no scenario of the validation day has both classes: choose a day with more rows")
    return history.best_score


class HeldAlready(JournalFileOpenLock):
    """No lock: the search holds one of the operating system, which a killed process cannot leave behind."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None: ...


@contextmanager
def journal(root: Path, job: Job) -> Iterator[optuna.Study]:
    """The study of a model, data, code and seed; a trial that a kill left unfinished is taken out."""
    name = f"{job.model_name}-{short_hash([job.version, job.seed])[:8]}"
    root.mkdir(parents=True, exist_ok=True)
    with exclusive(root / f"{name}.lock"):
        file = root / f"{name}.log"
        without_broken_line(file)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(file), lock_obj=HeldAlready(str(file))))
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
        yield study


def without_broken_line(file: Path) -> None:
    """Cut off a line that a kill left unfinished."""
    if file.exists() and (text := file.read_bytes()) and not text.endswith(b"\n"):
        os.truncate(file, text.rfind(b"\n") + 1)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def score_of(trial: FrozenTrial) -> float:
    """A diverged trial has the least score."""
    return -math.inf if trial.value is None else trial.value


def settings_of(params: Mapping[str, Any], n_trials: int = 0) -> Settings:
    """`model.dropout` and `train.learning_rate` as two tables. Six digits, so that the file holds what was tried."""
    parts: dict[str, dict[str, Any]] = {"model": {}, "train": {}}
    for key, value in params.items():
        part, name = key.split(".")
        parts[part][name] = float(f"{value:.6g}") if isinstance(value, float) else value
    return Settings(model=parts["model"], train=parts["train"], trials=n_trials)
