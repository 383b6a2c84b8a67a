"""From the files of a log to a contract that reads them: no record is lost, roles and outcomes are found."""

import re
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drafting import above, column, drafted, ingested
from shaped_logs import N_ROWS, ROWS, SHAPES, iso, lines, plain_csv, with_sides

from hinet_core.draft import DraftError, draft
from hinet_core.draft.groups import pattern_for
from hinet_core.lake import connect

SOONER = ("nested_ndjson", "nested_parquet", "german", "two_colons", "quoted", "ndjson", "by_folder", "with_sides",
          "without_time")  # fmt: skip


@pytest.mark.parametrize(
    "shape",
    [pytest.param(one, id=one.name, marks=pytest.mark.slow if one.name in SOONER else pytest.mark.long)
     for one in SHAPES],
)  # fmt: skip
def test_the_draft_reads_every_record_of_the_log_that_it_was_drafted_from(shape, folder, tmp_path):
    shape.write(folder)
    _, contract = drafted(folder, tmp_path)
    found = {role: [name for one in contract.columns_with(role) for name in one.found_in] for role in shape.roles}
    assert found == shape.roles
    assert tuple(task.name for task in contract.tasks) == shape.tasks
    assert len(contract.scenarios) == shape.scenarios
    counts, _ = ingested(contract, folder, tmp_path / "home")
    assert counts == (N_ROWS + shape.duplicates, N_ROWS, shape.duplicates, 0)


def test_values_arrive_as_they_were_meant(folder, tmp_path):
    """German marks, a product of several guesses: the sums are those of the rows themselves."""
    next(one for one in SHAPES if one.name == "german").write(folder)
    _, contract = drafted(folder, tmp_path)
    price = column(contract, "Preis (EUR)")
    assert (price.name, price.type, price.decimal, price.thousands) == ("Preis_EUR", "float64", ",", ".")
    assert (contract.log.encoding, contract.log.delimiter, contract.first_day) == ("latin-1", ";", date(2026, 3, 1))
    _, lake = ingested(contract, folder, tmp_path / "home")
    con = connect()
    total, cities = con.execute(
        f"SELECT sum(Preis_EUR), list_sort(list(DISTINCT Ort)) FROM ({lake.scan(con, 'impressions').sql_query()})"
    ).fetchall()[0]
    con.close()
    assert total == pytest.approx(sum(row["price"] for row in ROWS[:N_ROWS]))
    assert cities == ["Düren", "Köln", "Zürich", None]


def test_side_tables_outcomes_and_times_of_outcomes_are_told_with_figures(folder, tmp_path):
    with_sides(folder)
    text, contract = drafted(folder, tmp_path)
    joins = {one.name: one.join for one in contract.sources if one.kind == "side"}
    assert joins == {"items": {"item": "item_id"}, "users": {"user": "userid"}}
    matched = sum(int(row["item"][1:]) < 70 for row in ROWS) / len(ROWS)
    assert f"# {100 * matched:.3g} % of the log's rows looked at find their 'item_id'" in text
    assert "# 100 % of the log's rows looked at find their 'userid'" in text
    assert "'play_time' tells how long somebody stayed" in above(text, "play_time_ms")
    assert "it alone predicts click with AUC 1.00" in above(text, "score_after")
    order = contract.tasks[1]
    assert (order.after, order.known_at) == ("click", "order_time")
    assert order.window >= max(row["ordered"] - row["shown"] for row in ROWS if row["ordered"])
    assert contract.log.null_values == ("", "\\N", "NULL")
    assert column(contract, "brand").encode == "id" and column(contract, "brand").source == "items"
    assert contract.dedupe.key == ("req_id", "user", "item", "shown_at")
    assert not any(one.is_input for one in contract.columns if one.role in ("outcome", "known_at", "time"))


