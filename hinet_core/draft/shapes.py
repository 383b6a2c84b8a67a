"""What texts look like: numbers in any locale, times in any common form, lists. Each guess is keys of a contract.

A guess from some hundred texts is a proposal only: `columns` counts with ingest's own casts how many values it fits.
"""

import itertools
import re
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
SEPARATORS = ("|", ";", ",")


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
        if not mostly(plain, pattern.fullmatch):
            continue
        shaped = [text for text in (*plain, *others) if pattern.fullmatch(text)]
        whole = mostly(shaped, lambda text: re.fullmatch(r"[+-]?\d+", re.sub(r"[,. ']", "", text)), 1.0)
        fractions = "decimal" in keys or any("." in text for text in shaped)
        kind = "int64" if whole and "thousands" in keys and not fractions else "float64"
        yield {"type": kind, **keys, **strip}


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
    """JSON lists, or short words divided by one mark, of which many come back."""
    filled = [text for text in texts if text]
    if mostly(filled, lambda text: text.startswith("[") and text.endswith("]")):
        inner = [part.strip().strip('"') for text in filled for part in text[1:-1].split(",") if part.strip()]
        yield {"type": "list<int64>" if mostly(inner, WHOLE.fullmatch, 1.0) else "list<string>"}
    for separator in SEPARATORS:
        divided = [text.split(separator) for text in filled if separator in text]
        parts = [part.strip() for text in filled for part in text.split(separator)]
        if len(divided) < 0.05 * len(filled) or not mostly(parts, re.compile(r"[\w.\-:&]{1,40}").fullmatch, 0.98):
            continue
        if len({len(one) for one in divided}) > 1 and len(set(parts)) < 0.7 * len(parts):
            kind = "list<int64>" if mostly(parts, WHOLE.fullmatch, 1.0) else "list<string>"
            yield {"type": kind, "separator": separator}


def epoch_of(low: float | None, high: float | None) -> str | None:
    """Which epoch whole numbers between these bounds can be; None of no numbers."""
    if low is None or high is None:
        return None
    for name, factor in EPOCHS.items():
        if EPOCH_FROM * factor <= low <= high <= EPOCH_TO * factor:
            return name
    return None
