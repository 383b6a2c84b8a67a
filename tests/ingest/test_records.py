"""Which lines of a text are one record: a record with a fault counts once, and a stray quote costs its own line."""

import io

import pytest

from hinet_core.contract import Source
from hinet_core.ingest.records import JOINED_LIMIT, csv_records, lines_of

CLEAN = ["1,a,home,0,1", "2,b,home,0,1"]


def read(*lines):
    """Number of each record -> its item, or why it is refused."""
    source = Source(name="log", files="*", format="csv")
    text = io.StringIO("\n".join(lines) + "\n", newline="")
    return {one.number: one.fault or (one.values or [])[1] for one in csv_records(lines_of(text), source, 5)}


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ('9,x,"home\ny",0,1,9', "line: too many columns"),
        ('9,"x\ny",home', "line: missing columns"),
        ('9,"x\n\ny, z\nand ""so"" on",home', "line: missing columns"),
        ('"9"junk,"x\ny",home,0,1', "line: unquoted value"),
        ('"9"junk,"x\ny","home", "0" ,"1"', "line: unquoted value"),
    ],
    ids=["too many", "too few", "four lines", "junk", "junk, all in quotes"],
)
def test_a_record_over_several_lines_with_another_fault_is_one_record(record, why):
    assert read(CLEAN[0], record, CLEAN[1]) == {1: "a", 2: why, 3: "b"}


@pytest.mark.parametrize("stray", ['9,"x,home,0,1', '9,"x', '"9"junk,"x', '9,x,home,0,1,"'])
@pytest.mark.parametrize("item", ["\ny", "x\ny", '"x"\ny', 'x,\n"y'])
def test_a_stray_quote_swallows_no_record_that_begins_behind_it(stray, item):
    quoted = item.replace('"', '""')
    found = read(stray, f'7,"{quoted}",home,0,1', *CLEAN)
    assert found.pop(1) in ("line: unterminated quote", "line: unquoted value")
    assert found == {2: item, 3: "a", 4: "b"}


def test_a_line_that_may_be_a_record_is_read_alone():
    several = {1: "line: unterminated quote", 2: "home", 3: "a"}
    assert read('9,"x', 'y",home,0,1,1', CLEAN[0]) == several
    assert read('9,x,"z', 'w",home,0,1,1', CLEAN[0]) == several
    assert read('9,"x', "odd", 'y",home,0,1,1', CLEAN[0]) == several | {2: "line: missing columns", 3: "home", 4: "a"}


def test_a_long_value_behind_one_with_a_line_break_is_of_the_same_record():
    """What may be so long is a value with line breaks, not the line that ends it."""
    long = "z" * (JOINED_LIMIT + 1)
    assert read('9,"x\ny",home,0,' + long, CLEAN[0]) == {1: "x\ny", 2: "a"}
    assert read(f'9,"x\n{long}\ny",home,0,1', CLEAN[0])[1] == "line: unterminated quote"
