"""What arrives broken: one sentence with the next step, a status that is not 0, and the committed days as they were."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration import run

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
DAY = "day=2025-03-05.parquet"


def environment(home: Path, contract: Path) -> dict[str, str]:
    ours = ("CONTRACT", "DATA", "FRESH", "PRESET", "HINET_CONTRACTS", "HINET_DEVICE", "DAGSTER_HOME", "HINET_CRASH_AT")
    return {name: value for name, value in os.environ.items() if name not in ours} | {
        "HINET_HOME": str(home), "CONTRACT": str(contract), "SERVE": "0",
    }  # fmt: skip


@pytest.fixture(scope="module")
def done(small_file, tmp_path_factory):
    """A home in which everything was carried out once."""
    home = tmp_path_factory.mktemp("done")
    command = [sys.executable, "-m", "orchestration.run"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment(home, small_file), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return home


@pytest.fixture
def call(done, small_file, tmp_path, monkeypatch, capsys):
    """A copy of the finished home to break, and a way to run again: status, stderr, whether commits are as before."""
    home = tmp_path / "home"
    shutil.copytree(done, home)
    for name, value in environment(home, small_file).items():
        monkeypatch.setenv(name, value)
    for name in ("HINET_CONTRACTS", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)

    def main(path, **given):
        for name, value in given.items():
            monkeypatch.setenv(name, str(value))
        before = commits(home)
        status = run.main()
        return status, capsys.readouterr().err.strip(), commits(home) == before

    return home / "small" / "landing" / "impressions" / DAY, main


def commits(home: Path) -> dict[str, str]:
    """Every commit but the list of refused files, which is to change."""
    root = home / "small" / "lake" / "_manifests"
    paths = (path for path in sorted(root.rglob("*.json")) if path.parent.name != "refused_files")
    return {path.relative_to(root).as_posix(): path.read_text() for path in paths}


def as_log(path: Path, change, tmp_path: Path) -> Path:
    """A DATA folder with the landed log, one day of it changed."""
    folder = tmp_path / "data"
    shutil.copytree(path.parents[1], folder)
    target = folder / "impressions" / DAY
    change(target)
    return folder


def rewrite(edit):
    return lambda path: pq.write_table(edit(pq.read_table(path)).replace_schema_metadata(None), path)


def constant(name, value):
    """The table with one value in a column."""

    def edit(table):
        position = table.schema.get_field_index(name)
        column = pa.array([value] * table.num_rows, table.schema.field(name).type)
        return table.set_column(position, name, column)

    return rewrite(edit)


CASES = {
    "not a Parquet file": (lambda path: path.write_bytes(b"half a file"), "2025-03-05", "Deliver the file again"),
    "a column is missing": (rewrite(lambda t: t.drop_columns(["distance_km"])), "distance_km", "contract"),
    "no valid row": (constant("shown_at_ms", 5), "none of its", "check the time column"),
    "a scenario that the contract does not know": (
        constant("scenario", "moon"),
        "2025-03-05 is kept out",
        "[[scenarios]]",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence_a_status_and_nothing_changed(case, call, tmp_path):
    change, named, next_step = CASES[case]
    path, main = call
    status, said, unchanged = main(path, DATA=as_log(path, change, tmp_path))
    assert status == 1, said
    assert named in said and next_step in said, said
    assert "Traceback" not in said and len(said.splitlines()) == 1, said
    assert unchanged


def test_a_file_that_is_delivered_again_without_rows_takes_nothing_away(call, tmp_path):
    path, main = call
    status, said, unchanged = main(path, DATA=as_log(path, rewrite(lambda t: t.slice(0, 0)), tmp_path))
    assert (status, said, unchanged) == (0, "", True)


def test_a_full_disk_under_the_lake_is_a_sentence(done, small_file, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(done, home)
    lake = home / "small" / "lake"
    largest = max(path.stat().st_size for path in lake.rglob("*.parquet"))
    # A new rule makes every day be written again.
    contract = tmp_path / "small.toml"
    contract.write_text(small_file.read_text().replace("max_quarantined_share = 0.01", "max_quarantined_share = 0.02"))
    before = commits(home)
    ended = run_limited(environment(home, contract), largest // 2)
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "free some space" in ended.stderr
    assert commits(home) == before
    assert not list(lake.glob("impressions/day=*/.*"))


def run_limited(environment, file_bytes):
    """No file may grow beyond the limit: what a full disk does to a write, for this process alone."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))  # noqa: E731
    return subprocess.run(
        [sys.executable, "-m", "orchestration.run"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, preexec_fn=limit,
    )  # fmt: skip