def test_a_column_that_is_there_only_where_a_label_is_1_is_an_outcome(folder, tmp_path):
    (folder / "log.csv").write_text(lines(
        ROWS, lambda r: [r["user"], r["item"], r["place"], iso(r["shown"]), r["click"], "x7" if r["click"] else ""],
        ",", "user,item,place,shown_at,click,voucher"))  # fmt: skip
    text, contract = drafted(folder, tmp_path)
    assert column(contract, "voucher").role == "outcome"
    clicks = sum(row["click"] for row in ROWS)
    assert f"it is there in {clicks} rows, {clicks} of them with click = 1" in above(text, "voucher")


def test_of_a_large_file_a_part_is_looked_at_and_the_draft_leaves_room(folder, tmp_path, monkeypatch):
    plain_csv(folder)
    path = folder / "log.csv"
    path.write_text(path.read_text().replace("user_id", "user_id") + "".join(
        f"{n},i{n % 80},home,2026-04-{1 + n % 28:02}T10:00:00Z,1,{n % 2},0,,1.5\n" for n in range(20_000)))  # fmt: skip
    monkeypatch.setattr("hinet_core.draft.assemble.BYTES_LOOKED_AT", 250_000)
    text, contract = drafted(folder, tmp_path)
    seen, about = re.search(r"([\d,]+) rows looked at \(of about ([\d,]+)", text).groups()
    assert 3_000 < int(seen.replace(",", "")) < 8_000
    assert int(about.replace(",", "")) == pytest.approx(20_607, rel=0.1)
    assert contract.first_day == date(2026, 1, 29) and contract.last_day is None
    assert column(contract, "slot").nullable and not column(contract, "place").nullable


def test_files_that_are_no_log_are_refused_in_a_sentence(folder):
    with pytest.raises(DraftError, match="no such file"):
        draft([folder / "nothing.csv"])
    with pytest.raises(DraftError, match="the folder holds no file"):
        draft([folder])
    (folder / "empty.csv").write_bytes(b"")
    with pytest.raises(DraftError, match=r"empty.csv: the file is empty"):
        draft([folder])
    (folder / "empty.csv").write_bytes(b"PAR1 this is none")
    with pytest.raises(DraftError, match=r"empty.csv: not readable"):
        draft([folder])
    (folder / "empty.csv").write_text('[{"user": 1}, {"user": 2}]')
    with pytest.raises(DraftError, match="one object per line"):
        draft([folder])
    with pytest.raises(DraftError, match="name: found 'my log'"):
        draft([folder], name="my log")


@pytest.mark.slow
def test_the_real_log_keeps_every_record_that_is_no_repeat(kuairand_data, tmp_path):
    text, contract = drafted(kuairand_data, tmp_path, name="real")
    joined = {one.name: tuple(one.join) for one in contract.sources if one.kind == "side"}
    assert joined == {
        "user_features_pure": ("user_id",), "user_history_to_0424": ("user_id",),
        "video_features_basic_pure": ("video_id",), "video_features_statistic_pure": ("video_id",),
    }  # fmt: skip
    assert "98.2 % of the log's rows" in text or "97.9 % of the log's rows" in text
    assert [task.name for task in contract.tasks] == ["click", "long_view"]
    assert {one.name for one in contract.columns_with("outcome")} >= {
        "play_time_ms", "profile_stay_time", "comment_stay_time", "is_profile_enter", "is_click", "long_view",
    }  # fmt: skip
    assert contract.name_of("time") == "time_ms" and len(contract.scenarios) == 15


@pytest.mark.parametrize(
    ("paths", "others", "pattern"),
    [
        (["log_01.csv", "log_07.csv"], [], "log_*.csv"),
        (["de_2026-03-01.csv", "de_2026-03-02.csv"], ["fr_2026-03-01.csv"], "de_*.csv"),
        (["log_0418.tsv.gz", "log_0419.tsv.gz"], [], "log_*.tsv.gz"),
        (["2026-03-01.csv", "2026-03-02.csv"], [], "*.csv"),
        (["2026-03-01.csv", "2026-03-02.csv"], ["users.csv"], "[2]*.csv"),
        (["2026/03/01/log.csv", "2026/03/02/log.csv"], [], "**/log.csv"),
        (["a/2026/01/x.csv", "a/2026/02/y.csv"], [], "a/**/*.csv"),
    ],
)
def test_a_pattern_does_not_end_inside_a_number_or_a_date(paths, others, pattern):
    assert pattern_for(paths, others)[0] == pattern


