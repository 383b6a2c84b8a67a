"""Texts that are lists, `Action|Comedy`, and texts that only look like it."""

import random

import pytest
from drafting import above, column, drafted, ingested
from shaped_logs import N_ROWS, ROWS, iso, lines

from hinet_core.draft.shapes import lists, proposals
from hinet_core.lake import connect

GENRES = ("Action", "Sci-Fi", "Film Noir", "Children's", "R&B", "War", "(none given)")
DRAW = random.Random(7)


def joined(mark, words, most, least=1, n=120):
    """Different texts of `least` to `most` of the words."""
    return list({mark.join(DRAW.sample(words, DRAW.randint(least, most))) for _ in range(n)})


LISTS = {
    "genres": (joined("|", GENRES, 4), {"type": "list<string>", "separator": "|"}),
    "letters": (joined(";", list("abcdefgh"), 3), {"type": "list<string>", "separator": ";"}),
    "a blank behind": (joined(", ", GENRES, 3), {"type": "list<string>", "separator": ","}),
    "watched": (joined(" ", [str(n) for n in range(90)], 6), {"type": "list<int64>", "separator": " "}),
    "of three digits": (joined(" ", [str(n) for n in range(100, 200)], 6), {"type": "list<int64>", "separator": " "}),
    "clicked": (joined(" ", [f"N{n}" for n in range(90)], 6), {"type": "list<string>", "separator": " "}),
    "mostly new": (joined("|", [str(n) for n in range(400)], 9), {"type": "list<int64>", "separator": "|"}),
}
WORDS = ("the long way home", "a day", "blue", "night and day", "home again", "in the park", "once more")
NO_LISTS = {
    "titles": [f"{DRAW.choice(WORDS)} {DRAW.choice(WORDS)} {n % 40}" for n in range(120)],
    "keys of two": [f"s{n % 9}|c{n % 13}" for n in range(117)],
    "keys of two, the second lacking": [f"s{n % 9}" + f"|c{n % 13}" * (n % 5 > 0) for n in range(117)],
    "keys of three": [f"s{n % 9};c{n % 13};{n % 2}" for n in range(117)],
    "sentences": [f"Well, {DRAW.choice(WORDS)} {n}, said he" + ", and left" * (n % 3 == 0) for n in range(120)],
    "places": [f"{a}{b}-town, State {n}" + ", USA" * (n % 2) for a in "abcdefghijkl" for n, b in enumerate("mnopqrst")],
    "names": [f"{DRAW.choice(WORDS)}{n}, The" + ", again" * (n % 7 == 0) for n in range(120)],
    "telephones": [f"030 {n % 90:02} {n % 7}{n % 9} {DRAW.randrange(99)}" + " 5" * (n % 3 == 0) for n in range(120)],
    "amounts": [f"{n % 9},{n % 5} kg" if n % 3 else f"{n % 9} kg" for n in range(120)],
    "vectors": [" ".join(f"{DRAW.random():.2f}" for _ in range(2 + n % 3)) for n in range(120)],
    "few": ["a|b|c", "a|b", "a", "b|c", "b"],
    "settings": [f"a={n % 3};b={n % 4}" + ";c=1" * (n % 2) for n in range(120)],
    "browsers": [f"Mozilla/5.0 (X11; Linux {n % 30}; rv:{n % 9})" + "; Mobile" * (n % 2) for n in range(120)],
}


@pytest.mark.parametrize(("texts", "keys"), LISTS.values(), ids=list(LISTS))
def test_parts_that_come_back_in_texts_of_different_lengths_are_a_list(texts, keys):
    assert next(iter(proposals(texts))) == keys


@pytest.mark.parametrize("texts", NO_LISTS.values(), ids=list(NO_LISTS))
def test_titles_keys_addresses_and_sentences_are_no_lists(texts):
    assert list(lists(list(dict.fromkeys(texts)))) == []


@pytest.mark.parametrize(
    ("texts", "keys"),
    [
        (["1,5", "7", "12,25", "3,5", "0"] * 20, {"type": "float64", "thousands": ".", "decimal": ","}),
        ([f"{n} {n * 37 % 1000:03} {n * 91 % 1000:03}" for n in range(1, 120)], {"type": "int64", "thousands": " "}),
        ([f"2026-03-01 10:{n % 60:02}:00" for n in range(60)], {"type": "timestamp", "parse": "iso"}),
    ],
    ids=["decimal commas", "millions", "times"],
)
def test_numbers_and_times_with_marks_stay_what_they_are(texts, keys):
    assert next(iter(proposals(texts))) == keys


def test_lists_in_text_are_drafted_with_their_mark_and_arrive_item_by_item(folder, tmp_path):
    genres, watched = (LISTS[name][0] for name in ("genres", "watched"))
    written = [{**ROWS[n], "genres": genres[n % len(genres)], "seen": watched[n % len(watched)],
                "key": f"s{n % 9}|c{n % 13}", "title": NO_LISTS["titles"][n % 120]} for n in range(N_ROWS)]  # fmt: skip
    names = ("user", "item", "place", "shown", "click", "genres", "seen", "key", "title")
    cells = lambda r: [iso(r[one]) if one == "shown" else r[one] for one in names]  # noqa: E731
    (folder / "log.csv").write_text(lines(written, cells, ",", "user,item,place,shown_at,click,genres,seen,key,title"))
    text, contract = drafted(folder, tmp_path)
    found = {name: (column(contract, name).type, column(contract, name).encode) for name in names[5:]}
    assert found == {"genres": ("list<string>", "list"), "seen": ("list<int64>", "list"), "key": ("string", "id"),
                     "title": ("string", "id")}  # fmt: skip
    assert f"{len(genres)} different values; 7 different items, 1 to 4 of them a value;" in above(text, "genres")
    assert (
        "a list divided by '|': the texts have different numbers of parts, and the same parts stand in many texts; "
        "to read each text as one id: type 'string', encode 'id', no separator"
    ) in above(text, "genres")
    counts, lake = ingested(contract, folder, tmp_path / "home")
    assert counts == (N_ROWS, N_ROWS, 0, 0)
    con = connect()
    rows = lake.scan(con, "impressions").project("record_number, genres, seen").fetchall()
    con.close()
    assert {number: (given, seen) for number, given, seen in rows} == {
        number: (one["genres"].split("|"), [int(part) for part in one["seen"].split()])
        for number, one in enumerate(written, 1)
    }
