"""How the lines of a text file are divided: delimiter, quote, header. Guessing is allowed here and nowhere else."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

# In this order where several divide the lines equally well: a comma is also a decimal mark, a blank is also text.
DELIMITERS = (
    "\x01", "\x02", "\x1f", "\t", "::", "||", ";;", "|~|", "~|~", "@@", "##", "$$", ";", "|", "^", "~", ",", " ",
)  # fmt: skip
LINES_LOOKED_AT = 500
NEARLY_ALL = 0.9
SELDOM = 0.01
LINES_A_RECORD = 50  # a quote that stays open for more is no quote, but a stray sign
HAS_DIGITS_ONLY = re.compile(r"[0-9 .:/T+Z-]+")


@dataclass(frozen=True)
class Dialect:
    """A delimited file's form; `names` are the header's, or col1, col2, … where there is none."""

    delimiter: str
    quote: str
    header: bool
    names: tuple[str, ...]


def dialect_of(lines: Sequence[str]) -> Dialect:
    """The most even division of the first lines; one column when nothing divides them."""
    head = [line for line in lines[:LINES_LOOKED_AT] if line.strip()]
    quote = quote_of(head)
    found = [(delimiter, *evenness(head, delimiter, quote)) for delimiter in DELIMITERS]
    even = [(delimiter, width) for delimiter, width, share in found if width > 1 and share >= NEARLY_ALL]
    widest = max((width for _, width in even), default=1)
    delimiter, width = next(((one, width) for one, width in even if 2 * width > widest), (",", 1))
    rows = [row for row in divided(head, delimiter, quote) if len(row) == width]
    header = has_header(rows)
    names = rows[0] if header else [f"col{number}" for number in range(1, width + 1)]
    return Dialect(delimiter, quote, header, tuple(names))


def quote_of(head: Sequence[str]) -> str:
    """The character that encloses whole fields; none where many fields begin with a double quote that ends none.

    Inside a field it is a letter to the reader (`5" pizza`), and in a few lines a slip: neither is another dialect.
    """
    text = "\n".join(head)
    stray = 0
    for quote in ('"', "'"):
        opened = len(re.findall(rf"(?:^|[^\w\s]){quote}(?=[^\s])", text, flags=re.MULTILINE))
        if text.count(quote) and opened >= text.count(quote) / 4 and (quote == '"' or opened > len(head) / 4):
            return quote
        stray = opened if quote == '"' else stray
    return "" if stray > SELDOM * len(head) else '"'


def evenness(head: Sequence[str], delimiter: str, quote: str) -> tuple[int, float]:
    """The most frequent number of fields and the share of lines that have it; 0 where the first line has not."""
    widths = Counter(len(row) for row in divided(head, delimiter, quote))
    if not widths:
        return 1, 0.0
    width, count = widths.most_common(1)[0]
    first = len(next(iter(divided(head[:1], delimiter, quote)), []))
    return width, count / widths.total() if first == width else 0.0


def divided(head: Sequence[str], delimiter: str, quote: str) -> list[list[str]]:
    """The fields of each record."""
    if not quote:
        return [line.split(delimiter) for line in head]
    if len(delimiter) == 1:
        return _quoted(head, delimiter, quote)
    return [[cell.removeprefix(quote).removesuffix(quote) for cell in line.split(delimiter)] for line in head]


def _quoted(head: Sequence[str], delimiter: str, quote: str) -> list[list[str]]:
    """Records in which a quoted line break joins lines; a line whose quote is never closed is divided by itself."""
    found: list[list[str]] = []
    place = 0  # the line that the next record begins with
    while place < len(head):
        first = place
        rest = (line + "\n" for line in islice(head, first, None))
        reader = csv.reader(rest, delimiter=delimiter, quotechar=quote)
        try:
            for row in reader:
                if first + reader.line_num - place > LINES_A_RECORD:
                    break
                found.append(row)
                place = first + reader.line_num
        except csv.Error:  # a field longer than csv takes
            pass
        if place < len(head):
            found.append(head[place].split(delimiter))
            place += 1
    return found


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: no cell of it is a number or a time, and one stands
    over numbers, or none is a value below."""
    if not rows:
        return False
    first = [cell.strip() for cell in rows[0]]
    named = [cell for cell in first if cell]
    if len(named) < len(first) - 1 or any(map(HAS_DIGITS_ONLY.fullmatch, named)):
        return False
    # Text over text: a name is seldom also a value; but files put together hold the header again.
    others = [[cell.strip("\ufeff ") for cell in row] for row in rows[1:]]
    below = [row for row in others if row != [cell.strip("\ufeff ") for cell in first]]
    for place, cell in enumerate(first):
        digits = sum(1 for row in below if HAS_DIGITS_ONLY.fullmatch(row[place].strip()))
        if cell and below and digits >= (1 - SELDOM) * len(below):
            return True  # text over numbers
    again = max(sum(1 for row in below if cell and row[place] == cell) for place, cell in enumerate(first))
    return again <= SELDOM * len(below)
