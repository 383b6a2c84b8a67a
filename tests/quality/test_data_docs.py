"""Pages by Great Expectations' own renderer: they need no network, show no id, and go with their day."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path

import good_day
import pytest
from good_day import COUNTS, DAY, plant

from hinet_core import quality
from hinet_core.ingest.days import IngestResult
from hinet_core.lake import Lake
from hinet_core.quality.docs import page_of, suite_page_of, write_docs

pytestmark = pytest.mark.slow

USER = 987_654_321
# What a browser fetches by itself: sources, styles, imports and addresses in styles.
LOADED = re.compile(r"""(?:\bsrc\s*=|<link\b[^>]*\bhref\s*=|@import|url\()\s*['"]?\s*([^'">)\s]+)""", re.IGNORECASE)


def committed(root: Path, *days) -> Lake:
    lake = Lake(root)
    for day in days:
        with lake.begin("ingest", day) as draft:
            draft.commit()
    return lake


def judged(con, day=DAY, **changes) -> IngestResult:
    found = quality.audit(con, good_day.contract(**changes), "impressions", day, COUNTS)
    return IngestResult(day, None, COUNTS, found.findings)


@pytest.fixture
def pages(con, tmp_path):
    """The pages of a day with refusals: a text with markup, and a user who is below the contract's minimum."""
    good_day.fill(con)
    plant(con, "device", "'<script>alert(1)</script>'", "record_number = 7")
    con.execute(f"UPDATE impressions SET user_id = {USER}, price = 1e9 WHERE record_number IN (8, 9, 40)")
    return write_docs(good_day.contract(), committed(tmp_path / "lake", DAY), tmp_path / "docs", [judged(con)])


def test_suite_result_and_index_are_linked_and_tell_what_failed(pages):
    index, page, suite = pages / "index.html", page_of(pages, DAY), suite_page_of(pages, DAY)
    assert f'href="{page.relative_to(pages)}"' in index.read_text() and "kept out" in index.read_text()
    text = page.read_text()
    assert "expected price is at least 0.1 and at most 99.9, found 3 offending of 2400 rows; next step" in text
    assert text.index("column price: expected") < text.index("price has type FLOAT")  # what failed is on top
    assert "found" not in suite.read_text()
    assert "request_id is never missing" in text and "request_id is never missing" in suite.read_text()
    for source in (page, suite, index):
        for link in re.findall(r'href="([^"#]+)"', source.read_text()):
            assert (source.parent / link).resolve().is_file(), link


def test_nothing_is_fetched_and_nothing_is_run(pages):
    texts = [path.read_text() for path in pages.rglob("*.html")]
    assert len(texts) == 3
    assert [address for text in texts for address in LOADED.findall(text)] == []
    assert LOADED.findall('<img src="https://a/b.png"><link rel=x href=//c/d.css> @import "e"; url(http://f)') == [
        "https://a/b.png", "//c/d.css", "e", "http://f",
    ]  # fmt: skip
    assert not any("<script" in text.lower() or "http://" in text or "https://" in text for text in texts)


def test_texts_of_the_log_are_shown_as_text_and_ids_as_hashes(pages):
    text = page_of(pages, DAY).read_text()
    assert "&lt;script&gt;alert(1)" in text
    sample = json.loads(re.search(r"\{&quot;source_file.*?&quot;price&quot;.*?\}", text)[0].replace("&quot;", '"'))
    assert re.fullmatch(r"[0-9a-f]{12}", sample["user_id"])
    for path in pages.rglob("*"):
        if path.is_file():
            assert str(USER) not in path.read_text() and "r0001" not in path.read_text()


def test_the_pages_of_a_day_go_with_it(pages, con, tmp_path):
    later = DAY + timedelta(days=1)
    lake = committed(tmp_path / "lake", later)
    contract = good_day.contract()
    write_docs(contract, lake, pages, [IngestResult(later, None, COUNTS, judged(con).findings)])
    assert page_of(pages, DAY).is_file() and page_of(pages, later).is_file()
    lake.manifest_path("ingest", DAY).unlink()
    write_docs(contract, lake, pages, [])
    assert not page_of(pages, DAY).exists() and not suite_page_of(pages, DAY).exists()
    assert DAY.isoformat() not in (pages / "index.html").read_text()
    assert page_of(pages, later).is_file()


def test_a_setting_turns_them_off(con, tmp_path, monkeypatch):
    monkeypatch.setenv("HINET_DATA_DOCS", "0")
    lake = committed(tmp_path / "lake", DAY)
    assert write_docs(good_day.contract(), lake, tmp_path / "docs", [IngestResult(DAY, None, COUNTS, [])]) is None
    assert not (tmp_path / "docs").exists()


def test_a_place_that_cannot_be_written_is_logged_and_stops_nothing(con, tmp_path, caplog):
    good_day.fill(con)
    (tmp_path / "docs").write_text("a file where the folder should be")
    write_docs(good_day.contract(), committed(tmp_path / "lake", DAY), tmp_path / "docs", [judged(con)])
    assert "the pages about data quality under" in caplog.text


def test_a_pattern_with_signs_of_templates_is_shown_as_it_is(con, tmp_path):
    good_day.fill(con)
    columns = [one | {"pattern": r"^r\d{4}$|${x}{{y}}"} if one["name"] == "request_id" else one
               for one in good_day.RAW["columns"]]  # fmt: skip
    result = judged(con, columns=columns)
    root = write_docs(good_day.contract(columns=columns), committed(tmp_path / "l", DAY), tmp_path / "docs", [result])
    assert r"request_id matches ^r\d{4}$|${x}{{y}}" in page_of(root, DAY).read_text()
    shutil.rmtree(root)
