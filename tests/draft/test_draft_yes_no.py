"""Labels that are words, or that stand where something happened and are missing elsewhere; times that are numbers."""

import pytest
from drafting import above, column, drafted, ingested
from shaped_logs import N_ROWS, ROWS, iso, lines

from hinet_core.draft.names import says_no
from hinet_core.lake import connect

WRITTEN = {
    "ja and nein": ("ja", "nein", {"equals": "ja"}),
    "X and nothing": ("X", "", {"present": True}),
    "true and nothing": ("true", "", {"present": True}),
    "1 and nothing": ("1", "", {"present": True}),
    "Yes and No": ("Yes", "No", {}),
    "1.0 and 0.0": ("1.0", "0.0", {}),
    "two states": ("clicked", "not_clicked", {"equals": "clicked"}),
}


@pytest.mark.parametrize(("yes", "no", "told"), WRITTEN.values(), ids=list(WRITTEN))
def test_every_way_to_write_a_click_is_the_same_label(yes, no, told, folder, tmp_path):
    cells = lambda r: [r["user"], r["item"], r["place"], iso(r["shown"]), yes if r["click"] else no]  # noqa: E731
    (folder / "log.csv").write_text(lines(ROWS[:N_ROWS], cells, "\t", "user\titem\tplace\tshown_at\tclicked"))
    _, contract = drafted(folder, tmp_path)
    (task,) = contract.tasks
    (part,) = task.label
    assert part.model_dump(exclude_unset=True) == {"column": "clicked"} | told
    assert column(contract, "clicked").role == "outcome"
    counts, lake = ingested(contract, folder, tmp_path / "home")
    assert counts == (N_ROWS, N_ROWS, 0, 0)
    con = connect()
    found = lake.scan(con, "impressions").aggregate("sum(label_clicked), count(label_clicked)").fetchall()
    con.close()
    assert found == [(sum(row["click"] for row in ROWS[:N_ROWS]), N_ROWS)]


def test_an_order_in_words_follows_the_click_in_words(folder, tmp_path):
    said = ("nein", "ja")
    cells = lambda r: [r["user"], r["item"], r["place"], iso(r["shown"]), said[r["click"]], said[r["order"]]]  # noqa: E731
    (folder / "log.csv").write_text(lines(ROWS[:N_ROWS], cells, ";", "kunde;artikel;kanal;zeit;geklickt;bestellt"))
    text, contract = drafted(folder, tmp_path)
    assert [(one.name, one.after) for one in contract.tasks] == [("geklickt", None), ("bestellt", "geklickt")]
    n_ordered = sum(row["order"] for row in ROWS[:N_ROWS])
    assert f"# 'ja' in {n_ordered} of {N_ROWS} rows looked at" in text
    assert not column(contract, "geklickt").is_input and not column(contract, "bestellt").is_input


@pytest.mark.parametrize("text", ["nein", "No", "нет", "not_clicked", "no click", "unpaid"])
def test_what_denies_says_no(text):
    assert says_no(text)


@pytest.mark.parametrize("text", ["ja", "clicked", "order no 5", "X", "да"])
def test_what_does_not_deny_says_yes(text):
    assert not says_no(text)


def test_milliseconds_since_1970_are_told_as_days(folder, tmp_path):
    cells = lambda r: [r["user"], r["item"], int(r["shown"].timestamp() * 1000), r["click"]]  # noqa: E731
    (folder / "log.csv").write_text(lines(ROWS[:N_ROWS], cells, ",", "user,item,ts,click"))
    text, contract = drafted(folder, tmp_path)
    assert column(contract, "ts").parse == "epoch_ms"
    assert "are ms since 1970, in UTC: nearly all rows are of 2026-03-01" in above(text, "ts")
    assert [one.name for one in contract.features.entities] == ["user", "item", "scenario"]
