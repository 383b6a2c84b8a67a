"""The environment is read once, and an unusable value is named with what is allowed."""

from pathlib import Path

import pytest

from hinet_core.settings import SettingsError, load_settings


def test_defaults_also_where_a_variable_is_empty(monkeypatch):
    for name in ("HINET_HOME", "HINET_DEVICE", "HINET_MEMORY", "HINET_CONTRACTS", "HINET_THREADS"):
        monkeypatch.setenv(name, "")
    settings = load_settings()
    assert settings.home == Path("var").resolve()
    assert (settings.device, settings.memory_limit, settings.contracts) == ("auto", "4GB", ("meishi",))
    assert settings.threads >= 1


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("HINET_DEVICE", "gpu", "HINET_DEVICE: found 'gpu', allowed: auto, cpu, cuda"),
        ("HINET_THREADS", "0", "HINET_THREADS: found '0', allowed: a whole number from 1"),
        ("HINET_MEMORY", "lots", "HINET_MEMORY: found 'lots', allowed: a size such as 500MB, 4GB or 2GiB"),
    ],
)
def test_an_unusable_value_is_named(monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=sentence):
        load_settings()
