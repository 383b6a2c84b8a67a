"""Each public log by its contract file alone: rows reconcile, labels are the known ones, examples follow."""

import re
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pytest
from public_logs import WRITERS

from hinet_core import quality
from hinet_core.contract import load_contract, packaged_contracts
from hinet_core.features.daily import write_daily_range
from hinet_core.features.examples import write_examples_range
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.ingest.public import import_log
from hinet_core.lake import Lake
from hinet_core.settings import Paths, load_settings
from orchestration.definitions import build

# Findings that only say how small these logs are.
SIZED = ("min_rows", "unknown_scenario_share", "duplicate_share", "quarantined_share")
# Questions to `impressions` (columns, condition) with the one right answer; `user` and `item` stand for the roles.
CELLS = {
    "kuairand_pure": [
        ("DISTINCT follow_user_num_range, onehot_feat3, onehot_feat4, onehot_feat12", "user_id = 3",
         [("(0,10]", 3, None, 12)]),
        ("DISTINCT video_duration, server_width, music_id, tags", "true", [(None, 720, 9, ["12", "65"])]),
        ("min(day), max(day), count(DISTINCT day)", "true", [(date(2022, 4, 8), date(2022, 4, 24), 6)]),
    ],
    "aliccp": [
        ("min(day), max(day)", "part = 'train'", [(date(2020, 1, 1), date(2020, 1, 7))]),
        ("min(day)", "part = 'test'", [(date(2020, 1, 8),)]),
        ("DISTINCT f122, f127, f124, f210, w210, f508, w508, f509", "true",
         [(7, 3, None, [5, 6], [1.0, 1.0], 1, 2.30259, None)]),
        ("DISTINCT user, len(f127_14), list_sort(f127_14)[1], w127_14[1] >= w127_14[-1]", "user IN (900, 903)",
         [(900, None, None, None), (903, 3, 500, True)]),
    ],
    "aliccp_aitm": [
        ("part, min(day) >= DATE '2020-01-08', max(day) < DATE '2020-01-15'", "part = 'dev' GROUP BY part",
         [("dev", True, True)]),
        ("count(*), count(f121), max(f853)", "true", [(120, 78, 2)]),
    ],
    "aliexpress": [
        ("min(item), max(day), count(DISTINCT day) > 3", "part = 'train'", [("es train 1", date(2020, 1, 7), True)]),
        ("min(day)", "part = 'test'", [(date(2020, 1, 8),)]),
        ("count(*)", "country = 'nl' AND item = 'nl train 1' AND user = 'nl train 0'", [(1,)]),
        ("count(*)", "user_32 = 1 AND user_33 = 2 AND user_9 BETWEEN 0 AND 1 AND search_id <> '0'", [(348,)]),
        ("count(*)", "user_32 IS NULL", [(12,)]),
    ],
    "tenrec": [
        ("count(*), count(gender), count(video_category), count(read)", "scenario_id = 'QK-video'", [(60, 40, 60, 0)]),
        ("count(*), count(gender), count(video_category), count(read)", "feed = 'QB-article'", [(60, 40, 0, 60)]),
    ],
    "tenrec_ctr": [("DISTINCT hist", "user_id IN (0, 4)", [([1, 2, 3],), ([],)])],
    "open_bandit": [
        ("DISTINCT campaign, len(affinities), affinities[2]", "true",
         [("all", 5, 1.0), ("men", 2, 1.0), ("women", 3, 1.0)]),
        ("DISTINCT item, item_feature_0, item_feature_1, item_feature_2", "item = 'men 1'",
         [("men 1", -0.5, "btsx", "meny"), ("men 1", -0.5, "randomx", "meny")]),
        ("min(propensity), min(shown_at)", "true", [(1e-6, datetime(2019, 11, 24, 0, 0, 0, 1))]),
        ("count(DISTINCT user)", "true", [(168,)]),
    ],
    "taobao_ads": [
        ("DISTINCT brand, price, new_user_class_level", "ad_id = 1 AND user_id = 1", [(None, 1.5, 1)]),
        ("count(DISTINCT day), min(day), count(*) FILTER (day = DATE '2017-05-06')", "true",
         [(8, date(2017, 5, 6), 20)]),
    ],
}  # fmt: skip


def landed(name, folder, home):
    """The tiny log of a contract, ingested; its truth, contract and lake."""
    truth = WRITERS[name](folder)
    contract, paths = load_contract(name), Paths(home / name)
    import_log(contract, paths, folder)
    files = index(contract, paths)
    assert files.refused == {}
    lake = Lake(paths.lake)
    results = list(ingest_days(contract, lake, files, files.days, None))
    return truth, contract, lake, results


def asked(con, contract, lake, columns, condition):
    """The answer of `impressions`, rows in the order of their text."""
    for role in ("user", "item"):
        name = f'"{contract.name_of(role)}"'
        columns, condition = (re.sub(rf"\b{role}\b", name, text) for text in (columns, condition))
    rows = lake.scan(con, "impressions").sql_query()
    return sorted(con.execute(f"SELECT {columns} FROM ({rows}) WHERE {condition}").fetchall(), key=str)


def audited(con, contract, lake, day):
    """What Great Expectations finds in a committed day."""
    (file,) = lake.files("impressions", [day])
    return quality.audit(con, contract, file, day, lake.manifest("ingest", day).info["counts"]).findings


