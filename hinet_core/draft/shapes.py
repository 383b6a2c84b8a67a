"""What texts look like: numbers in any locale, times in any common form, lists. Each guess is keys of a contract.

A guess from some hundred texts is a proposal only: `columns` counts with ingest's own casts how many values it fits.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

Keys = dict[str, Any]

SURELY_NULL = (
    "NULL", "null", "Null", r"\N", "None", "none", "NaN", "nan", "N/A", "n/a", "#N/A", "<null>", "(null)", "<NA>",
)  # fmt: skip
PERHAPS_NULL = ("NA", "na", "-", "--", "?", ".", "nil", "unknown", "UNKNOWN", "missing", "undefined")
WORDS = {"true", "false", "yes", "no", "t", "f", "y", "n"}
# Epochs between 2000 and 2040, in seconds.
EPOCH_FROM, EPOCH_TO = 946_684_800, 2_208_988_800
EPOCHS = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}

WHOLE = re.compile(r"[+-]?(0|[1-9]\d{0,18})(\.0+)?")
LEADING_ZERO = re.compile(r"[+-]?0\d+")
NUMBERS: tuple[tuple[re.Pattern[str], Keys], ...] = (
    (re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"), {}),
    (re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?|[+-]?\d{1,3}(\.\d+)?"), {"thousands": ","}),
    (re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?|[+-]?\d{1,3}(,\d+)?"), {"thousands": ".", "decimal": ","}),
    (re.compile(r"[+-]?\d+(,\d+)?"), {"decimal": ","}),
    (re.compile(r"[+-]?\d{1,3}( \d{3})+(\.\d+)?|[+-]?\d{1,3}(\.\d+)?"), {"thousands": " "}),
    (re.compile(r"[+-]?\d{1,3}( \d{3})+(,\d+)?|[+-]?\d{1,3}(,\d+)?"), {"thousands": " ", "decimal": ","}),
    (re.compile(r"[+-]?\d{1,3}('\d{3})+(\.\d+)?|[+-]?\d{1,3}(\.\d+)?"), {"thousands": "'"}),
)
CURRENCY = re.compile(r"[$€£¥₹₽₺₩%]|\b(?:EUR|USD|GBP|CHF|SEK|NOK|DKK|PLN|CZK|kr|zł)\b")
ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?")
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
CLOCK = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?")
BARE_CLOCK = re.compile(r"([01]\d|2[0-3])[0-5]\d([0-5]\d)?")
DATES = (
    (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y", "%m.%d.%Y")),
    (r"\d{1,2}\.\d{1,2}\.\d{2}", ("%d.%m.%y", "%m.%d.%y")),
    (r"\d{1,2}/\d{1,2}/\d{4}", ("%d/%m/%Y", "%m/%d/%Y")),
    (r"\d{1,2}/\d{1,2}/\d{2}", ("%d/%m/%y", "%m/%d/%y")),
    (r"\d{1,2}-\d{1,2}-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d",)),
    (r"\d{4}\.\d{1,2}\.\d{1,2}", ("%Y.%m.%d",)),
    (r"\d{4}-\d{1,2}-\d{1,2}", ("%Y-%m-%d",)),
    (r"20\d\d[01]\d[0-3]\d", ("%Y%m%d",)),
    (r"\d{1,2} [A-Za-z]{3} \d{4}", ("%d %b %Y",)),
    (r"\d{1,2}-[A-Za-z]{3}-\d{4}", ("%d-%b-%Y",)),
    (r"\d{1,2}/[A-Za-z]{3}/\d{4}", ("%d/%b/%Y",)),
    (r"[A-Za-z]{3}, \d{1,2} [A-Za-z]{3} \d{4}", ("%a, %d %b %Y",)),
    (r"[A-Za-z]{3} \d{1,2}, \d{4}", ("%b %d, %Y",)),
)
CLOCKS = (
    (r"\d{1,2}:\d\d:\d\d\.\d{1,6}", "%H:%M:%S.%f"), (r"\d{1,2}:\d\d:\d\d,\d{1,6}", "%H:%M:%S,%f"),
    (r"\d{1,2}:\d\d:\d\d [AaPp][Mm]", "%I:%M:%S %p"), (r"\d{1,2}:\d\d [AaPp][Mm]", "%I:%M %p"),
    (r"\d{1,2}:\d\d:\d\d", "%H:%M:%S"), (r"\d{1,2}:\d\d", "%H:%M"), (r"\d{6}", "%H%M%S"), (r"\d{4}", "%H%M"),
)  # fmt: skip
BETWEEN = ((" ", " "), ("T", "T"), (":", ":"), (", ", ", "), ("", ""))
AFTER = (("", ""), (" ?UTC", " UTC"), (" [+-]\\d\\d:?\\d\\d", " %z"), ("[+-]\\d\\d:?\\d\\d", "%z"), ("Z", "Z"))
SEPARATORS = ("|", ";", ",", " ")
NAMED_PART = re.compile(r"\(?[\w.\-:&'\u2019+#!]{1,40}( [\w.\-:&'\u2019+#!]{1,40}){0,3}\)?")  # Film Noir
NUMBERED_PART = re.compile(r"[A-Za-z]{0,8}[-_]?(0|[1-9]\d{0,18})|[0-9a-fA-F]{8,64}")  # 12, i12, N_12 or a hash
LEAST_GROUPS = 50  # a tenth of the groups of thousands begins with 0
LEAST_LISTED = 10  # different texts; fewer are as well ids
LEAST_LONG, LEAST_UNUSUAL = 0.02, 0.05
LEAST_RECURRING = {NUMBERED_PART: 0.5, NAMED_PART: 0.8}


def proposals(texts: Sequence[str], rare: Sequence[str] = ()) -> Iterator[Keys]:
    """Types that nearly all texts can have, the most telling first; text fits always and is the last.

    `rare`: texts of the fewest rows, which may be damaged: where they have the shape too, they are counted in.
    """
    yield from times(texts)
    if mostly(texts, WHOLE.fullmatch):
        zero_or_one = {text.split(".")[0] for text in (*texts, *filter(WHOLE.fullmatch, rare))} <= {"0", "1"}
        yield {"type": "int8" if zero_or_one else "int64"}
    if mostly(texts, lambda text: text.lower() in WORDS):
        yield {"type": "bool"}
    yield from numbers(texts, rare)
    yield from lists(texts)
    yield {"type": "string"}


def mostly(texts: Sequence[str], fits: Any, share: float = 0.9) -> bool:
    return bool(texts) and sum(1 for text in texts if fits(text)) >= share * len(texts)


def numbers(texts: Sequence[str], rare: Sequence[str] = ()) -> Iterator[Keys]:
    """Decimal numbers with their marks; characters around them, as a currency sign, are stripped."""
    if mostly(texts, LEADING_ZERO.fullmatch, 0.01):
        return  # 007 is a code
    signs = [CURRENCY.findall(text) for text in texts]
    strip: Keys = {"strip": "".join(sorted(set("".join(itertools.chain.from_iterable(signs)))))} if any(signs) else {}
    plain, others = ([CURRENCY.sub("", text).strip() for text in some] for some in (texts, rare))
    for pattern, keys in NUMBERS:
        if not mostly(plain, pattern.fullmatch) or (keys.get("thousands") == " " and are_ids(plain)):
            continue
        shaped = [text for text in (*plain, *others) if pattern.fullmatch(text)]
        whole = mostly(shaped, lambda text: re.fullmatch(r"[+-]?\d+", re.sub(r"[,. ']", "", text)), 1.0)
        fractions = "decimal" in keys or any("." in text for text in shaped)
        kind = "int64" if whole and "thousands" in keys and not fractions else "float64"
        yield {"type": kind, **keys, **strip}


def are_ids(texts: Sequence[str]) -> bool:
    """Numbers of three digits with blanks between are millions only where some groups begin with 0, as 1 045 200."""
    groups = [group for text in texts for group in text.split(" ")[1:]]
    in_a_row = any(text.count(" ") > 1 for text in texts)
    return in_a_row and len(groups) >= LEAST_GROUPS and not any(group.startswith("0") for group in groups)


def times(texts: Sequence[str]) -> Iterator[Keys]:
    """Moments and days; numbers since 1970 are numbers here, `epoch_of` tells what else they may be."""
    if mostly(texts, ISO.fullmatch):
        yield {"type": "timestamp", "parse": "iso"}
    if mostly(texts, ISO_DATE.fullmatch):
        yield {"type": "date"}
    some = texts[:50]
    begun = [(shape, formats) for shape, formats in DATES if mostly(some, re.compile(shape).match)]
    for (shape, formats), (clock, clock_format), (gap, gap_format), (end, end_format) in itertools.product(
        begun, CLOCKS, BETWEEN, AFTER
    ):
        if gap == "" and clock_format not in ("%H%M%S", "%H%M"):
            continue
        if mostly(some, re.compile(shape + re.escape(gap) + clock + end).fullmatch):
            for one in formats:
                yield {"type": "timestamp", "parse": one + gap_format + clock_format + end_format}
    for shape, formats in begun:
        if mostly(some, re.compile(shape).fullmatch) and shape != r"20\d\d[01]\d[0-3]\d":
            yield from ({"type": "date", "parse": one} for one in formats)


def lists(texts: Sequence[str]) -> Iterator[Keys]:
    """JSON lists, or short parts divided by one mark."""
    filled = [text for text in texts if text]
    if mostly(filled, lambda text: text.startswith("[") and text.endswith("]")):
        inner = [part.strip().strip('"') for text in filled for part in text[1:-1].split(",") if part.strip()]
        yield {"type": "list<int64>" if mostly(inner, WHOLE.fullmatch, 1.0) else "list<string>"}
    for separator in SEPARATORS:
        divided = [[part.strip() for part in text.split(separator) if part.strip()] for text in filled]
        if _vary_in_length(filled, separator) and _share_parts(divided, named=separator != " "):
            numbered = mostly(list(itertools.chain.from_iterable(divided)), WHOLE.fullmatch, 1.0)
            yield {"type": "list<int64>" if numbered else "list<string>", "separator": separator}


def _vary_in_length(texts: Sequence[str], separator: str) -> bool:
    """Some texts have three parts or more, and not nearly all equally many: a key of several columns has, and a
    decimal comma makes two of one."""
    marks = Counter(text.count(separator) for text in texts)
    long = sum(count for number, count in marks.items() if number >= 2)
    unusual = len(texts) - max(marks.values(), default=0)
    return (len(texts) >= LEAST_LISTED and long >= LEAST_LONG * len(texts)
            and unusual >= LEAST_UNUSUAL * len(texts))  # fmt: skip


def _share_parts(divided: Sequence[Sequence[str]], named: bool) -> bool:
    """Nearly all parts are ids or, where `named`, a few words, and stand in other texts as well: those of names,
    addresses and sentences do not. The texts are all different."""
    found_in = Counter(part for parts in divided for part in set(parts))
    form = NUMBERED_PART if mostly(list(found_in), NUMBERED_PART.fullmatch, 0.98) else NAMED_PART
    if not mostly(list(found_in), form.fullmatch, 0.98) or (form is NAMED_PART and not named):
        return False
    recurring = sum(count for count in found_in.values() if count > 1)
    return recurring >= LEAST_RECURRING[form] * found_in.total()


def epoch_of(low: float | None, high: float | None) -> str | None:
    """Which epoch whole numbers between these bounds can be; None of no numbers."""
    if low is None or high is None:
        return None
    for name, factor in EPOCHS.items():
        if EPOCH_FROM * factor <= low <= high <= EPOCH_TO * factor:
            return name
    return None
