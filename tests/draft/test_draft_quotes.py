"""Files of one header are one source: a stray quote in a few rows of one of them is no other dialect."""

import pytest
from drafting import drafted, ingested
from shaped_logs import N_ROWS, ROWS, iso, lines

STRAY = {"inside": '5" pizza', "alone": 'a " b', "at the begin of a field": '"pizza'}


@pytest.mark.parametrize("title", STRAY.values(), ids=list(STRAY))
def test_a_stray_quote_in_one_file_leaves_no_other_file_out(title, folder, tmp_path):
    cells = lambda r: [r["user"], r["item"], r["place"], iso(r["shown"]), r["click"], r.get("title", "plain")]  # noqa: E731
    for name, rows in (("a", ROWS[:300]), ("b", ROWS[300:N_ROWS])):
        rows = [row | ({"title": title} if name == "a" and place == 100 else {}) for place, row in enumerate(rows)]
        (folder / f"{name}.csv").write_text(lines(rows, cells, ",", "user,item,place,shown_at,click,title"))
    text, contract = drafted(folder, tmp_path)
    assert (contract.log.files, contract.log.quote, "left out" in text) == ("*.csv", '"', False)
    (read, kept, duplicate, quarantined), _ = ingested(contract, folder, tmp_path / "home")
    assert (read, duplicate) == (N_ROWS, 0)
    assert (kept, quarantined) == ((N_ROWS - 1, 1) if title == '"pizza' else (N_ROWS, 0))