OBD = Path(__file__).parents[2] / "shared" / "data" / "obd"
PARQUET_OF_OBD = """
name = "obd_parquet"
extend = "open_bandit"

[[sources]]
name = "log"
files = "[br]*.parquet"
format = "parquet"
path_pattern = '^(?P<policy>bts|random)_(?P<campaign>all|men|women)\\.parquet'

[[sources]]
name = "items"
files = "item_context_*.parquet"
format = "parquet"
path_pattern = '(?P<policy>bts|random)_(?P<campaign>all|men|women)\\.parquet'
"""


@pytest.mark.slow
@pytest.mark.skipif(not OBD.is_dir(), reason=f"the real log is not here: put Open Bandit's files under {OBD.name}")
def test_the_real_open_bandit_log_in_another_form_needs_only_other_sources(tmp_path, con):
    (tmp_path / "obd.toml").write_text(PARQUET_OF_OBD)
    contract, paths = load_contract(str(tmp_path / "obd.toml")), Paths(tmp_path / "home")
    land(contract, paths, OBD)
    files = index(contract, paths)
    lake = Lake(paths.lake)
    results = list(ingest_days(contract, lake, files, files.days, None))
    assert {key: sum(one.counts[key] for one in results) for key in results[0].counts} == {
        "rows_read": 60_000, "rows_kept": 60_000, "rows_duplicate": 0, "rows_quarantined": 0, "unknown_scenario": 0,
    }  # fmt: skip
    per_policy = asked(con, contract, lake, "policy, campaign, sum(label_click)", "true GROUP BY ALL")
    assert per_policy == [
        ("bts", "all", 42), ("bts", "men", 69), ("bts", "women", 46), ("random", "all", 38), ("random", "men", 46),
        ("random", "women", 46),
    ]  # fmt: skip
    widths = asked(con, contract, lake, "campaign, min(len(affinities)), max(len(affinities))", "true GROUP BY ALL")
    assert widths == [("all", 80, 80), ("men", 34, 34), ("women", 46, 46)]
    split = "count(*) FILTER (day <= DATE '2019-11-28'), count(*) FILTER (day = DATE '2019-11-29')"
    assert asked(con, contract, lake, split, "true") == [(43_569, 8_425)]
    assert asked(con, contract, lake, "count(DISTINCT item), count(item_feature_1)", "true") == [(160, 60_000)]


def test_every_public_log_is_written_here():
    public = {name for name in packaged_contracts() if load_contract(name).origin}
    assert public == set(WRITERS)


# Forms of a log that is tested in another form.
LONG = ("aliccp_aitm", "kuairand_1k", "kuairand_27k")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long if name in LONG else pytest.mark.slow)
     for name in sorted(WRITERS)],
)
def test_rows_reconcile_labels_are_the_known_ones_and_examples_follow(name, tmp_path, con):
    truth, contract, lake, results = landed(name, tmp_path / "data", tmp_path)
    counts = {key: sum(one.counts[key] for one in results) for key in results[0].counts}
    kept = sum(truth.kept.values())
    assert counts["rows_kept"] == kept
    assert (counts["rows_duplicate"], counts["rows_quarantined"]) == (truth.duplicate, truth.quarantined)
    assert counts["rows_read"] == kept + truth.duplicate + truth.quarantined

    labels = ", ".join(f"sum(label_{task.name})" for task in contract.tasks)
    found = con.execute(
        f"SELECT scenario_id, count(*), {labels} FROM ({lake.scan(con, 'impressions').sql_query()}) GROUP BY 1"
    ).fetchall()
    assert {row[0]: row[1] for row in found} == truth.kept
    for scenario, _, *positives in found:
        assert positives == [truth.positives[scenario, task.name] for task in contract.tasks]

    counters = con.execute(
        f"SELECT counter, detail, sum(rows) FROM ({lake.scan(con, 'ingest_counters').sql_query()}) GROUP BY 1, 2"
    ).fetchall()
    told = {(counter, detail): int(rows) for counter, detail, rows in counters}
    for side, unmatched in truth.unmatched.items():
        assert told["unmatched", side] == unmatched
    for task in contract.tasks:
        if task.after:
            assert told["funnel_violation_kept", task.name] == truth.violations[task.name]

    for columns, condition, expected in CELLS.get(name, []):
        assert asked(con, contract, lake, columns, condition) == expected, columns

    days = lake.days("ingest")
    blocking = [one for one in audited(con, contract, lake, days[0]) if one.blocks and one.kind not in SIZED]
    assert blocking == []
    write_daily_range(con, contract, lake, days)
    write_examples_range(con, contract, lake, days)
    modelled = {one.id for one in contract.modelled}
    examples = con.execute(
        f"SELECT scenario_id, count(*) FROM ({lake.scan(con, 'examples').sql_query()}) GROUP BY 1"
    ).fetchall()
    assert dict(examples) == {scenario: n for scenario, n in truth.kept.items() if scenario in modelled}


# See orchestration/definitions.py: no backfill is ever asked of the job itself.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Asset job")
def test_the_graph_of_every_packaged_contract_can_be_built():
    dg.Definitions.validate_loadable(build([load_contract(name) for name in packaged_contracts()], load_settings()))
