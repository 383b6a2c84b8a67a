"""`hinet experiment NAME --data FOLDER`, from a delivered folder to the page of results, and once more."""

import os
import random
import tomllib
from datetime import date

import pytest
import torch
from tiny_shop import CONTRACT, HEADER, line

from hinet_core.contract import parse_contract
from hinet_core.experiments.experiment import EXPERIMENTS, Entry, Experiment
from hinet_core.experiments.log_days import LogNotWholeError, committed
from hinet_core.quality.docs import page_of
from hinet_core.settings import Paths
from hinet_core.training.progress import Progress

SPLIT = {"train_days": 2, "judged_days": 1}
DAYS = [f"2026-03-0{day}" for day in range(1, 5)]
ROWS = 80  # a day


def shop() -> Experiment:
    """A tiny shop: two models on two seeds."""
    contract = parse_contract(tomllib.loads(CONTRACT) | {"split": SPLIT, "training": {"epochs": 2}})
    entries = (Entry(model="shared_bottom"), Entry(model="logistic"))
    return Experiment(name="shop", contract=contract, entries=entries, baseline="shared_bottom", n_seeds=2)


def deliver(folder, outcomes=lambda day, soup: int(soup)):
    """A file a day; soup is clicked."""
    draw = random.Random(0)
    for day in DAYS:
        rows = []
        for n in range(ROWS):
            item, at = draw.choice(["soup", "salad"]), f"{day}T10:{n // 60:02}:{n % 60:02}Z"
            rows.append(line(f"u{draw.randrange(20)}", at, item, "home", outcomes(day, item == "soup")))
        (folder / f"log_{day}.csv").write_text("\n".join([HEADER, *rows]) + "\n")


@pytest.mark.slow
def test_an_experiment_reads_audits_trains_and_writes_its_page_and_a_second_run_trains_nothing(
    call, tmp_path, monkeypatch
):
    monkeypatch.setitem(EXPERIMENTS, "shop", shop)
    contract, data, page = tmp_path / "shop.toml", tmp_path / "data", tmp_path / "results.md"
    contract.write_text(CONTRACT)
    data.mkdir()
    home = Paths(tmp_path / "home" / "shop")
    root = home.experiments / "models"
    command = ("experiment", "shop", "--data", data, "--page", page)

    # A day whose audit fails and a file that is none: said, and nothing is compared without them.
    deliver(data, lambda day, soup: 7 if day == DAYS[-1] and soup else int(soup))
    (data / "log_more.csv").write_text("shop,visits\n1,2\n")
    status, said = call(*command)
    assert (status, page.exists(), root.exists()) == (1, False, False)
    assert "Error: shop: log_more.csv: " in said and f"; {DAYS[-1]} is kept out by check quarantined_share: " in said
    assert page_of(home.docs, date(2026, 3, 4)).exists()
    query = ("sql", "--csv", "--contract", contract)
    assert call(*query, "select count(distinct day) as days, count(*) as n from impressions") == (
        0, f"days,n\n3,{3 * ROWS}\n",
    )  # fmt: skip

    # A day after those that are judged does not matter.
    assert call("features", "--contract", contract)[0] == 0
    lake = committed(shop().contract, home, None, "", date(2026, 3, 3))
    assert lake.days("examples") == [date.fromisoformat(day) for day in DAYS[:-1]]
    with pytest.raises(LogNotWholeError, match=rf"shop: kept out by the audit: {DAYS[-1]} \(`hinet ingest` says why"):
        committed(shop().contract, home, None, "", date(2026, 3, 4))

    for folder in (data, home.landing):
        (folder / "log_more.csv").unlink()
    deliver(data)
    left = Progress(root / "mmoe-2026-03-01-0a1b2c3d")
    left.save({}, {}, {"weight": torch.zeros(1)})
    for path in [*left.folder.iterdir(), left.folder]:
        os.utime(path, (0, 0))
    status, said = call(*command)
    assert status == 0 and said.endswith(f"{page}: section shop written\n"), said
    text = page.read_text()
    assert "## shop\n" in text and f"as of {DAYS[3]}, stopped on {DAYS[2]} ({ROWS} rows), judged on {DAYS[3]}" in text
    assert [text.count(f"\n| {one} | ") for one in ("shared_bottom", "logistic")] == [3, 7]  # 4 are differences
    assert "\n| logistic | 1.0000 ± 0.0000 | " in text  # what was planted
    assert call(*query, "select count(*) as n from examples") == (0, f"n\n{len(DAYS) * ROWS}\n")
    versions = {path.name: path.stat().st_ctime_ns for path in root.iterdir()}
    assert sorted(name.partition("-2026-03-04-")[0] for name in versions) == ["logistic"] * 2 + ["shared_bottom"] * 2

    assert call(*command)[0] == 0
    assert {path.name: path.stat().st_ctime_ns for path in root.iterdir()} == versions
    tables = ["\n".join(one for one in each.splitlines() if one[:1] == "|") for each in (text, page.read_text())]
    assert tables[0] == tables[1]
