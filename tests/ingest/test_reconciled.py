"""Every record of every raw file stands once in `ingest_files`, whatever is wrong with it and whenever it was read."""

import gzip
from datetime import date
from random import Random

import pytest
from test_damage import HEADER
from test_damage import LOG as PLAIN

from hinet_core import quality
from hinet_core.contract import parse_contract
from hinet_core.ingest.books import books
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.pending import pending_days
from hinet_core.lake import Lake

pytestmark = pytest.mark.slow

LOG = PLAIN | {
    "name": "counted",
    "time_zone": "Asia/Tokyo",
    "last_day": "2026-03-05",
    "dedupe": {"key": ["user", "item", "shown_at"], "horizon_days": 1},
    "quality": {"max_quarantined_share": 0.5, "max_duplicate_share": 1, "max_unknown_scenario_share": 0.1},
}


def record(draw):
    """A record that is good, repeated, of no day, of a day outside the contract, of no scenario, or none at all."""
    day, hour = draw.choice(["01", "02", "03", "03", "04", "05"]), draw.choice(["00", "09", "14", "15", "23"])
    when = draw.choice([f"2026-03-{day}T{hour}:00:00Z"] * 8 + ["", "soon", "2026-04-01T00:00:00Z", "2026-02-01"])
    place = draw.choice(["home"] * 20 + ["moon", ""])
    whole = f"{draw.randrange(4)},{draw.choice('ab')},{place},{when},{draw.choice('01111119')}"
    return draw.choice([whole] * 15 + ["1,a", whole + ",x", f'"{whole}', "\x00"])


@pytest.mark.parametrize("seed", range(3))
def test_the_books_count_what_the_raw_files_hold(paths, seed):
    draw, expected = Random(seed), {}
    for number in range(4):
        lines = [record(draw) for _ in range(draw.randrange(20, 90))]
        lines.append("1,a,home,2026-03-03T00:00:00Z,1")  # no file without any day
        expected[f"log_{number}.csv"] = len(lines)
        text = "\n".join([HEADER, *lines]) + "\n"
        data = text.encode()
        (paths.landing / f"log_{number}.csv").write_bytes(gzip.compress(data) if number == 2 else data)
    (paths.landing / "log_9.csv").write_bytes(gzip.compress(data)[:-20])
    contract, lake = parse_contract(LOG), Lake(paths.lake)
    landed = index(contract, paths)
    draw.shuffle(days := list(landed.days))
    for day in days[:2]:
        list(ingest_days(contract, lake, landed, [day], quality))
    list(ingest_days(contract, lake, landed, pending_days(lake, landed), quality))
    columns, rows = books(lake, "file")
    told = [dict(zip(columns, row, strict=True)) for row in rows if row[0] != "all"]
    counted = dict.fromkeys(expected, 0)
    for one in told:
        if one["file"] == "log_9.csv":
            assert one["state"] == "file refused: rows unknown" and one["read"] is None
            continue
        assert one["read"] == one["kept"] + one["duplicate"] + one["quarantined"]
        counted[one["file"]] += one["read"]
    assert counted == expected
    assert len({(one["day"], one["file"]) for one in told}) == len(told)  # a day is committed or kept out, not both
    for name in expected:  # rows without a usable day stand in the books of the first day that their file has
        first = min(one["day"] for one in told if one["file"] == name)
        assert date.fromisoformat(first) == next(one for one in landed.log_files if one.path == name).first_day
