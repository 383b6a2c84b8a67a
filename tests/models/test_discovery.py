"""Finding and building models by name, and what a wrong name is told."""

import pytest
from model_rows import make_spec

from hinet_core import models
from hinet_core.contract.checks import model_files


def test_every_file_but_layers_and_parts_is_a_model():
    assert {"esmm", "hinet", "mmoe", "ple", "shared_bottom"} <= set(models.names())
    assert not {"layers", "parts"} & set(models.names())


def test_the_contract_knows_the_same_models_without_importing_them():
    assert model_files() == models.names()


def test_overrides_replace_settings_of_the_preset():
    config = models.build("hinet", make_spec(), "paper", sub_experts=1, expert_widths=[9, 5]).config
    assert (config.sub_experts, config.expert_widths, config.sub_expert_widths) == (1, (9, 5), (128, 64))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda spec: models.build("hinett", spec), r"no model 'hinett': expected one of \[.*'hinet',.* 'mmoe'"),
        (lambda spec: models.build("mmoe", spec, "huge"), r"no preset 'huge': expected one of \['paper', 'quick'\]"),
        (lambda spec: models.build("mmoe", spec, width=3), r"no setting \['width'\]: expected some of \['dropout'"),
    ],
    ids=["model", "preset", "setting"],
)
def test_a_wrong_name_is_answered_with_the_right_ones(call, message):
    with pytest.raises(ValueError, match=message):
        call(make_spec())
