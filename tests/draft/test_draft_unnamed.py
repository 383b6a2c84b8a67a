"""Outcomes, ids and positions whose names say nothing: the values tell, and what they tell is marked."""

import pytest
from drafting import above, column, drafted, ingested
from shaped_logs import N_ROWS, ROWS, iso, lines

CLICKS = sum(row["click"] for row in ROWS[:N_ROWS])
ORDERS = sum(row["order"] for row in ROWS[:N_ROWS])


def write_log(folder, header, *more):
    """The plain log under these names; `more` are its last columns, each a function of a row."""
    cells = lambda r: [r["user"], r["item"], r["place"], iso(r["shown"]), *(one(r) for one in more)]  # noqa: E731
    (folder / "log.csv").write_text(lines(ROWS[:N_ROWS], cells, ",", header))


@pytest.mark.parametrize("order", [("click", "order"), ("order", "click")], ids=["click first", "order first"])
@pytest.mark.parametrize("names", [("clique", "achete"), ("点击", "购买")], ids=["French", "Chinese"])
def test_a_step_of_a_funnel_with_an_unknown_name_is_a_task_and_no_input(names, order, folder, tmp_path):
    named = dict(zip(("click", "order"), names, strict=True))
    write_log(folder, f"client,article,place,quand,{named[order[0]]},{named[order[1]]}",
              lambda r: r[order[0]], lambda r: r[order[1]])  # fmt: skip
    text, contract = drafted(folder, tmp_path)
    click, bought = column(contract, named["click"]), column(contract, named["order"])
    assert [(one.name, one.role, one.is_input) for one in (click, bought)] == [
        (click.name, "outcome", False), (bought.name, "outcome", False)]  # fmt: skip
    assert [(one.name, one.after) for one in contract.tasks] == [(click.name, None), (bought.name, click.name)]
    first = column(contract, named[order[0]]).name
    assert "UNSURE: never an input" in above(text, first) and "make it a feature" in above(text, first)
    assert ingested(contract, folder, tmp_path / "home")[0] == (N_ROWS, N_ROWS, 0, 0)


CELLS = {
    "a later step": (lambda r: r["order"], f"of {ORDERS} rows in which it is 1 {ORDERS} have click = 1"),
    "an earlier step": (lambda r: int(r["click"] or r["slot"] < 4), f"it is 1 in {CLICKS} of {CLICKS} rows with"),
    "its opposite": (lambda r: int(not r["click"] and r["slot"] < 4), f"it is 1 in 0 of {CLICKS} rows with click = 1"),
    "two words": (lambda r: "oui" if r["order"] else "non", f"in which it is 'oui' {ORDERS} have click = 1"),
    "an amount": (lambda r: r["seconds"] if r["click"] and r["slot"] < 4 else 0, "rows in which it is above 0"),
}


@pytest.mark.parametrize(("cell", "told"), CELLS.values(), ids=CELLS)
def test_what_never_parts_from_a_label_is_no_input_and_is_marked(cell, told, folder, tmp_path):
    write_log(folder, "user,item,place,shown_at,click,etape", lambda r: r["click"], cell)
    text, contract = drafted(folder, tmp_path)
    assert column(contract, "etape").role == "outcome"
    assert "UNSURE: never an input" in above(text, "etape") and told in above(text, "etape")


def test_a_column_of_two_values_that_parts_from_the_label_both_ways_stays_an_input(folder, tmp_path):
    write_log(folder, "user,item,place,shown_at,click,neuf", lambda r: r["click"], lambda r: r["page"] % 2)
    text, contract = drafted(folder, tmp_path)
    assert column(contract, "neuf").is_input and "UNSURE" not in above(text, "neuf")


@pytest.mark.parametrize(
    ("first_id", "time"),
    [
        pytest.param(10**15, lambda r: iso(r["shown"]), id="16 digits and ISO times"),
        pytest.param(10**15, lambda r: int(r["shown"].timestamp()), id="16 digits and seconds"),
        pytest.param(10**12, lambda r: int(r["shown"].timestamp()), id="13 digits and seconds"),
        pytest.param(10**9, lambda r: iso(r["shown"]), id="ten digits and ISO times"),
    ],
)
def test_ids_of_many_digits_are_no_times(first_id, time, folder, tmp_path):
    cells = lambda r: [r["user"], first_id + int(r["item"][1:]), r["place"], time(r), r["click"]]  # noqa: E731
    (folder / "log.csv").write_text(lines(ROWS[:N_ROWS], cells, ",", "用户,商品,场景,时间,click"))
    text, contract = drafted(folder, tmp_path)
    assert [contract.columns_with(role)[0].found_in for role in ("item", "time")] == [("商品",), ("时间",)]
    assert "far from the log's own days" in text
    assert ingested(contract, folder, tmp_path / "home")[0] == (N_ROWS, N_ROWS, 0, 0)


def test_a_second_time_near_the_days_of_the_log_is_a_time(folder, tmp_path):
    upload = lambda r: int(r["shown"].timestamp() * 1000) - 86_400_000 * int(r["item"][1:])  # noqa: E731
    write_log(folder, "user,item,place,shown_at,mise_en_ligne,click", upload, lambda r: r["click"])
    text, contract = drafted(folder, tmp_path)
    assert "a time: not an input" in above(text, "mise_en_ligne") and contract.name_of("item") == "item"
