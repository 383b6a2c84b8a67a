"""`hinet leaks` and `hinet drift` on a tiny log."""

import pytest

pytestmark = pytest.mark.slow

TELLS = """
  { name = "stay_time", type = "int64", role = "feature", encode = "number" },
  { name = "clicked","""


def test_leaks_names_the_input_that_knows(call, contract, tmp_path):
    path = tmp_path / "tiny.toml"
    text = path.read_text().replace('\n  { name = "clicked",', TELLS)
    path.write_text(text + "[quality.leaks]\nmin_positives = 20\n")
    lines = [f"{n},a,1,2026-03-27T10:{n // 60:02}:{n % 60:02}Z,{int(n % 3 == 0)},{30 * (n % 3 == 0) + n % 7}"
             for n in range(1, 300)]  # fmt: skip
    data = tmp_path / "data"
    data.mkdir()
    (data / "log_1.csv").write_text("\n".join(["user,item,place,shown_at,clicked,stay_time", *lines]) + "\n")
    assert call("leaks", "--contract", path) == (1, "Error: tiny: no day is ingested yet; run "
                                                    f"`hinet ingest --contract {path}` first\n")  # fmt: skip
    call("land", "--contract", path, data)
    assert call("ingest", "--contract", path)[0] == 0
    status, said = call("leaks", "--contract", path)
    assert status == 0
    assert "inputs that tell click" in said and "1.000" in said
    said = " ".join(said.split())
    assert "warning: expected column stay_time alone predicts click with an AUC of at most 0.9, found 1.000" in said
    assert "'stay_time' tells how long somebody stayed" in said


def test_drift_lists_what_moved_most(call, contract, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(path.read_text() + "[quality.drift]\nmin_rows = 100\n")
    lines = [f"{n},{'b' if day == 14 and n % 2 else 'a'},1,2026-03-{day}T10:{n // 60:02}:{n % 60:02}Z,{n % 4 // 3}"
             for day in range(11, 15) for n in range(1, 121)]  # fmt: skip
    data = tmp_path / "data"
    data.mkdir()
    (data / "log_1.csv").write_text("\n".join(["user,item,place,shown_at,clicked", *lines]) + "\n")
    assert call("drift", "--contract", path)[0] == 1
    call("land", "--contract", path, data)
    call("ingest", "--contract", path)
    status, said = call("drift", "--contract", path)
    assert status == 0
    (item,) = [line for line in said.splitlines() if " item " in line and "trailing" in line]
    assert "2026-03-14" in item and "fail" in item
    status, rows = call("drift", "--contract", path, "--days", "2026-03-13..2026-03-14", "--csv")
    found = [line.split(",") for line in rows.splitlines()]
    assert found[0][:7] == ["day", "reference", "feature", "kind", "scenario_id", "metric", "value"]
    assert {(row[0], row[11]) for row in found[1:] if row[2] == "item" and row[4] == "home"} == {
        ("2026-03-13", "not_judged"), ("2026-03-14", "fail"),  # two days before are no reference yet
    }  # fmt: skip