def test_a_control_character_in_a_value_is_written_so_that_the_contract_can_be_read(folder, tmp_path):
    kinds = ["x\x00y", "plain", "\x7fend"]
    cells = lambda r: [r["user"], r["item"], r["place"], iso(r["shown"]), r["click"], kinds[r["slot"] % 3]]  # noqa: E731
    (folder / "log.csv").write_text(lines(ROWS[:N_ROWS], cells, ",", "user,item,place,time,click,kind"))
    text, _ = drafted(folder, tmp_path)
    assert "\\x00" in text and not set("\x00\x7f") & set(text)


def test_files_of_different_zones_are_one_log(folder, tmp_path):
    for number, zone in enumerate(("UTC", "Asia/Tokyo")):
        rows = ROWS[number * 300 : number * 300 + 300]
        table = {"user": [r["user"] for r in rows], "item": [r["item"] for r in rows],
                 "place": [r["place"] for r in rows], "click": [r["click"] for r in rows],
                 "shown_at": pa.array([r["shown"] for r in rows], pa.timestamp("us", zone))}  # fmt: skip
        pq.write_table(pa.table(table), folder / f"log_{number}.parquet")
    _, contract = drafted(folder, tmp_path)
    assert contract.name_of("time") == "shown_at"
    counts, _ = ingested(contract, folder, tmp_path / "home")
    assert counts == (N_ROWS, N_ROWS, 0, 0)


def test_numbered_columns_of_a_history_are_one_list_and_numbered_features_are_not(folder, tmp_path):
    header = "user,item,place,shown_at,click,cat_1,cat_2,cat_3,hist_1,hist_2,hist_3"
    cells = lambda r: [r["user"], r["item"], r["place"], iso(r["shown"]), r["click"], r["slot"], r["page"] % 3, 1,  # noqa: E731
                       r["user"] % 7, r["user"] % 5 + 10, r["user"] % 3 or ""]  # fmt: skip
    (folder / "log.csv").write_text(lines(ROWS[:N_ROWS], cells, ",", header))
    _, contract = drafted(folder, tmp_path)
    history = next(one for one in contract.columns if one.name == "hist")
    assert (history.found_in, history.type, history.encode) == (("hist_1", "hist_2", "hist_3"), "list<int64>", "list")
    assert {"cat_1", "cat_2"} <= {one.name for one in contract.columns}
    counts, lake = ingested(contract, folder, tmp_path / "home")
    assert counts == (N_ROWS, N_ROWS, 0, 0)
    con = connect()
    rows = lake.scan(con, "impressions").project("user, hist").fetchall()
    con.close()
    assert all(hist == [user % 7, user % 5 + 10, *([user % 3] if user % 3 else [])] for user, hist in rows)


def test_a_day_and_a_time_without_colons_are_one_time(folder, tmp_path):
    cells = lambda r: [r["user"], r["item"], r["place"], f"{r['shown']:%Y%m%d}", f"{r['shown']:%H%M}", r["click"]]  # noqa: E731
    (folder / "log.csv").write_text(lines(ROWS[:N_ROWS], cells, ",", "user,item,place,date,hourmin,click"))
    _, contract = drafted(folder, tmp_path)
    (time,) = contract.columns_with("time")
    assert (time.found_in, time.parse) == (("date", "hourmin"), "%Y%m%d %H%M")
    counts, lake = ingested(contract, folder, tmp_path / "home")
    assert counts == (N_ROWS, N_ROWS, 0, 0)
    con = connect()
    shown = {one for (one,) in lake.scan(con, "impressions").project(f'epoch("{time.name}")').fetchall()}
    con.close()
    assert shown == {row["shown"].timestamp() // 60 * 60 for row in ROWS}
