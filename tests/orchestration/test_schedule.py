"""A tick of the schedule, without the daemon: what it asks for follows from the lake and the landing folder alone."""

import dagster as dg
import pytest

from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake
from orchestration.definitions import build
from orchestration.resources import Home
from orchestration.schedules import as_of_tables, daily_job, retrain_schedule

# See orchestration/definitions.py: no backfill is ever asked of the job itself.
pytestmark = pytest.mark.filterwarnings("ignore:Asset job")

HEADER = "user,item,place,shown_at,slot,clicked,ordered,ordered_at,price"
AS_OF_ASSETS = {"hinet", "mmoe", "shared_bottom", "eval_metrics", "lift", "lift_test", "champion", "snapshot"}


def land(paths, day):
    line = f"1,a,1,2026-03-{day:02}T10:00:00Z,1,1,0,,9.5"
    (paths.landing / f"log_{day:02}.csv").write_text(f"{HEADER}\n{line}\n")
    (paths.landing / "items.csv").write_text("item_id,brand\na,Acme\n")


def commit(tiny, paths):
    landed = index(tiny, paths)
    return list(ingest_days(tiny, Lake(paths.lake), landed, landed.days, None))


@pytest.fixture
def tick(tiny, paths, instance):
    """One evaluation of the schedule as Dagster does it."""
    home = Home(folder=str(paths.root.parent))
    schedule = retrain_schedule(tiny, daily_job(tiny))
    from hinet_core.settings import load_settings

    repository = build([tiny], load_settings()).get_repository_def()

    def evaluate():
        context = dg.build_schedule_context(instance, resources={"home": home}, repository_def=repository)
        return schedule.evaluate_tick(context)

    return evaluate


def asked(request):
    tags = request.tags or {}
    days = (tags.get("dagster/asset_partition_range_start"), tags.get("dagster/asset_partition_range_end"))
    return {key.path[-1] for key in request.asset_selection}, days, request.partition_key


def test_nothing_landed_is_a_reason(tick):
    found = tick()
    assert not found.run_requests
    assert "no landed file matches" in found.skip_message


def test_landed_days_are_ingested_in_stretches_and_then_a_model_is_asked_for(tick, paths):
    for day in (2, 3, 4, 5, 6, 9, 10, 11):
        land(paths, day)
    first, second, gap, after, models = tick().run_requests
    assert asked(first) == ({"impressions", "entity_daily", "examples", "drift"}, ("2026-03-02", "2026-03-06"), None)
    assert asked(second)[1] == ("2026-03-09", "2026-03-11")
    # Outcomes of the 6th may become known on the gap, which the days after it look back on.
    assert asked(gap) == ({"entity_daily"}, ("2026-03-07", "2026-03-08"), None)
    assert asked(after) == ({"examples", "drift"}, ("2026-03-09", "2026-03-11"), None)
    # T = 12 March, two judged days, one day until settled: T-h-m.
    assert asked(models) == (AS_OF_ASSETS, (None, None), "2026-03-09")


def test_only_new_days_are_asked_for(tick, tiny, paths):
    for day in range(2, 9):
        land(paths, day)
    commit(tiny, paths)
    land(paths, 9)
    days, models = tick().run_requests
    assert asked(days)[1] == ("2026-03-09", "2026-03-09")
    assert models.partition_key == "2026-03-07"


def test_the_dates_come_from_the_data_not_from_the_clock(tick, tiny, paths):
    for day in range(2, 9):
        land(paths, day)
    commit(tiny, paths)
    (models,) = tick().run_requests
    assert models.partition_key == "2026-03-06"


def test_nothing_new_is_a_reason(tick, tiny, paths):
    from datetime import date

    for day in range(2, 9):
        land(paths, day)
    commit(tiny, paths)
    steps = {"eval_metrics": "evaluation", "lift": "lift", "lift_test": "lift_test"}
    for table in as_of_tables(tiny):
        with Lake(paths.lake).begin(steps.get(table, f"train/{table}"), date(2026, 3, 6)) as draft:
            draft.commit()
    found = tick()
    assert not found.run_requests
    assert found.skip_message == "tiny: all landed days through 2026-03-08 are in, and as of 2026-03-06 all is judged."


def test_it_runs_from_the_start_once_a_day_in_the_time_of_the_log(tiny):
    schedule = retrain_schedule(tiny, daily_job(tiny))
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 * * *", "Europe/Berlin")
