"""Logs of which a few rows are damaged: the draft decides by the others, and says what it left over."""

import random
import re

import pytest
from drafting import above, drafted, ingested
from shaped_logs import N_REPEATED, N_ROWS, ROWS, iso, lines, plain_csv


@pytest.mark.slow
def test_a_damaged_log_is_drafted_all_the_same_and_no_clean_row_is_lost(folder, tmp_path):
    plain_csv(folder)
    path = folder / "log.csv"
    header, *rows = path.read_text().splitlines()
    draw = random.Random(3)
    spoiled = set(draw.sample(range(N_ROWS - N_REPEATED), 9))
    faults = [lambda row: "garbage", lambda row: row.replace(",home,", ",").replace(",search,", ",,,"),
              lambda row: re.sub(r"2026-03-\d\d", "2026-13-45", row, count=1)]  # fmt: skip
    for place in spoiled:
        rows[place] = faults[place % 3](rows[place]).replace(",channel,", ",,")
    path.write_text("\n".join([header, *rows]) + "\n")
    _, contract = drafted(folder, tmp_path)
    (read, kept, duplicate, quarantined), _ = ingested(contract, folder, tmp_path / "home")
    assert (read, kept, duplicate) == (N_ROWS + N_REPEATED, N_ROWS - len(spoiled), N_REPEATED)
    assert quarantined == len(spoiled)
    # Eight of the nine stand in the books of the first day, which the audit would otherwise keep out.
    assert 0.08 < contract.quality.max_quarantined_share < 0.2


TIMES = {
    "iso": iso,
    "%d.%m.%Y %H:%M:%S": lambda at: f"{at:%d.%m.%Y %H:%M:%S}",
    "epoch_ms": lambda at: int(at.timestamp() * 1000),
    "%Y%m%d %H:%M": lambda at: f"{at:%Y%m%d};{at:%H:%M}",
}
WRONG = ("", "?!", "2026-13-45", "0", "99999999999999999", "yesterday", "12:99")


@pytest.mark.parametrize("parse", TIMES)
def test_a_few_wrong_times_and_headers_in_between_hide_neither_the_time_nor_the_header(parse, folder, tmp_path):
    """4 % of the times are none, in seven ways; the header stands there again, once with a mark of byte order."""
    header = "user;item;place;click;" + ("date;time" if ";" in str(TIMES[parse](ROWS[0]["shown"])) else "shown_at")
    cells = lambda r: [r["user"], r["item"], r["place"], r["click"], TIMES[parse](r["shown"])]  # noqa: E731
    rows = [lines([row], cells, ";").rstrip("\n") for row in ROWS[:N_ROWS]]
    spoiled = random.Random(5).sample(range(N_ROWS), 24)
    for place in spoiled:
        rows[place] = rows[place].rsplit(";", 1)[0] + ";" + WRONG[place % len(WRONG)]
    rows.insert(200, header)
    rows.insert(400, "\ufeff" + header)
    (folder / "log.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    text, contract = drafted(folder, tmp_path)
    assert (contract.log.header, contract.columns_with("time")[0].parse) == (True, parse)
    (read, kept, _, quarantined), _ = ingested(contract, folder, tmp_path / "home")
    assert (read, kept, quarantined) == (N_ROWS + 2, N_ROWS - len(spoiled), len(spoiled) + 2)
    told = f"UNSURE: {N_ROWS - len(spoiled)} of {N_ROWS + 2 - 2} values read as iso times; the others, e.g. "
    assert parse != "iso" or told in above(text, "shown_at")


WORDS = {
    "shift_jis": ("ラーメン", "すきやき", "寿司"), "utf-8": ("Köln", "Łódź", "寿司"),
    "gb18030": ("北京烤鸭", "红烧肉", "搜索"),
    "euc_kr": ("김치찌개", "비빔밥", "불고기"), "cp1251": ("Москва", "борщ", "поиск"),
}  # fmt: skip


@pytest.mark.parametrize("encoding", WORDS)
def test_a_few_damaged_bytes_do_not_change_the_encoding(encoding, folder, tmp_path):
    words = WORDS[encoding]
    cells = lambda r: [r["user"], r["item"], r["place"], iso(r["shown"]), r["click"], words[r["slot"] % 3]]  # noqa: E731
    rows = [lines([row], cells, ",").encode(encoding) for row in ROWS[:N_ROWS]]
    for place in range(0, N_ROWS, 50):  # 2 %
        rows[place] = rows[place].replace(b"\n", b"\xff\n" if encoding != "cp1251" else b"\x98\n")
    (folder / "log.csv").write_bytes(b"user,item,place,shown_at,click,word\n" + b"".join(rows))
    text, contract = drafted(folder, tmp_path)
    assert contract.log.encoding == encoding
    told = re.sub(r"\n#\s*", " ", text)
    assert re.search(f"UNSURE: {encoding}: .*12 lines looked at have bytes that are no letters", told)
    counts, _ = ingested(contract, folder, tmp_path / "home")
    assert counts == (N_ROWS, N_ROWS - 12, 0, 12)
