"""Outcomes in files of their own: which table is the log, by which key they belong to it, and how late they come."""

import json
import re
from datetime import timedelta

import pytest
from drafting import drafted, ingested
from shaped_logs import N_ROWS, ROWS, iso, lines

from hinet_core.draft import draft
from hinet_core.lake import connect

pytestmark = pytest.mark.slow


def write_late(folder, flag, time):
    """The plain log without its orders, and a file a day of orders under other names."""
    header = "page,user,item,place,shown_at,slot,click"
    cells = ("page", "user", "item", "place", "shown", "slot", "click")
    kept = [{**row, "shown": iso(row["shown"])} for row in ROWS[:N_ROWS]]
    (folder / "log.csv").write_text(lines(kept, lambda row: [row[one] for one in cells], ",", header))
    ordered = [row for row in ROWS[:N_ROWS] if row["order"]]
    for day in sorted({row["ordered"].date() for row in ordered}):
        here = [row for row in ordered if row["ordered"].date() == day]
        names = ["page_id", "user_id", "sku", *["ordered"] * flag, *["ordered_at"] * time, "amount"]
        text = lines(here, lambda row: [row["page"], row["user"], row["item"], *[1] * flag,
                     *[iso(row["ordered"])] * time, row["price"]], ";", ";".join(names))  # fmt: skip
        (folder / f"orders_{day}.csv").write_text(text)
    return len(ordered)


@pytest.mark.parametrize(("flag", "time"), [(True, True), (False, True), (True, False)])
def test_files_of_later_orders_are_drafted_as_outcomes_and_every_order_arrives(flag, time, folder, tmp_path):
    n_ordered = write_late(folder, flag, time)
    _, contract = drafted(folder, tmp_path)
    (source,) = contract.outcome_sources
    assert (source.name, source.files) == ("orders", "orders_*.csv")
    assert source.join == {"page": "page_id", "user": "user_id", "item": "sku"}
    click, order = contract.tasks
    assert (click.name, order.name, order.after) == ("click", "ordered" if flag else "order", "click")
    assert order.known_at == ("ordered_at" if time else None) and order.matures_after.total_seconds() > 0
    roles = {"ordered": "outcome"} if flag else {}
    roles |= {"ordered_at": "known_at"} if time else {}
    assert {one.name: one.role for one in contract.late_columns} == roles | {"amount": "plain"}
    counts, lake = ingested(contract, folder, tmp_path / "home")
    assert counts == (N_ROWS, N_ROWS, 0, 0)
    con = connect()
    assert lake.scan(con, "impressions").aggregate(f"sum(label_{order.name})").fetchall() == [(n_ordered,)]
    con.close()


def write_exposures_alone(folder, local=timedelta(0)):
    """Exposures without a label, clicks by the exposure's own number, and orders with a column of codes."""
    rows = [{**row, "imp": f"e{number}"} for number, row in enumerate(ROWS[:N_ROWS])]
    cells = lambda r: [r["imp"], r["user"], r["item"], r["place"], iso(r["shown"] + local)[:-1], r["slot"]]  # noqa: E731
    (folder / "shown.csv").write_text(lines(rows, cells, ",", "imp,client,article,corner,seen_at,rang"))
    clicked = [{"imp": r["imp"], "clicked_at": iso(r["shown"] + timedelta(seconds=90))} for r in rows if r["click"]]
    (folder / "clicks.ndjson").write_text("".join(json.dumps(one) + "\n" for one in clicked))
    ordered = [row for row in rows if row["order"]]
    cells = lambda r: [r["user"], r["item"], iso(r["ordered"]), "paid" if r["slot"] % 2 else "billed"]  # noqa: E731
    (folder / "orders.csv").write_text(lines(ordered, cells, ",", "client,article,at,status"))
    return len(clicked)


