"""The verbs of `hinet` on a tiny log: what they print, and one sentence with status 1 when they cannot."""

import csv
import io
import re
from pathlib import Path

import click

from hinet_core import cli
from hinet_core.lake import Lake


def test_every_verb_has_help_and_a_heading(call):
    _, said = call("--help")
    for name, command in cli.main.commands.items():
        assert re.search(rf"^  {name} +\w", said, flags=re.MULTILINE), f"hinet --help does not list {name}"
        verbs = [command, *getattr(command, "commands", {}).values()]
        assert all(one.help and one.help.rstrip().endswith(".") for one in verbs), f"{name}: help is a sentence"
        options = [option for one in verbs for option in one.params if isinstance(option, click.Option)]
        assert all(option.help for option in options), f"{name}: every option has help"


def test_check_counts_what_a_good_contract_declares(call, contract):
    status, said = call("contract", "check", contract)
    assert status == 0
    assert said.endswith("a valid contract: 5 columns, 2 modelled of 2 scenarios, 1 tasks\n")
    assert call("contract", "check", "kuairand")[0] == 0


def test_check_lists_every_mistake(call, contract, tmp_path):
    wrong, right = tmp_path / "wrong.toml", Path(contract).read_text()
    wrong.write_text(right.replace('"int64"', '"int65"').replace('"Europe/Berlin"', '"Moon"'))
    status, said = call("contract", "check", wrong)
    assert status == 1
    assert "columns.user.type: found 'int65'" in said
    assert call("contract", "check", "nope")[0] == 1


def test_draft_writes_a_contract_that_check_accepts_and_never_over_another(call, tmp_path):
    log, target = tmp_path / "visits.csv", tmp_path / "my.toml"
    rows = [f"u{n % 7},i{n % 5},home,2026-03-0{1 + n % 3}T10:00:{n:02}Z,{n % 2}" for n in range(40)]
    log.write_text("\n".join(["user,item,place,shown_at,clicked", *rows]) + "\n")
    status, said = call("contract", "draft", log)
    assert status == 0 and "40 rows looked at (all)" in said and 'name = "visits"' in said
    status, said = call("contract", "draft", log, "--name", "mine", "--output", target)
    assert status == 0 and said.startswith(f"{target}: ")
    assert call("contract", "check", target) == (
        0, f"{target}: a valid contract: 5 columns, 1 modelled of 1 scenarios, 1 tasks\n",
    )  # fmt: skip
    before = target.read_text()
    status, said = call("contract", "draft", log, "--output", target)
    assert (status, said) == (1, f"Error: {target}: exists already; give another name, or remove it first\n")
    assert target.read_text() == before


def test_a_log_that_lacks_something_is_drafted_with_status_1_and_what_it_lacks(call, tmp_path):
    log = tmp_path / "numbers.csv"
    log.write_text("a,b\n" + "".join(f"{n / 7},{n / 3}\n" for n in range(40)))
    status, said = call("contract", "draft", log)
    assert status == 1
    assert "# MISSING: no column can be the item" in said and "Error: no contract yet: lines marked MISSING" in said


def test_show_names_columns_scenarios_and_tasks(call):
    status, said = call("contract", "show", "kuairand")
    assert status == 0
    for words in ("play_time_ms", "outcome", "tab 14", "long_view", "settled after 0 days"):
        assert words in said


def test_sql_answers_from_the_catalog(call, contract, landed):
    status, said = call("sql", "--contract", contract, "select scenario_id, count(*) as n from impressions group by 1")
    assert status == 0
    assert "home" in said and "search" in said
    query = "select day, rows_read, rows_kept, rows_quarantined from ingest_files order by day"
    _, text = call("sql", "--contract", contract, "--csv", query)
    assert list(csv.reader(io.StringIO(text))) == [
        ["day", "rows_read", "rows_kept", "rows_quarantined"],
        ["2026-03-27", "1", "1", "0"],
        ["2026-03-28", "3", "1", "2"],
    ]


def test_sql_cannot_change_anything(call, contract, landed):
    status, said = call("sql", "--contract", contract, "create table mine (a int)")
    assert status == 1
    assert "read-only" in said


def test_a_mistake_in_the_query_and_a_missing_catalog_are_one_sentence(call, contract, tmp_path):
    status, said = call("sql", "--contract", contract, "select 1")
    assert (status, said.count("\n")) == (1, 1)
    assert "no catalog yet; run `hinet ingest" in said


def test_sql_with_a_typo(call, contract, landed):
    status, said = call("sql", "--contract", contract, "selec 1")
    assert (status, said.count("\n")) == (1, 1)


def test_quarantine_counts_reasons_with_an_example(call, contract, landed):
    status, said = call("quarantine", "--contract", contract)
    assert status == 0
    assert "scenario: unknown to the contract" in said
    assert "log_1.csv record" in said


def test_quarantine_sees_days_that_are_kept_out(call, contract, landed):
    lake = Lake(landed.lake)
    path = lake.files("quarantine")[-1]
    folder = lake.blocked_folder("ingest", lake.days("ingest")[-1])
    folder.mkdir(parents=True)
    (folder / "quarantine.parquet").write_bytes(path.read_bytes())
    lake.manifest_path("ingest", lake.days("ingest")[-1]).unlink()
    assert "scenario: unknown" in call("quarantine", "--contract", contract)[1]


def test_models_before_there_is_one(call, contract, landed):
    status, said = call("models", "--contract", contract)
    assert status == 0
    assert "champion: none yet" in said


def test_train_says_in_a_sentence_what_it_lacks(call, contract, landed):
    status, said = call("train", "--contract", contract, "--as-of", "2026-03-29")
    assert status == 1 and said.startswith("Error: ") and "as of 2026-03-29" in said
    status, said = call("train", "--contract", contract, "--as-of", "yesterday")
    assert status == 2 and "'yesterday' does not match the format" in said


def test_publish_without_models_still_shows_the_data(call, contract, landed):
    status, said = call("publish", "--contract", contract)
    assert status == 0, said
    assert (landed.published / "current.json").exists()


def test_init_prepares_dagsters_home(call, tmp_path):
    status, said = call("init")
    assert status == 0
    assert f"export DAGSTER_HOME={tmp_path / 'home' / 'dagster'}" in said
    settings = (tmp_path / "home" / "dagster" / "dagster.yaml").read_text()
    assert "telemetry:\n  enabled: false" in settings


def test_land_from_a_folder_that_is_not_there(call, contract, tmp_path):
    status, said = call("land", "--contract", contract, tmp_path / "nope")
    assert status == 1
    assert "no such folder" in said
