"""A day against the days before: known answers from planted profiles, and nothing but earlier committed days counts."""

from collections import Counter
from datetime import date, timedelta

import good_day
import pytest
from good_day import DAY

from hinet_core import quality
from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake
from hinet_core.quality.facts import Measured, measure
from hinet_core.quality.history import History, Past, read_history
from hinet_core.quality.profile import Profile, profile
from hinet_core.quality.shares import nearest, newcombe, poisson, ratio
from hinet_core.quality.suite import rules

HOME = ("home", "rows", "")


def remembered(root, profiles):
    """A lake with these profiles, by how many days before they were."""
    lake = Lake(root)
    for back, one in profiles.items():
        day = DAY - timedelta(days=back)
        with lake.begin("ingest", day) as draft:
            for table, rows in one.tables(day).items():
                draft.write_rows(table, rows, rows.schema)
            draft.commit()
    return lake


def home_day(rows, clicks=0, cities=()):
    categories = {"city": {("home", city): 1 for city in cities}}
    cells = {HOME: (rows, rows), ("home", "positives", "label_click"): (clicks, rows),
             ("", "listed", "city"): (len(cities), len(cities))}  # fmt: skip
    return Profile(rows, cells, categories)


def facts_of(con, lake, today):
    contract = good_day.contract()
    history = read_history(con, contract, lake, DAY) if lake else History()
    suite = [rule for rule in rules(contract, DAY) if rule.on == "facts" and rule.scenario_id == "home"]
    return {
        rule.check_name: fact
        for rule, fact in zip(
            suite, measure(suite, Measured(contract, {}, today, {}, history)).values(), strict=True
        )
        if rule.kind in ("volume_change", "null_change", "rate_change", "new_share")
    }


def test_the_profile_counts_what_a_loop_counts(con):
    good_day.fill(con)
    columns = "scenario_id, age, tags, city, label_click, label_order"
    rows = con.execute(f"SELECT {columns} FROM impressions").fetchall()
    found = profile(con, "impressions", good_day.contract(), {"home": 7})
    for scenario in ("home", "search", "old"):
        here = [row for row in rows if row[0] == scenario]
        assert found.cell(scenario, "rows") == (len(here), len(rows))
        assert found.cell(scenario, "duplicates") == ((7, len(here) + 7) if scenario == "home" else (0, len(here)))
        if not here:
            continue
        for place, name in ((1, "age"), (2, "tags")):
            assert found.cell(scenario, "missing", name) == (sum(row[place] is None for row in here), len(here))
        for place, name in ((4, "label_click"), (5, "label_order")):
            assert found.cell(scenario, "positives", name) == (sum(row[place] for row in here), len(here))
    assert found.cell("", "listed", "city") == (3, len(rows))
    assert found.categories == {"city": Counter((row[0], row[3]) for row in rows)}


def test_what_is_read_is_pooled_over_the_window_and_split_by_weekday(con, tmp_path):
    past = {1: home_day(10, 4, ["Bonn"]), 7: home_day(100, 20, ["Ulm"]), 14: home_day(200, 10), 21: home_day(400)}
    outside = {15: home_day(5000, 5000, ["Rome"]), 28: home_day(800), 35: home_day(9), -1: home_day(77, 77, ["Paris"])}
    lake = remembered(tmp_path, past | outside)
    history = read_history(con, good_day.contract(), lake, DAY)
    assert history.shares["home", "positives", "label_click"] == Past(34, 310, 3)
    assert history.weekday_rows == {"home": [800, 400, 200, 100]}
    assert history.seen == {"city": frozenset({"Bonn", "Ulm"})}
    back = (28, 21, 14, 7, 1)
    assert list(history.hashes) == [(DAY - timedelta(days=one)).isoformat() for one in back]


def test_facts_by_hand(con, tmp_path):
    past = {7: home_day(100, 20, ["Bonn"]), 14: home_day(200, 40, ["Ulm"]), 21: home_day(900), 1: home_day(100, 20)}
    today = Profile(
        1000,
        {HOME: (1000, 1000), ("home", "positives", "label_click"): (100, 1000)},
        {"city": {("home", "Bonn"): 600, ("home", "Paris"): 300, ("home", "Rome"): 100}},
    )
    found = facts_of(con, remembered(tmp_path, past), today)
    volume = found["volume_change"]
    assert (volume.observed, volume.n, volume.note) == (5.0, 1000, "median 200 rows of 3 days")
    assert volume.judged == pytest.approx(poisson(1000)[0] / 200)
    rate = found["rate_change: label_click"]
    assert rate.observed == pytest.approx(0.1 / 0.2)
    assert rate.judged == pytest.approx(0.5)  # inside the band: judged as it is
    new = found["new_share: city"]
    assert (new.observed, new.note) == (0.4, "2 new values in 3 days: 'Paris' (300 rows), 'Rome' (100 rows)")