def test_exposures_without_a_label_are_the_log_and_clicks_of_their_numbers_and_orders_its_outcomes(folder, tmp_path):
    n_clicked = write_exposures_alone(folder)
    text, contract = drafted(folder, tmp_path)
    assert (contract.log.files, [one.files for one in contract.outcome_sources]) == (
        "shown.csv", ["clicks.ndjson", "orders.csv"])  # fmt: skip
    assert "UNSURE: shown.csv (times, ids that come back, slots; about 600 rows) is taken for the log" in text
    assert [source.join for source in contract.outcome_sources] == [
        {"imp": "imp"}, {"client": "client", "article": "article"}]  # fmt: skip
    assert [(task.name, task.known_at) for task in contract.tasks] == [("click", "clicked_at"), ("order", "at")]
    counts, lake = ingested(contract, folder, tmp_path / "home")
    assert counts == (N_ROWS, N_ROWS, 0, 0)
    con = connect()
    assert lake.scan(con, "impressions").aggregate("sum(label_click)").fetchall() == [(n_clicked,)]
    con.close()


def test_outcomes_before_their_exposures_are_told_and_so_is_what_is_missing(folder):
    write_exposures_alone(folder, local=timedelta(hours=2))
    told = re.sub(r"\n#\s*", " ", draft([folder]))
    assert "UNSURE: 100 % of these are dated before their exposure, half of them 1:58:30 or more" in told
    alone = draft([folder / "shown.csv"])
    assert "MISSING: no column can be the outcome" in alone and "[[tasks]]" in alone


def write_events(folder, column, acts, n=N_ROWS):
    """Exposures with an id, and a file of events of several names: a click after 40 seconds, an order 20 minutes on."""
    rows = [{**row, "imp": f"e{number}"} for number, row in enumerate(ROWS[:n])]
    cells = lambda r: [r["imp"], r["user"], r["item"], r["place"], iso(r["shown"]), r["slot"]]  # noqa: E731
    (folder / "shown.csv").write_text(lines(rows, cells, ",", "impression_id,user,item,place,shown_at,slot"))
    events = [(acts[0], r["imp"], r["shown"] + timedelta(seconds=40)) for r in rows if r["click"]]
    events += [(acts[1], r["imp"], r["shown"] + timedelta(hours=3, minutes=20)) for r in rows if r["order"]]
    events.sort(key=lambda one: one[2])
    text = lines(events, lambda one: [one[0], one[1], iso(one[2])], ",", f"{column},impression_id,when")
    (folder / "events.csv").write_text(text)


@pytest.mark.parametrize("column", ["ev", "event_type", "action"])
def test_events_of_several_names_in_one_file_are_a_task_each(column, folder, tmp_path):
    write_events(folder, column, ("click", "buy"))
    text, contract = drafted(folder, tmp_path)
    assert [(one.name, one.after, one.known_at, one.window) for one in contract.tasks] == [
        ("click", None, "when", timedelta(hours=1)), ("buy", "click", "when", timedelta(hours=4))]  # fmt: skip
    assert "the longest delay seen is 3:20:00; later than 4h after the exposure will not count" in text
    counts, lake = ingested(contract, folder, tmp_path / "home")
    assert counts == (N_ROWS, N_ROWS, 0, 0)
    expected = tuple(sum(row[one] for row in ROWS[:N_ROWS]) for one in ("click", "order"))
    con = connect()
    sums = lake.scan(con, "impressions").aggregate("sum(label_click), sum(label_buy)").fetchall()
    con.close()
    assert sums == [expected]


def test_events_whose_names_are_not_known_are_one_task_with_a_mark(folder, tmp_path):
    write_events(folder, "ev", ("a1", "b2"))
    text, contract = drafted(folder, tmp_path)
    assert [one.name for one in contract.tasks] == ["event"]
    assert "UNSURE: 'ev' has 2 values (a1, b2), which all count alike here; where they are events of their own" in (
        re.sub(r"\n#\s*", " ", text))  # fmt: skip
