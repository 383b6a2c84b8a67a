"""A small log of its own, of two arms with known propensities, and how a test brings it into a lake."""

import csv

import numpy as np

from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake
from hinet_core.settings import Paths

OWN = """
name = "own"
time_zone = "UTC"
first_day = 2026-03-01
last_day = 2026-03-31
dedupe = { key = ["visit", "slot"] }
sources = [{ name = "log", files = "log.csv", format = "csv" }]
columns = [
  { name = "visit", type = "int64", role = "request" },
  { name = "who", type = "int64", role = "user" },
  { name = "thing", type = "string", role = "item", encode = "id" },
  { name = "place", type = "string", role = "scenario" },
  { name = "at", type = "timestamp", role = "time", parse = "iso" },
  { name = "slot", type = "int8", role = "position", min = 1, max = 9 },
  { name = "chance", type = "float64", role = "propensity", nullable = true },
  { name = "arm", type = "string" },
  { name = "new_chance", type = "float64" },
  { name = "bought", type = "int8", role = "outcome", values = [0, 1] },
]
scenarios = [{ id = "home" }, { id = "search" }]
tasks = [{ name = "buy", label = "bought" }]
"""
THINGS = {"home": "abcd", "search": "bcd"}
LOGGED = {"home": [0.4, 0.3, 0.2, 0.1], "search": [0.2, 0.3, 0.5]}
NEW = {"home": [0.1, 0.2, 0.3, 0.4], "search": [0.6, 0.2, 0.2]}
WORTH = dict(zip("abcd", [0.1, 0.2, 0.3, 0.4], strict=True))


def lines_of(n_visits=1500, seed=1):
    """Two slots a visit, drawn one by one with known chances by the arm `old` or, in a third of visits, `new`."""
    rng = np.random.default_rng(seed)
    for visit in range(n_visits):
        place = "home" if visit % 3 else "search"
        arm = "new" if rng.random() < 1 / 3 else "old"
        chances = (NEW if arm == "new" else LOGGED)[place]
        for slot in (1, 2):
            k = rng.choice(len(chances), p=chances)
            thing = THINGS[place][k]
            bought = int(rng.random() < WORTH[thing] / slot)
            yield {
                "visit": visit, "who": visit // 3, "thing": thing, "place": place, "at": "2026-03-02T10:00:00Z",
                "slot": slot, "chance": chances[k], "arm": arm, "new_chance": NEW[place][k], "bought": bought,
            }  # fmt: skip


def written(folder, lines):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, list(lines[0]))
        rows.writeheader()
        rows.writerows(lines)


def ingested(contract, home, data):
    """Land and ingest the folder's files, without an audit."""
    paths = Paths(home / contract.name)
    land(contract, paths, data)
    found = index(contract, paths)
    assert all(one.manifest for one in ingest_days(contract, Lake(paths.lake), found, found.days, None))
