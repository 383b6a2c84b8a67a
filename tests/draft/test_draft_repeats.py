"""What stands there twice: names of a header, and rows of a log without a time."""

import re

import pytest
from drafting import drafted
from shaped_logs import ROWS, iso, lines

from hinet_core.draft import DraftError, draft


def test_a_header_with_a_name_twice_is_told(folder):
    cells = lambda r: [r["user"], r["item"], r["place"], iso(r["shown"]), r["click"], r["click"]]  # noqa: E731
    (folder / "log.csv").write_text(lines(ROWS, cells, ",", "user,item,scene,time,click,click"))
    with pytest.raises(DraftError, match="its header has the column 'click' more than once"):
        draft([folder])


def test_equal_rows_of_a_log_without_a_time_are_marked_beside_the_key(folder, tmp_path):
    rows = [[f"u{n % 5}", f"i{n % 7}", f"s{n % 2}", n % 2] for n in range(100)]
    (folder / "log.csv").write_text(lines(rows, lambda row: row, ",", "user,item,scene,click"))
    text, _ = drafted(folder, tmp_path)
    told = re.sub(r"\n#\s*", " ", text.split("[dedupe]")[0])
    assert "UNSURE: without a time 30 equal rows may be exposures of their own" in told
    cells = lambda r: [r["user"], r["item"], r["place"], iso(r["shown"]), r["click"]]  # noqa: E731
    (folder / "log.csv").write_text(lines(ROWS, cells, ",", "user,item,scene,time,click"))
    text, _ = drafted(folder, tmp_path)
    assert "without a time" not in text
