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
    ("text", "n_bytes"), [("500MB", 5 * 10**8), ("1.5 GiB", 3 * 2**29), ("4gb", 4 * 10**9), ("64MiB", 2**26)]
)
def test_memory_in_bytes_is_what_duckdb_takes_it_for(monkeypatch, con, text, n_bytes):
    monkeypatch.setenv("HINET_MEMORY", text)
    assert load_settings().memory_bytes == n_bytes
    con.execute(f"SET memory_limit = '{text}'")
    shown = con.sql("SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'").fetchall()[0][0]
    size, unit = shown.split()
    assert float(size) * 1024 ** ["bytes", "KiB", "MiB", "GiB"].index(unit) == pytest.approx(n_bytes, rel=0.03)


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
