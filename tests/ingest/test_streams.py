"""A CSV that is read in blocks gives the records that it gives line by line, wherever an odd line stands."""

import io
import random

import pytest

from hinet_core.contract import Source
from hinet_core.ingest import records
from hinet_core.ingest.streams import BLOCK, csv_batches

LONG = "x" * 400
# What stands at the end of a block, at its beginning and in its middle; each is one or several lines.
ODD = {
    "nothing": "",
    "a short line": "1,2\n",
    "a long line": f"1,2,3,{LONG}\n",
    "an open quote": f'1,"two,{LONG}\n',
    "a quoted break": f'1,"two\n{LONG}",3\n',
    "a quoted break over many lines": '1,"' + f"{LONG}\n" * 990 + '",3\n',
    "an open quote over too many lines": '1,"' + "a,b\n" * 1200 + '",3\n',
    "a blank line": "\n",
    "lines of blanks": "\n   \n\t\n",
    "a return alone": "1,2,3\r4,5,6\n",
    "a pair of ends": "1,2,3\r\n4,5,6\r\n",
    "a null byte": "1,\0,3\n",
    "bytes that are no text": "1,\udcff,3\n",
    "another mark": "\ufeff1,2,3\n",
    "a line too long": "1,2," + "y" * (records.LINE_LIMIT + 3) + "\n",
    "a line too long by much": "1,2," + "y" * (2 * records.LINE_LIMIT + 5) + "\n",
    "letters": "ä,ö,ü\n 1 , 2 ,\n,,\n",
}


def rows_of(batches):
    return [row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]


def text_with(odd, draw):
    """About five blocks of lines, the odd ones between them at places near the ends of blocks and anywhere."""
    text = "a,b,c\n"
    for place in [*sorted(draw.randrange(4 * BLOCK) for _ in range(3)), BLOCK - 300, 2 * BLOCK + 100, 4 * BLOCK]:
        while len(text) < place:
            text += f"{len(text)},{LONG * draw.randrange(3)},\n"
        text += odd
    return text + "1,2,3"


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("header", [True, False])
def test_blocks_give_the_records_of_lines(name, header):
    names = {} if header else {"names": ("a", "b", "c")}
    source = Source(name="log", files="*", format="csv", header=header, **names)
    text = text_with(ODD[name], random.Random(name))
    lines = records.lines_of(io.StringIO(text, newline=""))
    expected = rows_of(records.batches(records.csv_records(lines, source, 3), 3, int(header)))
    assert rows_of(csv_batches(io.StringIO(text, newline=""), source, 3)) == expected
    assert len(expected) > 500


def test_a_short_file_of_other_delimiters_is_read_in_blocks():
    for delimiter in ("\t", " ", "||", "§"):
        source = Source(name="log", files="*", format="csv", delimiter=delimiter)
        text = "\n".join(delimiter.join(row) for row in ("abc", "123", ["", "", ""], "12", "456"))
        lines = records.lines_of(io.StringIO(text, newline=""))
        expected = rows_of(records.batches(records.csv_records(lines, source, 3), 3, 1))
        assert rows_of(csv_batches(io.StringIO(text, newline=""), source, 3)) == expected
        assert rows_of(csv_batches(io.StringIO("\n" + text, newline=""), source, 3)) == expected
        assert [row[-1] for row in expected] == [1, 2, 3, 4]
