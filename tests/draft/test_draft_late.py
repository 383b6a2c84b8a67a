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
