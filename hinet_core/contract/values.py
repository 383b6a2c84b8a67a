"""What single values of a contract may be: names, lengths of time, patterns, time formats, encodings."""

import re
from datetime import date, timedelta
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field

NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"
RESERVED_CONTRACTS = ("dagster", "spill")  # folders beside those of the contracts
DURATION = re.compile(r"^(\d+)(s|m|h|d)$")
LONGEST = timedelta(days=36_500)  # its microseconds, added to a time, still fit
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LENGTHS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
EPOCHS = ("epoch_s", "epoch_ms", "epoch_us")
# What DuckDB's strptime knows; the second ones also without leading zeros, as %-d.
DIRECTIVES, SHORT_DIRECTIVES = "aAwdbBmyYHIpMSfzZjUWcxXGuVgn%", "dmyHIMSj"
# The mark between thousands, with all that it is written as: people cannot see the difference.
BLANKS = " \t\u00a0\u2009\u202f"
THOUSANDS = {"": "", ".": ".", ",": ",", "'": "'\u2019", "\u2019": "'\u2019"} | dict.fromkeys(BLANKS, BLANKS)
# DuckDB matches in linear time (RE2) and so has no look-around, no back-references, no atomic groups.
NOT_IN_RE2 = re.compile(r"\(\?(<?[=!]|P=|>|\(|#|[aLu])|\\[1-9ZuUN]")


@cache
def time_zones() -> frozenset[str]:
    """The IANA names, read once: looking them up takes longer than checking a whole contract."""
    return frozenset(available_timezones())


def parse_duration(value: Any) -> timedelta:
    """'30m', '24h', '7d' as a timedelta."""
    if isinstance(value, timedelta):
        return value
    match = DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a whole number with s, m, h or d, such as '30m', '24h', '7d'")
    try:
        found = timedelta(**{UNITS[match[2]]: int(match[1])})
    except OverflowError:
        found = timedelta.max
    if found > LONGEST:
        raise ValueError(f"at most {LONGEST.days}d")
    return found


def as_written(value: timedelta) -> str:
    """A duration as a contract writes it: '7d', '36h', '90s'."""
    seconds = int(value.total_seconds())
    unit, length = next((unit, length) for unit, length in LENGTHS.items() if seconds % length == 0)
    return f"{seconds // length}{unit}"


def as_tuple(value: Any) -> Any:
    """One value where a list is allowed."""
    return value if isinstance(value, (list, tuple)) else (value,)


def is_number(value: Any) -> bool:
    """Whether a value of a contract can be compared with numbers: 1, 1.5, true, '1'."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def regular_expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from None
    if NOT_IN_RE2.search(value.replace("\\\\", "")):
        raise ValueError("a regular expression without look-around and back-references, \\Z, \\u, \\N and (?#…)")
    return value


def one_group(value: str) -> str:
    if re.compile(value).groups != 1:
        raise ValueError("a regular expression with exactly one group, as '7:([0-9]+)'")
    return value


def written(value: Any) -> Any:
    """A value of the contract as a log writes it: true, 7, 2026-03-01."""
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, (int, float)) else value


def named_groups_only(value: str) -> str:
    """Groups are given to DuckDB by their order, so one without a name would shift the others."""
    pattern = re.compile(value)
    if pattern.groups != len(pattern.groupindex):
        raise ValueError("a regular expression whose groups all have names, as (?P<name>…), or are (?:…)")
    return value


def time_format(value: str) -> str:
    """epoch_ms and the like, iso, or a format whose every % is followed by a directive."""
    wrong = [
        found
        for found in re.findall(r"%-?.?", value, flags=re.DOTALL)
        if found[1:] not in [*DIRECTIVES, *(f"-{one}" for one in SHORT_DIRECTIVES)]
    ]
    if value not in (*EPOCHS, "iso") and ("%" not in value or wrong):
        said = f" ({wrong[0]} is no directive)" if wrong else ""
        raise ValueError(f"{', '.join(EPOCHS)}, iso, or a format such as '%d.%m.%Y %H:%M'{said}")
    return value


def known_encoding(value: str) -> str:
    """Any encoding of texts that Python's codecs know, in any of its spellings."""
    try:
        b"a".decode(value)
    except UnicodeError:  # known, and one byte is no text in it: utf-16
        return value
    except (LookupError, ValueError):
        raise ValueError("an encoding that Python knows, such as 'utf-8', 'latin-1', 'gb18030' or 'utf-16'") from None
    return value


def short_delimiter(value: str) -> str:
    if not 1 <= len(value.encode()) <= 4:
        raise ValueError("1 to 4 bytes of text")
    if value.startswith("\\") and len(value) > 1:
        raise ValueError("the character itself, which TOML writes with double quotes: \"\\t\" is a tab")
    return value


def thousands_mark(value: str) -> str:
    if value not in THOUSANDS:
        raise ValueError("'.', ',', an apostrophe or a blank (no-break blanks are blanks too)")
    return value


def free_name(value: str) -> str:
    if value.lower() in RESERVED_CONTRACTS:
        raise ValueError(f"a name other than {' and '.join(RESERVED_CONTRACTS)}, which are kept for the platform")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Name = Annotated[str, Field(pattern=NAME)]
ContractName = Annotated[Name, AfterValidator(free_name)]
Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
Mark = Annotated[str, AfterValidator(thousands_mark)]
Share = Annotated[float, Field(ge=0, le=1)]
Clock = Annotated[str, Field(pattern=CLOCK)]
Pattern = Annotated[str, AfterValidator(regular_expression)]
PathPattern = Annotated[Pattern, AfterValidator(named_groups_only)]
OneGroup = Annotated[Pattern, AfterValidator(one_group)]
Written = Annotated[str, BeforeValidator(written)]
TimeFormat = Annotated[str, AfterValidator(time_format)]
Encoding = Annotated[str, AfterValidator(known_encoding)]
Delimiter = Annotated[str, AfterValidator(short_delimiter)]
