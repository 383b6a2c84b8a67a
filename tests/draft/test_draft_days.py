"""The days that a draft proposes to train, validate and judge on fit into the log's own."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from drafting import drafted
from shaped_logs import iso, lines

from hinet_core.dataset.window import NotEnoughDays, window
from hinet_core.draft.fit import fit_days, in_days
from hinet_core.draft.plan import Days, Plan, Task
from hinet_core.evaluation.run import settled_on

FIRST = date(2026, 3, 1)
HEADER = "user,item,tab,time,click,order,order_time"


def write_log(folder, n_days, delays=()):
    """40 exposures a day; the first of a day are ordered after these hours."""
    rows = []
    for number in range(40 * n_days):
        shown = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=36 * number)
        hours = dict(enumerate(delays)).get(number % 40)
        ordered = "" if hours is None else iso(shown + timedelta(hours=hours))
        acted = int(hours is not None or number % 3 == 0)
        rows.append([number * 7 % 30, f"i{number * 11 % 23}", "ab"[number // 2 % 2], iso(shown), acted,
                     int(hours is not None), ordered])  # fmt: skip
    width = len(HEADER.split(",")) if delays else 5
    (folder / "log.csv").write_text(lines(rows, lambda row: row[:width], ",", ",".join(HEADER.split(",")[:width])))


def days_of(n_days, wait=None):
    plan = Plan(tasks=[Task("order", {"column": "order"}, known_at="at" if wait else None, window=wait)])
    return fit_days(plan, (FIRST, FIRST + timedelta(days=n_days - 1))), plan


@pytest.mark.parametrize(
    ("n_days", "wait", "train", "judged", "why"),
    [
        (3, None, 1, 1, "3 of 3 days: 1 to train on, 1 to validate, 1 to judge; e.g. `hinet train --as-of 2026-03-03`"),
        (5, None, 3, 1, "5 of 5 days: 3 to train on, 1 to validate, 1 to judge; e.g. `hinet train --as-of 2026-03-05`"),
        (6, None, 3, 2, "6 of 6 days: 3 to train on, 1 to validate, 2 to judge; e.g. `hinet train --as-of 2026-03-05`"),
        (8, "30h", 2, 1, "8 of 8 days: 2 to train on, 1 to validate, 2 until their labels are settled, 1 to judge, "
                         "2 more; e.g. `hinet train --as-of 2026-03-06`"),
        (45, "1h", 30, 2, "35 of 45 days: 30 to train on, 1 to validate, 1 until their labels are settled, 2 to judge, "
                          "1 more; e.g. `hinet train --as-of 2026-04-12`"),
    ],
)  # fmt: skip
def test_the_days_fit_and_say_so(n_days, wait, train, judged, why):
    assert days_of(n_days, wait)[0] == Days(train, judged, [why])


@pytest.mark.parametrize(
    ("n_days", "wait", "note"),
    [
        (1, None, "UNSURE: a log of 1 day is too short to train and judge a model: the least is 3 days (1 to train "
                  "on, 1 to validate, 1 to judge); `hinet train` alone needs 2"),
        (2, None, "UNSURE: a log of 2 days is too short to train and judge a model: the least is 3 days (1 to train "
                  "on, 1 to validate, 1 to judge); `hinet train` alone needs 2"),
        (4, "5h", "UNSURE: a log of 4 days is too short to train and judge a model: the least is 5 days (1 to train "
                  "on, 1 to validate, 1 to judge, and twice 1 until labels are settled); `hinet train` alone needs 3"),
    ],
)  # fmt: skip
def test_a_log_that_is_too_short_is_told_the_least_number_of_days(n_days, wait, note):
    split, plan = days_of(n_days, wait)
    assert (split.train, split.judged, plan.notes) == (1, 1, [note])


def test_durations_are_begun_days():
    assert [in_days(one) for one in ("1h", "24h", "25h", "48h", "3d")] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(("n_days", "delays"), [(3, ()), (5, (2,)), (8, (2, 5, 30)), (8, (1, 2, 150))])
def test_a_model_as_of_the_day_that_the_draft_names_has_a_window_and_is_judged(n_days, delays, folder, tmp_path):
    """Days and labels as training and judging themselves reckon them."""
    write_log(folder, n_days, delays)
    text, contract = drafted(folder, tmp_path)
    as_of = date.fromisoformat(re.search(r"--as-of (\S+)`", text).group(1))
    days = [FIRST + timedelta(days=n) for n in range(n_days)]
    found = window(contract, days, as_of)
    assert found.train_days[0] == FIRST and len(found.train_days) == contract.split.train_days
    assert settled_on(contract, as_of) == days[-1] + timedelta(days=1)
    with pytest.raises(NotEnoughDays):
        window(contract, days, as_of - timedelta(days=contract.split.train_days))


def test_a_window_that_the_log_has_no_room_for_is_shortened_with_what_that_costs(folder, tmp_path):
    write_log(folder, 8, (1, 2, 30, 150))
    text, contract = drafted(folder, tmp_path)
    order = contract.tasks[1]
    assert (order.window, order.matures_after) == (timedelta(days=2), timedelta(days=2))
    told = re.sub(r"\n#\s*", " ", text)
    assert (
        "UNSURE: 8 days have no room for a window of 7d, which needs 17; within 48h, 8 of 32 outcomes looked at come "
        "too late and will not count"
    ) in told
