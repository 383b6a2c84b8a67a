"""Columns such as hist_1, hist_2, hist_3 that are the items of one list."""

import re

from hinet_core.draft import names
from hinet_core.draft.plan import UNSURE, Drafted, Plan

LEAST_COLUMNS = 3
# A stem with such a word; cat_1 … cat_9 and onehot_feat1 … are features of their own.
OF_A_LIST = {
    "hist", "history", "seq", "sequence", "last", "recent", "recently", "prev", "previous", "past", "list", "verlauf",
    "zuletzt", "letzte",
}  # fmt: skip


def join_numbered(plan: Plan) -> None:
    """Put one list column in the place of each run of numbered ones of one type."""
    runs: dict[tuple[str, str], list[tuple[int, Drafted]]] = {}
    for one in plan.columns:
        found = re.fullmatch(r"(.*?\D)(\d{1,3})", one.reads[0]) if len(one.reads) == 1 else None
        if found and OF_A_LIST & set(names.words(found[1])) and (one.type == "string" or one.type.startswith("int")):
            kind = "list<string>" if one.type == "string" else "list<int64>"
            runs.setdefault((found[1], kind), []).append((int(found[2]), one))
    taken = [one.name for one in plan.columns]
    for (stem, kind), run in runs.items():
        numbers = sorted(number for number, _ in run)
        if len(run) < LEAST_COLUMNS or numbers != list(range(numbers[0], numbers[0] + len(run))):
            continue
        parts = [one for _, one in sorted(run, key=lambda pair: pair[0])]
        name = names.contract_names([stem], taken)[stem]
        joined = Drafted(name, [one.reads[0] for one in parts], {"type": kind}, role="feature", encode="list")
        joined.why.append(f"{len(parts)} numbered columns are the items of one list; missing ones are left out")
        if any(one.guess is not None and one.guess.is_number and one.guess.low == 0 for one in parts):
            joined.why.append(f"{UNSURE}if 0 fills up short lists, it is one item like the others here")
        plan.columns[plan.columns.index(parts[0])] = joined
        plan.columns = [one for one in plan.columns if one not in parts]
