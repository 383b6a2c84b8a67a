"""Columns whose names smell of outcomes: what happened after the exposure must never become an input."""

import re

ACTION = (
    r"(?:non)?(?:click|clk)(?:s|ed)?|(?:un)?likes?|liked|dislikes?|hates?|follow(?:s|ed)?|comment(?:s|ed)?"
    r"|forward(?:s|ed)?|shares?|shared|fav(?:ou?rited?)?|(?:add_?to_?)?cart|buy|bought|order(?:s|ed)?|pay|paid|payments?"
    r"|convert(?:s|ed)?|subscribed?|installed?|signups?|enter(?:s|ed)?|finish(?:ed)?|completed?|skip(?:s|ped)?|ratings?"
)
STAY = r"(?:play|watch|watching|view|viewing|stay|dwell|read|reading|listen|listening|engage|engagement)"
MEASURE = r"(?:times?|duration|ms|s|sec|secs|seconds|progress|percent|percentage|pct|ratio)"
# What a name tells, and by which of its words (lower-case, joined by _).
SMELLS = (
    ("how long somebody stayed", rf"(?:^|_)({STAY}_{MEASURE}|dwell|(?:long|short|valid)_(?:view|play))(?:_|$)"),
    ("what was earned or spent", r"(?:^|_)(spend|spent|revenue|gmv|cpo|cpa|roas|payout|refund(?:ed)?)(?:_|$)"),
    ("what somebody did", r"(?:^|_)(conversions?|purchases?|purchased|checkout|transaction|attribut(?:ion|ed))(?:_|$)"),
    ("what somebody did not do", r"(?:^|_)(non_?(?:clk|click))(?:_|$)"),
    ("what somebody did", rf"^((?:is|has|did|was)_(?:\w+_)?(?:{ACTION}))$"),
    ("what somebody did", rf"^((?:{ACTION})(?:_(?:at|time|ts|timestamp|date|ms|value|amount|count|cnt|nb|label))?)$"),
    ("the answer itself", r"(?:^|_)(labels?|outcomes?|reward)$"),
)
# Counters of the past are what features are made of.
HISTORY = re.compile(r"(?:^|_)(?:hist|history|past|prior|previous|prev|last|lifetime|since|\d+d)(?:_|$)")


def suspicious(name: str) -> str | None:
    """Why a column of this name looks like an outcome, as the end of a sentence; None when it does not.

    >>> suspicious("playTimeMs")
    "'play_time' tells how long somebody stayed, which is known only after the exposure"
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    words = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    if HISTORY.search(words):
        return None
    for meaning, pattern in SMELLS:
        found = re.search(pattern, words)
        if found:
            return f"{found[1]!r} tells {meaning}, which is known only after the exposure"
    return None
