"""Which versions of a model exist, and which one is the champion.

`<models>/<version>/` holds one finished model each; `<models>/champion.json` names the one in use and is replaced
in one step, so a reader sees the old champion or the new one, never half of either.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

from hinet_core.contract import Contract
from hinet_core.lake import Lake, connect, replace_text
from hinet_core.quality.drift import CHAMPION, Reference
from hinet_core.training.description import DESCRIPTION, CheckpointError, read_description, require_contract

POINTER = "champion.json"
EVALUATION = "evaluation"  # the step that judges
TO_GET_ONE = "make run, or the asset champion in Dagster, names the challenger's latest run"
WITHOUT_GATE = "the latest {model}; no promotion gate has judged it"

Row = dict[str, Any]


class RegistryError(ValueError):
    """The registry cannot answer; the message says what to do."""


def versions(models_root: Path, lake: Lake, model: str | None = None) -> list[Row]:
    """The `runs` rows of all models trained, oldest as_of first, each with `present` (its folder exists)."""
    steps = [step for step in lake.steps() if step.startswith("train/") and model in (None, step[len("train/") :])]
    days = sorted({day for step in steps for day in lake.days(step)})
    if not days:
        return []
    con = connect()
    try:
        rows = lake.scan(con, "runs", days).to_arrow_table().to_pylist()
    finally:
        con.close()
    wanted = [
        row | {"present": (models_root / row["version"]).is_dir()} for row in rows if model in (None, row["model"])
    ]
    return sorted(wanted, key=lambda row: (row["as_of"], row["model"]))


def every_version(models_root: Path, lake: Lake) -> list[Row]:
    """What each finished folder says of its run, and the committed runs whose folder is gone; oldest as_of first.

    `committed`: it is the run of its model and day, the last of several; evaluation, lift and the champion read no
    other. `state`: `there`, `missing`, or `not readable` for a folder whose model.json this code refuses.
    """
    runs = {row["version"]: row for row in versions(models_root, lake)}
    found = {version: row | {"state": "missing"} for version, row in runs.items()}
    for version in finished(models_root):
        found[version] = {"version": version, "model": version, "as_of": None} | _run_of(models_root / version)
    rows = [row | {"committed": version in runs} for version, row in found.items()]
    return sorted(rows, key=lambda row: (row["as_of"] or date.min, row["model"], row["version"]))


def set_champion(models_root: Path, contract: Contract, lake: Lake) -> Row:
    """Make the latest version of the contract's challenger the champion, marked as not judged by a gate."""
    model = contract.lift.challenger
    trained = [row for row in versions(models_root, lake, model) if row["present"]]
    if not trained:
        raise RegistryError(
            f"{contract.name}: expected a finished version of {model} under {models_root}, found none. Train it first."
        )
    return promote(models_root, contract, trained[-1], WITHOUT_GATE.format(model=model))


def promote(models_root: Path, contract: Contract, run: Row, reason: str) -> Row:
    """Point at this run's version; the same pointer is left untouched.

    Raises RegistryError, with the differences, for a version that was trained under another contract.
    """
    folder = models_root / run["version"]
    try:
        require_contract(folder, read_description(folder)["meta"], contract)
    except CheckpointError as error:
        raise RegistryError(f"{run['version']} cannot be the champion: {error}") from None
    pointer = {
        "contract": contract.name,
        "model": run["model"],
        "version": run["version"],
        "as_of": run["as_of"].isoformat(),
        "run_id": run["run_id"],
        "data_fingerprint": contract.data_fingerprint,
        "reason": reason,
    }
    if pointer != _read(models_root):
        replace_text(models_root / POINTER, json.dumps(pointer, indent=1, sort_keys=True) + "\n")
    return _with_date(pointer)


def champion(models_root: Path) -> Row | None:
    """The champion (model, version, as_of, run_id, reason, data_fingerprint), or None before there is one."""
    pointer = _read(models_root)
    if pointer is None:
        return None
    if not (models_root / pointer["version"]).is_dir():
        raise RegistryError(
            f"{models_root / POINTER} names version {pointer['version']}, expected its folder beside it, found none. "
            "Put the folder back, or train and promote again."
        )
    return _with_date(pointer)


def retire(models_root: Path, version: str) -> None:
    """Without a champion from here on if it was this version; a pointer to any other stays as it is."""
    if (_read(models_root) or {}).get("version") == version:
        (models_root / POINTER).unlink()


def champion_reference(models_root: Path) -> Reference | None:
    """What the champion learned from, for drift; None before there is one."""
    found = champion(models_root)
    if found is None:
        return None
    return Reference(CHAMPION, training_days(models_root, found["version"]), found["version"])


def finished(models_root: Path) -> list[str]:
    """The versions whose folders are whole; what is being trained or saved has a name that begins with a dot."""
    return sorted(path.parent.name for path in models_root.glob(f"[!.]*/{DESCRIPTION}"))


def folder_of(models_root: Path, version: str) -> Path:
    """The folder of a version, or of the one in use for `champion`. Raises RegistryError, naming those there are."""
    found = champion(models_root) if version == CHAMPION else {"version": version}
    if found is None:
        raise RegistryError(f"{models_root / POINTER}: there is no champion yet. {TO_GET_ONE}")
    folder = models_root / found["version"]
    known = finished(models_root)
    if found["version"] not in known:
        raise RegistryError(
            f"version: found {version!r}, allowed: {CHAMPION}, or one of {', '.join(known) or 'none yet'} "
            f"(the folders in {models_root})"
        )
    return folder


def judged_metrics(lake: Lake, folder: Path) -> list[Row]:
    """The rows of eval_metrics of a version; none before it was judged."""
    run = read_description(folder)["meta"].get("run", {})
    day = date.fromisoformat(run["as_of"]) if "as_of" in run else None
    if day is None or lake.manifest(EVALUATION, day) is None:
        return []
    con = connect()
    try:
        rows = lake.scan(con, "eval_metrics", [day]).to_arrow_table().to_pylist()
    finally:
        con.close()
    return [row for row in rows if row["run_id"] == run["run_id"]]


def training_days(models_root: Path, version: str) -> tuple[date, ...]:
    """The days whose rows a version learned from, as its folder says."""
    path = models_root / version / DESCRIPTION
    try:
        days = json.loads(path.read_text(encoding="utf-8"))["meta"]["days"]
        return tuple(date.fromisoformat(day) for day in (*days["train"], *days["fresh"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"{path}: expected the days that {version} was trained on, found {error!r}. Train and promote again."
        ) from None


def _run_of(folder: Path) -> Row:
    try:
        run = read_description(folder)["meta"].get("run", {})
    except CheckpointError:
        return {"state": "not readable"}
    return _with_date(run) | {"state": "there"} if "as_of" in run else {"state": "there"}


def _with_date(pointer: Row) -> Row:
    return pointer | {"as_of": date.fromisoformat(pointer["as_of"])}


def _read(models_root: Path) -> Row | None:
    path = models_root / POINTER
    try:
        pointer = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RegistryError(
            f"{path}: expected a JSON object, found {error}. Delete the file and promote again."
        ) from None
    needed = ("model", "version", "as_of", "run_id", "reason")
    missing = [key for key in needed if not isinstance(pointer, dict) or key not in pointer]
    if missing:
        raise RegistryError(f"{path}: expected the keys {', '.join(needed)}, missing {', '.join(missing)}.")
    return pointer
