"""A draft of the files of a folder, what ingest makes of it, and what it says beside a column."""

import re

from hinet_core.contract import load_contract
from hinet_core.draft import draft
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake
from hinet_core.settings import Paths


def drafted(folder, tmp_path, **options):
    """The text, and the contract that it is."""
    text = draft([folder], **options)
    path = tmp_path / "drafted.toml"
    path.write_text(text)
    return text, load_contract(str(path))


def ingested(contract, folder, home):
    """Rows read, kept, duplicate and quarantined over all days, and the lake."""
    paths = Paths(home)
    land(contract, paths, folder)
    landed, lake = index(contract, paths), Lake(paths.lake)
    assert landed.refused == {}
    results = list(ingest_days(contract, lake, landed, landed.days, None))
    names = ("rows_read", "rows_kept", "rows_duplicate", "rows_quarantined")
    return tuple(sum(one.counts[name] for one in results) for name in names), lake


def column(contract, name):
    return next(one for one in contract.columns if one.found_in == (name,))


def above(text, name):
    """The comments above a column of a draft, as one line."""
    (found,) = re.findall(rf'((?:^#.*\n)+)\[\[columns\]\]\nname = "{name}"', text, flags=re.MULTILINE)
    return re.sub(r"\n#\s*", " ", found)
