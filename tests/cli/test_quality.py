"""`hinet leaks` on a tiny log."""

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
