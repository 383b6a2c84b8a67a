"""A fresh day whose orders come in later files is not blamed for having none; a mature day without them is."""

from datetime import date, timedelta

import pytest
from late_log import late_raw, part_of, write_csv

from hinet_core import quality
from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.pending import pending_days
from hinet_core.lake import Lake
from hinet_core.quality.maturity import settled_on

DAYS = [date(2026, 3, 2) + timedelta(days=n) for n in range(7)]
ROWS = 60
OF_ORDERS = {"task_rate: label_order", "rate_change: label_order", "null_share: amount", "null_change: amount"}


@pytest.fixture
def contract():
    raw = late_raw()
    raw["scenarios"] = [{"id": "home"}]
    raw["quality"] = {
        "task_rates": {"order": {"low": 0.3, "high": 0.7}, "click": {"low": 0.9, "high": 1.0}},
        "max_null_share": {"amount": 0.7},
        "history": {"days": 3, "min_days": 2},
    }
    return parse_contract(raw)


def land_log(paths, number):
    lines = [f"{number}{n:03},{n},a,home,{DAYS[number]}T10:00:00Z,1" for n in range(ROWS)]
    write_csv(paths.landing, f"log_{number}.csv", lines)


def land_orders(paths, number):
    """Every second exposure of the day is ordered, known on the next day."""
    known = DAYS[number] + timedelta(days=1)
    lines = [f"{number}{n:03},a,1,{known}T09:00:00Z,5" for n in range(0, ROWS, 2)]
    write_csv(paths.landing, f"orders_{number}.csv", lines)


def judged(contract, paths):
    """Read what is pending: day -> the failed checks and the notes of what was not judged."""
    lake, landed = Lake(paths.lake), index(contract, paths)
    found = {}
    for result in ingest_days(contract, lake, landed, pending_days(lake, landed), quality):
        failed = {one.check_name for one in result.findings if one.status == "fail"}
        notes = {one.check_name: one.note for one in result.findings if one.note}
        found[result.day] = failed, notes
    return found


def unripe(found, day):
    return {name: note for name, note in found[day][1].items() if note.startswith("not mature yet")}


@pytest.mark.slow
def test_rates_of_late_outcomes_wait_until_their_day_is_mature(contract, paths):
    for number in range(4):
        land_log(paths, number)
    for number in range(2):
        land_orders(paths, number)
    first = judged(contract, paths)
    assert all(not failed for failed, _ in first.values())
    assert [day for day in DAYS[:4] if unripe(first, day)] == DAYS[2:4]
    note = f"not mature yet: judged once {DAYS[5]} has landed"
    assert unripe(first, DAYS[3]) == dict.fromkeys(OF_ORDERS, note)

    # The third day's orders never come: said when the fifth has landed, since nothing else would read it again.
    land_log(paths, 4)
    second = judged(contract, paths)
    assert list(second) == [DAYS[2], DAYS[4]]
    assert second[DAYS[2]][0] == OF_ORDERS and not unripe(second, DAYS[2])
    assert second[DAYS[4]][0] == set() and set(unripe(second, DAYS[4])) == OF_ORDERS

    # The fourth day's come in time; that alone does not make it mature.
    land_orders(paths, 3)
    third = judged(contract, paths)
    assert list(third) == [DAYS[3]] and set(unripe(third, DAYS[3])) == OF_ORDERS and third[DAYS[3]][0] == set()
    land_log(paths, 5)
    fourth = judged(contract, paths)
    assert list(fourth) == [DAYS[3], DAYS[5]]
    assert not unripe(fourth, DAYS[3]) and "task_rate: label_order" not in fourth[DAYS[3]][0]
    assert judged(contract, paths) == {}


def test_what_waits_and_until_when():
    raw = late_raw()
    part_of(raw, "tasks", "order")["matures_after"] = "25h"
    raw["columns"].append({"name": "stayed", "type": "int8", "role": "outcome", "values": [0, 1]})
    raw["tasks"].append({"name": "stay", "label": "stayed", "after": "order", "matures_after": "49h"})
    two, three = (date(2026, 3, 2) + timedelta(days=n) for n in (2, 3))
    # `stay` is in the log, but without its order it is clipped to 0.
    assert settled_on(parse_contract(raw), date(2026, 3, 2)) == {
        "label_order": two, "label_stay": three, "ordered": two, "ordered_at": two, "amount": two}  # fmt: skip
