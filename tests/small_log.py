"""The simulated world at a size for tests, as a contract file that other processes can load."""

import re
from pathlib import Path

from hinet_core.contract import contract_path

# What meishi.toml says -> what a test can afford. Bounds follow the size.
SMALLER = {
    r'^name = "meishi"': 'name = "small"',
    r"^last_day = .*": "last_day = 2025-03-11",
    r"^days = 21": "days = 9",
    r"^requests_per_day = .*": "requests_per_day = 120\ncalibration_requests = 1000",
    r"^users = \d+": "users = 300",
    r"^items = \d+": "items = 150",
    r"^min_rows = .*": "min_rows = 500",
    r"^(home_feed|food_channel|nearby|deals|group_meals|new_shops) = \d+": r"\1 = 1",
    r"^low = .*": "low = 0.0",
    r"^high = .*": "high = 0.9",
    r'^challenger = "hinet"': 'challenger = "hinet"\nreplay_requests = 20\ntest_days = 3\ntest_requests = 300',
}


def small_contract_file(folder: Path, **changes: str) -> Path:
    """Write small.toml; `changes` replace further lines, key by key."""
    text = contract_path("meishi").read_text(encoding="utf-8")
    for pattern, line in (SMALLER | {rf"^{key} = .*": f"{key} = {value}" for key, value in changes.items()}).items():
        text, count = re.subn(pattern, line, text, flags=re.MULTILINE)
        if not count:
            raise ValueError(f"meishi.toml has no line like {pattern!r} any more")
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path
