"""Models that know a user: finished versions with the id as a token, and what unfinished trainings left.

    <contract>/models                of `hinet train`; champion.json beside them names the one in use
    <contract>/experiments/models    of `hinet experiment`; none of them is ever a champion
    <contract>/experiments/tune      of `hinet tune`: journals of settings and scores, and rows while a search runs
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hinet_core import registry
from hinet_core.contract import Contract
from hinet_core.dataset.encoder import VOCABULARY
from hinet_core.lake import connect, parquet_list, quote_literal
from hinet_core.settings import Paths
from hinet_core.training.checkpoint import ENCODER, PARTIAL
from hinet_core.training.description import CheckpointError, read_description

UNFINISHED = (".*.rows", ".*.progress", f".*{PARTIAL}")  # training sets, weights half learned and half written


def models_with(contract: Contract, paths: Paths, user: str) -> list[Path]:
    """The folders of finished versions whose vocabulary has the user's id as a token, alone or as a part of a cross."""
    roots = (paths.models, paths.experiments / "models")
    folders = [root / version for root in roots for version in registry.finished(root)]
    con = connect()
    try:
        found = []
        for folder in folders:
            vocabulary = folder / ENCODER / VOCABULARY
            if vocabulary.is_file():
                hit = _is_token_of(_content(folder, contract), user)
                query = f"SELECT count(*) FROM {parquet_list([vocabulary])} WHERE {hit}"
                found += [folder] if con.execute(query).fetchall()[0][0] else []
        return found
    finally:
        con.close()


def _content(folder: Path, contract: Contract) -> Mapping[str, Any]:
    """What the model was trained under, which may have had a cross or list of users that the contract has no more."""
    try:
        trained_under = read_description(folder)["meta"].get("contract")
    except CheckpointError:  # it cannot be loaded, but its vocabulary is there
        trained_under = None
    return trained_under["content"] if trained_under else contract.data_content


def _is_token_of(content: Mapping[str, Any], user: str) -> str:
    """Rows of a vocabulary that name the user: of the column itself, of lists of users, and of crosses with it."""
    name = next(one["name"] for one in content["columns"] if one.get("role") == "user")
    features = content.get("features", {})
    whole = [name, *(one["name"] for one in features.get("recent", ()) if one["of"] == name)]
    found = [f"(field IN ({', '.join(map(quote_literal, whole))}) AND token = {quote_literal(user)})"]
    for one in features.get("crosses", ()):
        if name in one["columns"]:  # a cross's token is a JSON list of its parts
            part = f"token ->> '$[{one['columns'].index(name)}]'"
            found.append(f"CASE WHEN field = {quote_literal(one['name'])} THEN ({part}) = {quote_literal(user)} END")
    return " OR ".join(found)


def remove_models(paths: Paths, folders: Iterable[Path]) -> None:
    """Remove finished versions; a champion among them is no champion any more."""
    for folder in folders:
        if folder.parent == paths.models:
            registry.retire(paths.models, folder.name)
        left = folder.with_name(f".{folder.name}{PARTIAL}")  # by this name the next call finds what a kill leaves
        shutil.rmtree(left, ignore_errors=True)
        folder.replace(left)
        shutil.rmtree(left)


def remove_unfinished(paths: Paths) -> None:
    """Remove what killed trainings left: rows and weights of days that have been rewritten, of use to nobody now."""
    for root in (paths.models, paths.experiments / "models", paths.experiments / "tune"):
        for left in (one for pattern in UNFINISHED for one in root.glob(pattern)):
            shutil.rmtree(left, ignore_errors=True)
