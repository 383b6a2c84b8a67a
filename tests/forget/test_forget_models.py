"""Models that learned from a forgotten user are named, deleted when asked, and none comes out of rows that are gone."""

import shutil
from contextlib import ExitStack

import pytest
import torch
from three_days import DAYS, WHO

from hinet_core import models, registry
from hinet_core.contract import parse_contract
from hinet_core.dataset import Encoder, Window
from hinet_core.dataset.training_set import training_set
from hinet_core.experiments.grid import own_rows
from hinet_core.forget import forget
from hinet_core.forget.models import models_with, remove_models
from hinet_core.lake import connect
from hinet_core.lock import TRAINING, BusyError, exclusive
from hinet_core.training import checkpoint
from hinet_core.training.description import contract_of
from hinet_core.training.progress import Progress
from hinet_core.training.run import prepared

pytestmark = pytest.mark.slow

CROSS = {"name": "user_brand", "columns": ["brand", "user"]}


def fitted(contract, lake, *others):
    """An encoder of the committed examples, of all users or of these; the rows it was fitted on, ready to train."""
    con = connect()
    rows = lake.scan(con, "examples")
    if others:
        rows = rows.filter(f"user IN ({', '.join(map(str, others))})")
    return con, Encoder.fit(con, contract, rows), rows


def saved(root, version, contract, lake, *others):
    """A model with what a training stores beside it: it learned from all users, or from these."""
    con, encoder, _ = fitted(contract, lake, *others)
    con.close()
    model = models.build("shared_bottom", encoder.spec, seed=0)
    meta = {"contract": contract_of(contract)}
    return checkpoint.save(root / version, model, "shared_bottom", model.config, encoder.spec, encoder, meta)


def with_tokens(raw, user=None, **features):
    """The contract with every token in the vocabulary, and further fields."""
    columns = [one | {"encode": user} if user and one["name"] == "user" else one for one in raw["columns"]]
    own = raw["features"] | {"recent": [], "min_token_count": 1} | features
    return parse_contract(raw | {"columns": columns, "features": own})


def champion_is(paths, contract, folder):
    run = {"version": folder.name, "model": "shared_bottom", "as_of": DAYS[2], "run_id": folder.name}
    registry.promote(paths.models, contract, run, "the only one")


def test_models_with_the_id_as_a_token_are_named_and_deleted_when_asked(home, tiny_raw):
    """Trained under contracts that knew the user as a column, as a part of a cross and in lists; today's has lists."""
    contract, paths, lake = home
    trials = paths.experiments / "models"
    column, cross, neither = (with_tokens(tiny_raw, **one) for one in ({"user": "id"}, {"crosses": [CROSS]}, {}))
    lists = with_tokens(tiny_raw, recent=tiny_raw["features"]["recent"])
    do_not = [
        saved(paths.models, "features", neither, lake), saved(paths.models, "others", column, lake, 5, 6),
        saved(trials, "others", cross, lake, 5, 6),
    ]  # fmt: skip
    know = [
        saved(paths.models, "column", column, lake), saved(paths.models, "cross", cross, lake),
        saved(trials, "lists", lists, lake), saved(trials, "others too", cross, lake),
    ]  # fmt: skip
    assert models_with(contract, paths, WHO) == know
    champion_is(paths, column, paths.models / "others")
    remove_models(paths, [know.pop()])
    assert registry.champion(paths.models)["version"] == "others"
    champion_is(paths, column, paths.models / "column")
    assert forget(contract, paths, lake, WHO, delete_models=True).models == know
    assert [one for root in (paths.models, trials) for one in sorted(root.iterdir())] == do_not
    assert registry.champion(paths.models) is None
    assert models_with(contract, paths, WHO) == []


def test_what_unfinished_trainings_left_goes_with_the_rows_that_it_was_made_of(home, tiny_raw):
    contract, paths, lake = home
    con, encoder, rows = fitted(contract, lake)
    with ExitStack() as running:
        running.callback(con.close)
        for root in (paths.models, paths.experiments / "models", paths.experiments / "tune"):
            whole = saved(root, "whole", with_tokens(tiny_raw), lake, 5, 6)
            shutil.copytree(whole, root / ".half.partial")
            Progress(root / "begun").save({}, {}, {"weight": torch.zeros(1)})
            parts = encoder.stream(con, rows, DAYS[2], {})
            running.enter_context(training_set(own_rows(root), parts, len(rows), memory_bytes=0))
            assert len(list(root.iterdir())) == 4
        forget(contract, paths, lake, WHO, delete_models=False)
        left = [*paths.models.iterdir(), *paths.experiments.glob("*/*")]
        assert [path.name for path in left] == ["whole"] * 3


def test_a_training_holds_no_other_off_but_a_user_is_not_forgotten_meanwhile(home, tiny_raw):
    """The training has the user's rows: a model of them would appear after the call had said that all is gone."""
    contract, paths, lake = home
    days = Window(DAYS[2], (DAYS[0],), DAYS[1], (), (DAYS[2],), ())
    with prepared(contract, lake, days, paths.root / "one"):
        with prepared(contract, lake, days, paths.root / "other") as rows:
            assert len(rows.train) > 0
        with pytest.raises(BusyError, match="wait until it ends"):
            forget(contract, paths, lake, WHO, delete_models=False)
    assert not (paths.root / "forgotten.json").exists()
    with exclusive(paths.root / TRAINING), pytest.raises(BusyError), prepared(contract, lake, days, paths.root / "one"):
        pass
    forget(contract, paths, lake, WHO, delete_models=False)


def test_a_champion_whose_folder_is_gone_does_not_stop_the_removal_of_others(home, tiny_raw):
    contract, paths, lake = home
    column = with_tokens(tiny_raw, user="id")
    folders = [saved(paths.models, name, column, lake) for name in ("gone", "one")]
    champion_is(paths, column, folders[0])
    shutil.rmtree(folders[0])
    assert forget(contract, paths, lake, WHO, delete_models=True).models == folders[1:]
    assert not folders[1].exists() and (paths.models / registry.POINTER).exists()
