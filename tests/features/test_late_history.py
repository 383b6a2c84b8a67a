"""Late files move the features of the days after their outcomes became known, and those of no earlier day."""

import random
from datetime import date, datetime, timedelta

import pytest
from late_log import late_raw, write_csv
from slow_features import slow_features

from hinet_core.contract import computed_features, parse_contract
from hinet_core.features.history import day_number
from hinet_core.features.tables import day_tables
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.pending import pending_days
from hinet_core.lake import Lake

FIRST, N_DAYS = date(2026, 3, 27), 5  # the clocks of Berlin change on the third day
ROW = ("request", "item")


def work(con, contract, paths):
    """Ingest and compute what is pending; returns the rows of impressions and of examples by request and item."""
    lake, landed = Lake(paths.lake), index(contract, paths)
    list(ingest_days(contract, lake, landed, pending_days(lake, landed), None))
    for table in day_tables(contract):
        table.write(con, contract, lake, table.pending(contract, lake))
    found = [lake.scan(con, name).to_arrow_table().to_pylist() for name in ("impressions", "examples")]
    return [{tuple(one[name] for name in ROW): one for one in rows} for rows in found]


@pytest.mark.slow
def test_a_late_outcome_is_history_from_the_day_after_it_became_known(paths, con):
    raw, draw = late_raw(), random.Random(0)
    raw["features"]["recent"] = [
        {"name": "user_orders", "entity": "user", "of": "item", "task": "order", "length": 3, "within_days": 2}
    ]
    contract = parse_contract(raw)
    names = [one.name for one in computed_features(contract)]
    shown, orders = [], []
    for request in range(30):
        minutes = draw.choice([draw.randrange(N_DAYS * 24 * 60), draw.randrange(N_DAYS) * 24 * 60])
        at = f"{FIRST + timedelta(days=minutes // 1440)}T{minutes // 60 % 24:02}:{minutes % 60:02}:00"
        shown.append(f"{request + 1},{draw.choice([7, 8])},a,{draw.choice(['home', 'search'])},{at}Z,1")
        orders.append((request + 1, at, draw.choice([0, 30, 600, 1439])))
    write_csv(paths.landing, "log_1.csv", shown)
    _, before = work(con, contract, paths)
    for number in range(2):
        chosen = draw.sample(orders, 4)
        lines = [f"{request},a,1,{later(at, minutes)},1" for request, at, minutes in chosen]
        write_csv(paths.landing, f"orders_{number}.csv", lines)
        impressions, after = work(con, contract, paths)
        news = min(impressions[request, "a"]["known_day_order"] for request, _, _ in chosen)
        same = {key: all(before[key][name] == after[key][name] for name in names) for key in after}
        early = [key for key in after if day_number(after[key]["day"]) <= news]
        assert early and all(same[key] for key in early)
        assert not all(same.values()) or news == max(day_number(one["day"]) for one in after.values())
        before = after
    expected = slow_features(contract, list(impressions.values()))
    for key, one in before.items():
        for name, value in expected(impressions[key]).items():
            assert one[name] == (pytest.approx(value, abs=1e-12) if isinstance(value, float) else value), (key, name)


def later(at, minutes):
    return (datetime.fromisoformat(at) + timedelta(minutes=minutes)).isoformat() + "Z"
