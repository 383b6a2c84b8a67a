"""The written log: the same whatever was written before, in whole days, with outcomes as the world says."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_world import small_contract

from hinet_core.world import truth
from hinet_core.world.day import day_table, order_delay_ms
from hinet_core.world.load import load
from hinet_core.world.log import OtherWorldError, write_log

MONDAY = date(2025, 3, 3)
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def landing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("landing")
    write_log(small_contract(), folder)
    return folder


def test_files_rows_and_columns(landing):
    days = sorted(path.name for path in (landing / "impressions").iterdir())
    assert days == [f"day=2025-03-0{number}.parquet" for number in (3, 4, 5, 6)]
    rows = pq.read_table(landing / "impressions" / days[0])
    assert rows.num_rows == 150 * 10
    contract = small_contract()
    for source, table in (("log", rows), ("users", None), ("shops", None)):
        found = (table or pq.read_table(landing / f"{source}.parquet")).column_names
        wanted = [one.found_in[0] for one in contract.columns if contract.source_of(one).name == source]
        assert set(wanted) <= set(found)
    assert pq.read_table(landing / "users.parquet").num_rows == 400


def test_nothing_latent_is_in_the_log(landing):
    world = load(small_contract())
    users = pq.read_table(landing / "users.parquet")
    assert set(users.column_names) == {"user_id", "activity", "price_ideal", "propensity"}
    assert not np.isclose(users["price_ideal"].to_numpy(), world.users.price_ideal_U).any()
    assert not np.isclose(users["propensity"].to_numpy(), world.users.propensity_UK[:, 0]).any()
    rows = pq.read_table(landing / "impressions" / "day=2025-03-03.parquet")
    user, shop = rows["user_id"].to_numpy() - 1, rows["shop_id"].to_numpy() - 1
    match = np.stack([rows[f"match_{j:02d}"].to_numpy() for j in range(24)], axis=1)
    true_match = world.users.taste_UJ[user] * world.items.trait_IJ[shop]
    # Taste is seen with noise of standard deviation 0.5, so the correlation is 1 / sqrt(1.25).
    assert np.corrcoef(match.ravel(), true_match.ravel())[0, 1] == pytest.approx(1.25**-0.5, abs=0.03)


def test_rows_are_in_time_order_inside_their_local_day(landing):
    zone = ZoneInfo("Asia/Shanghai")
    for path in sorted((landing / "impressions").iterdir()):
        shown = pq.read_table(path)["shown_at_ms"].to_numpy()
        assert (np.diff(shown) >= 0).all()
        days = {datetime.fromtimestamp(ms / 1000, zone).date().isoformat() for ms in (shown[0], shown[-1])}
        assert days == {path.stem.removeprefix("day=")}


def test_outcomes_are_a_funnel_inside_the_window(landing):
    for path in sorted((landing / "impressions").iterdir()):
        rows = pq.read_table(path)
        click, order = rows["is_click"].to_numpy(), rows["is_order"].to_numpy()
        assert (order <= click).all()
        delay = rows["order_at_ms"].to_pandas() - rows["shown_at_ms"].to_pandas()
        assert (delay.notna() == (order == 1)).all()
        assert delay.dropna().between(1, 24 * HOUR_MS - 1).all()


def test_delays_are_a_truncated_exponential():
    world = load(small_contract())
    u = (np.arange(100_000) + 0.5) / 100_000
    hours = order_delay_ms(world, u) / HOUR_MS
    cut = np.exp(-24 / 6)
    assert hours.mean() == pytest.approx(6 - 24 * cut / (1 - cut), rel=1e-3)
    assert np.median(hours) == pytest.approx(-6 * np.log(1 - 0.5 * (1 - cut)), rel=1e-3)


def test_logged_outcomes_agree_with_the_probabilities():
    world = load(small_contract(requests_per_day=4000))
    requests = world.log_requests(MONDAY)
    appeal = world.appeal(requests)
    top = world.logged_slates(requests, appeal)
    click, order = world.probabilities(requests, appeal)
    theta = world.theta_SN[requests.scenario_R]
    rows = day_table(world, MONDAY)
    for name, worth in (("is_click", click), ("is_order", click * order)):
        chance = theta * np.take_along_axis(worth, top, axis=1)
        spread = np.sqrt((chance * (1 - chance)).sum())
        assert abs(rows[name].to_numpy().sum() - chance.sum()) < 4 * spread


def test_a_day_is_the_same_alone_in_slices_and_in_any_chunk(monkeypatch):
    world = load(small_contract())
    whole = day_table(world, MONDAY)
    order = [("shown_at_ms", "ascending"), ("request_id", "ascending"), ("position", "ascending")]
    for size in (1, 7, 64):
        starts = range(0, world.traffic.requests_on(MONDAY), size)
        parts = [day_table(world, MONDAY, slice(start, start + size)) for start in starts]
        assert pa.concat_tables(parts).sort_by(order).equals(whole)
    monkeypatch.setattr(truth, "CHUNK", 13)
    assert day_table(world, MONDAY).equals(whole)


def test_writing_again_does_only_what_is_missing(landing, tmp_path):
    contract = small_contract()
    write_log(contract, tmp_path)
    first = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    gone = tmp_path / "impressions" / "day=2025-03-04.parquet"
    gone.unlink()
    write_log(contract, tmp_path)
    for path, when in first.items():
        assert (path.stat().st_mtime_ns == when) == (path != gone)
        assert pq.read_table(path).equals(pq.read_table(landing / path.relative_to(tmp_path)))
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]


def test_files_of_another_world_are_refused_and_left_alone(tmp_path):
    write_log(small_contract(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    with pytest.raises(OtherWorldError, match="FRESH=1"):
        write_log(small_contract(seed=2), tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}


def test_the_seed_changes_the_log_and_the_hash():
    one, two = load(small_contract()), load(small_contract(seed=2))
    assert one.hash != two.hash
    assert not day_table(one, MONDAY).equals(day_table(two, MONDAY))