def test_too_little_history_is_said_not_judged(con, tmp_path):
    today = home_day(50, 10, ["Bonn"])
    for lake, days in ((None, 0), (remembered(tmp_path, {7: home_day(100, 20, ["Ulm"])}), 1)):
        found = facts_of(con, lake, today)
        assert found["volume_change"].note == (
            f"not judged: only {days} days of the same weekday, 2 are needed"
        )
        assert found["rate_change: label_click"].note == f"not judged: only {days} days of history, 3 are needed"
        assert found["new_share: city"].note == f"not judged: only {days} days of history, 3 are needed"
        assert all(fact.judged is None for fact in found.values())


def test_a_scenario_that_vanished_is_flagged_and_a_handful_of_rows_is_not(con, tmp_path):
    lake = remembered(tmp_path, {7: home_day(3), 14: home_day(3)})
    assert facts_of(con, lake, home_day(1))["volume_change"].judged >= 0.5  # 1 row where 3 are usual says little
    lake = remembered(tmp_path / "more", {7: home_day(300), 14: home_day(300)})
    empty = Profile(10, {HOME: (0, 10)})
    assert facts_of(con, lake, empty)["volume_change"].judged < 0.5


def test_intervals_against_published_values():
    """Newcombe 1998 (Statistics in Medicine 17, 873), table II, method 10; Poisson: the score interval solves its
    quadratic."""
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe(9, 10, 3, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    assert newcombe(0, 10, 0, 20) == pytest.approx((-0.1611, 0.2775), abs=5e-5)
    assert newcombe(10, 10, 0, 10) == pytest.approx((0.6075, 1.0), abs=5e-5)
    for count in (0, 1, 20, 1000):
        for end in poisson(count)[count == 0 :]:
            assert (count - end) ** 2 == pytest.approx(1.959963984540054**2 * end)
    assert ratio(0, 10, 3, 10)[0] == 0 and ratio(5, 10, 0, 10)[1] == float("inf")
    assert nearest(0.9, (0.4, 0.95), None, 0.5) == 0.5 and nearest(0.9, (0.6, 0.95), None, 0.5) == 0.6


LINE = "{user},{item},1,2026-03-{day:02}T10:{user:02}:00Z,1,{click},0,,1"


def land_days(paths, days):
    for day in days:
        lines = [LINE.format(user=n, item="ab"[n % 2], day=day, click=int(n % 3 == 0)) for n in range(1, 13)]
        header = "user,item,place,shown_at,slot,clicked,ordered,ordered_at,price"
        (paths.landing / f"log_{day:02}.csv").write_text("\n".join([header, *lines]) + "\n")
    (paths.landing / "items.csv").write_text("item_id,brand\na,Acme\nb,Best\n")


@pytest.mark.slow
def test_any_order_of_days_gives_the_same_rows_and_the_same_history_the_same_verdict(tiny_raw, paths):
    tiny_raw["quality"] = {"history": {"min_days": 2, "days": 3}}
    tiny = parse_contract(tiny_raw)
    land_days(paths, (2, 3, 4))
    landed, last = index(tiny, paths), date(2026, 3, 4)
    verdicts, hashes = set(), set()
    for number, order in enumerate([landed.days, landed.days[::-1]]):
        lake = Lake(paths.root / str(number))
        for day in order:
            (result,) = ingest_days(tiny, lake, landed, [day], quality)
        manifest = lake.manifest("ingest", last)
        earlier = [day for day in order[: order.index(last)] if day < last]
        assert list(manifest.info["history"]) == sorted(day.isoformat() for day in earlier)
        hashes.add(manifest.hash_of("impressions"))
        if len(earlier) == 2:
            verdicts.add(manifest.hash_of("dq_results"))
        (result,) = ingest_days(tiny, lake, landed, [last], quality)  # again, with all days there
        verdicts.add(result.manifest.hash_of("dq_results"))
    assert len(hashes) == len(verdicts) == 1
    (rate, *_) = [one for one in result.findings if one.check_name == "rate_change: label_click"]
    assert (rate.scenario_id, rate.observed, rate.note) == ("home", 1.0, "0.333 now, 0.333 in 2 days before")


def test_many_values_are_listed_only_when_named(con):
    good_day.fill(con)
    con.execute("UPDATE impressions SET city = 'c' || record_number")
    plain = quality.audit(con, good_day.contract(), "impressions", DAY, good_day.COUNTS)
    assert plain.tables["profile_categories"].num_rows == 0
    (finding, *_) = [one for one in plain.findings if one.kind == "new_share"]
    assert finding.note == "not judged: too many values a day; name the column in quality.history.new_shares"
    named = good_day.contract(quality={"history": {"new_shares": {"city": 0.5}}})
    listed = quality.audit(con, named, "impressions", DAY, good_day.COUNTS).tables["profile_categories"]
    assert listed.num_rows == good_day.N_ROWS
