"""Which column is the user, the item, the time, the request, the position: by its name first, then by its values.

Whatever rests on values alone, or has rivals, is said to be unsure beside the line.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from hinet_core.contract.columns import LIST_LENGTH
from hinet_core.contract.suspicious import suspicious
from hinet_core.draft import names, shapes
from hinet_core.draft.columns import Guess
from hinet_core.draft.epochs import was_taken_for_a_time
from hinet_core.draft.groups import Group
from hinet_core.draft.plan import UNSURE, Drafted, Plan, share

LEAST_IDS = 10  # different values that make a column look like ids
ALL_ROWS = 0.999
ROWS_SHAPED = 500  # rows from which the form of times is told
FEW_MISSING = 0.02  # a key role stands even where some rows are damaged


def assign_keys(plan: Plan, group: Group) -> None:
    """Give the columns of the log their key roles; a role that no column can have is noted as missing."""
    assign_time(plan, group)
    user = _by_name(plan, group, names.USER, can_be_id)
    item = _by_name(plan, group, names.ITEM, can_be_id, besides=user[:1])
    _take(plan, group, "user", user)
    if plan.one("user") is None and not _joined_user(plan, group):
        _take(plan, group, "user", ids(plan, group, besides=item[:1]), by_values=True)
    _take(plan, group, "item", item)
    if plan.one("item") is None:
        _take(plan, group, "item", ids(plan, group), by_values=True)
    _take(plan, group, "request", _by_name(plan, group, names.REQUEST, lambda one: comes_back(one)))
    _take(plan, group, "position", _by_name(plan, group, names.POSITION, is_slot))
    _take(plan, group, "propensity", _by_name(plan, group, names.PROPENSITY, is_probability, names.speaks_of))
    if plan.one("user") is None:
        _each_row_its_user(plan)
    if plan.one("item") is None:
        plan.missing.append("item")


def can_be_id(one: Guess) -> bool:
    return (one.type in ("string", "int8", "int16", "int32", "int64") and one.distinct > 1
            and one.missing_share < 0.5)  # fmt: skip


def comes_back(one: Guess) -> bool:
    """Several rows share a value, and there are many values: a page of items, a session."""
    return can_be_id(one) and LEAST_IDS <= one.distinct < 0.9 * one.rows and one.missing_share <= FEW_MISSING


def names_a_row(one: Guess) -> bool:
    """Whether (nearly) every row has a value of its own, which is no measurement."""
    apart = one.distinct >= ALL_ROWS * (one.rows - one.missing)
    return apart and one.rows > 100 and one.missing_share < 0.5 and not one.type.startswith(("float", "timestamp"))


def is_slot(one: Guess) -> bool:
    return one.type.startswith("int") and one.low is not None and one.low >= 0 and one.high <= 10_000


def is_probability(one: Guess) -> bool:
    return one.type.startswith("float") and one.low is not None and one.low >= 0 and one.high <= 1


def ids(plan: Plan, group: Group, besides: Sequence[Guess] = ()) -> list[Guess]:
    """Columns of many values that come back, in the order of the file."""
    least = max(LEAST_IDS, group.rows // 1000)
    return [
        one
        for one in free(plan, group)
        if one not in besides and can_be_id(one) and one.epoch is None and least <= one.distinct < 0.95 * one.rows
        and one.missing_share <= FEW_MISSING
    ]  # fmt: skip


def free(plan: Plan, group: Group) -> list[Guess]:
    """Columns that have no role yet."""
    taken = {raw for column in plan.columns if column.role != "plain" for raw in column.reads}
    return [one for one in group.guesses if one.raw not in taken]


def _by_name(
    plan: Plan,
    group: Group,
    vocabulary: tuple[str, ...],
    fits: Callable[[Guess], bool],
    named: Callable[[str, tuple[str, ...]], bool] = names.names_a,
    besides: Sequence[Guess] = (),
) -> list[Guess]:
    found = [one for one in free(plan, group) if one not in besides and named(one.raw, vocabulary) and fits(one)]
    return sorted(found, key=lambda one: names.rank_of(one.raw, vocabulary))


def _take(plan: Plan, group: Group, role: str, candidates: Sequence[Guess], by_values: bool = False) -> None:
    if not candidates or plan.one(role) is not None:
        return
    first = candidates[0]
    column = plan.reading(first.raw)
    if column is None:
        return
    column.role = role
    rivals = ", ".join(repr(one.raw) for one in candidates[1:4])
    if by_values:
        column.why.append(f"{UNSURE}no name says {role}; this is the first column of many values that come back")
    if rivals:
        column.why.append(f"{UNSURE}the {role} could also be {rivals}")
    if role in ("user", "item", "request") and first.bad:
        column.keys = {"type": "string"}
        column.why.append(f"mostly numbers, but not all ({first.bad_example!r}): kept as text, so that no id is lost")


def _joined_user(plan: Plan, group: Group) -> bool:
    """No user id, but features of users: all of them together stand for one."""
    parts = [one for one in free(plan, group) if names.words(one.raw)[:1] in (["user"], ["customer"])
             and one.type in ("string", "int64") and one.missing == 0]  # fmt: skip
    parts = [one for one in parts if one.type == "string"] or parts
    if len(parts) < 2:
        return False
    why = [f"{UNSURE}the log has no user id; users with equal {', '.join(repr(one.raw) for one in parts)} count as one"]
    plan.columns.insert(0, Drafted("user", [one.raw for one in parts], {"type": "string"}, role="user", why=why))
    return True


def _each_row_its_user(plan: Plan) -> None:
    why = [f"{UNSURE}no column looks like a user: each record counts as a user of its own"]
    plan.columns.insert(0, Drafted("user", ["record:number"], {"type": "int64"}, role="user", why=why))


def assign_time(plan: Plan, group: Group) -> None:
    """A moment, else an epoch, else a day and a time of day in two columns, else a day alone."""
    moments = sorted((one for one in group.guesses if one.type == "timestamp"), key=_unlike_an_exposure)
    epochs = sorted((one for one in group.guesses if one.epoch), key=_unlike_an_exposure)
    surely = [one for one in epochs if names.speaks_of(one.raw, names.TIME)]
    days = [one for one in group.guesses if one.type == "date"]
    days += [replace(one, keys={"type": "date", "parse": "%Y%m%d"}) for one in group.guesses if is_day(one)]
    candidates = moments or surely
    if candidates:
        _be_time(plan, group, candidates[0], candidates[1:])
    elif days and (clock := _clock(group)) is not None:
        _be_two_columns(plan, days[0], *clock)
    elif epochs:
        _be_time(plan, group, epochs[0], epochs[1:])
    elif days:
        _be_time(plan, group, days[0], days[1:])
    if plan.one("time") is None:
        why = [f"{UNSURE}the log has no time: a hash of the user deals its rows to days, and no day is before another"]
        plan.columns.insert(0, Drafted("dealt_to", [], {"type": "timestamp"}, role="time", why=why))


def _unlike_an_exposure(one: Guess) -> tuple[bool, bool, int]:
    """What happened later has a name of its own, or is missing where it did not happen."""
    return suspicious(one.raw) is not None, one.missing_share > 0.05, names.rank_of(one.raw, names.TIME)


def is_day(one: Guess) -> bool:
    """A column such as 20260301, named like a day."""
    named = names.speaks_of(one.raw, ("date", "day", "datum", "dt"))
    low, high = one.usual
    return named and low is not None and 20000101 <= low <= high <= 20401231


def _be_time(plan: Plan, group: Group, one: Guess, others: Sequence[Guess]) -> None:
    column = plan.reading(one.raw)
    if column is None or (one.keys.get("parse") == "%Y%m%d" and group.columns[one.raw] != "VARCHAR"):
        return
    column.role = "time"
    rivals = [repr(other.raw) for other in others if other.missing_share <= 0.05]
    if rivals:
        column.why.append(f"{UNSURE}the time of the exposure could also be {', '.join(rivals[:4])}")
    if one.type == "date":
        column.keys = {"type": "timestamp", "parse": one.keys.get("parse", "iso")}
        column.why.append(f"{UNSURE}the log has days but no times of day: every exposure counts as of midnight")
    elif one.epoch:
        column.keys = {"type": "timestamp", "parse": one.epoch}
        unit = one.epoch.removeprefix("epoch_")
        column.why.append(f"numbers {one.low} … {one.high} are {unit} since 1970, in UTC: {_days_of(one)}")
    else:
        column.why += _about_zone(group, one) + _about_order(one)


def _days_of(one: Guess) -> str:
    """The days of nearly all rows of an epoch; a clock that is wrong is none of them."""
    first, last = (datetime.fromtimestamp(at / shapes.EPOCHS[one.epoch or "epoch_s"], UTC) for at in one.usual)
    return f"nearly all rows are of {first:%Y-%m-%d %H:%M} … {last:%Y-%m-%d %H:%M}"


def _about_zone(group: Group, one: Guess) -> list[str]:
    kind = group.columns[one.raw]
    if kind == "TIMESTAMP WITH TIME ZONE" or "%z" in one.keys.get("parse", ""):
        return []
    example = one.top[0][0] if one.top else ""
    if kind == "VARCHAR" and one.keys.get("parse") == "iso" and _has_zone(group, one):
        return ["the times carry their zone"]
    return [f"{UNSURE}times such as {example} carry no zone and are read as UTC; a log in local time needs zone = "
            "'Europe/Berlin' or the like here"]  # fmt: skip


def _has_zone(group: Group, one: Guess) -> bool:
    return shapes.mostly(_some_texts(group, one), lambda text: text[-1] in "zZ" or text[-6:-5] in "+-", 0.9)


def _about_order(one: Guess) -> list[str]:
    parse = one.keys.get("parse", "")
    if "%d" not in parse or "%m" not in parse or parse.startswith("%Y"):
        return []
    span = f"{one.low:%Y-%m-%d} … {one.high:%Y-%m-%d}"
    return [f"{UNSURE}day before month or month before day: {parse} gives the days {span}"]


def _clock(group: Group) -> tuple[Guess, str] | None:
    """A column of times of day, as 18:30 or 18:30:05; without colons where the name says so too. With an example."""
    for one in (one for one in group.guesses if one.type == "string"):
        texts = _some_texts(group, one)
        shapes_of_clocks = [shapes.CLOCK, *[shapes.BARE_CLOCK] * names.speaks_of(one.raw, names.CLOCK)]
        for shape in shapes_of_clocks:
            if shapes.mostly(texts, shape.fullmatch):
                return one, next(filter(shape.fullmatch, texts))
    return None


def _some_texts(group: Group, one: Guess) -> list[str]:
    texts = group.samples[0].rows.column(f"raw.{one.raw}").slice(0, ROWS_SHAPED).to_pylist()
    return [text.strip() for text in texts if text and text.strip()]


def _be_two_columns(plan: Plan, day: Guess, clock: Guess, example: str) -> None:
    """The day's and the clock's column read together as one time; `example` is a text of the clock's."""
    sign = ":" if ":" in example else ""
    seconds = example.count(":") == 2 or (not sign and len(example) == 6)
    format_of_clock = sign.join(["%H", "%M", *["%S"] * seconds])
    parse = f"{day.keys.get('parse', '%Y-%m-%d')} {format_of_clock}"
    why = [f"{UNSURE}{day.raw!r} and {clock.raw!r} carry no zone and are read as UTC; a log in local time needs zone"]
    keys = {"type": "timestamp", "parse": parse}
    plan.columns = [one for one in plan.columns if one.reads not in ([day.raw], [clock.raw])]
    name = names.contract_names(["shown_at"], [one.name for one in plan.columns])["shown_at"]
    plan.columns.insert(0, Drafted(name, [day.raw, clock.raw], keys, role="time", why=why))


def assign_features(plan: Plan, group: Group) -> None:
    """What is left becomes an input where a model can read it, with what speaks against it beside."""
    for column in plan.columns:
        one = column.guess
        if one is None:
            continue
        if column.role == "item":
            column.encode = "id"
        if column.role == "plain":
            column.encode, why = encoding_of(one)
            column.role = "feature" if column.encode else "plain"
            column.why += why
        if was_taken_for_a_time(one):
            column.why.append("as times since 1970 these numbers would lie far from the log's own days: read as ids")
        if one.missing and column.role in ("user", "item", "scenario", "time"):
            column.why.append(f"{one.missing} of {one.rows} rows lack it: they are quarantined")
        if one.bad and column.role == "time":
            given = one.rows - one.missing
            read_as = column.keys.get("parse", "iso").removeprefix("epoch_")
            column.why.append(
                f"{UNSURE}{given - one.bad} of {given} values read as {read_as} times; the others, "
                f"e.g. {one.bad_example!r}, are quarantined"
            )
        elif one.bad and column.type != "string":
            column.why.append(
                f"{one.bad} of {one.rows} rows are no {column.type}, e.g. {one.bad_example!r}: they are quarantined"
            )


def encoding_of(one: Guess) -> tuple[str | None, list[str]]:
    """How a model reads the column, or None with the reason why it had better not."""
    if one.distinct <= 1:
        return None, ["one value in every row: not an input"]
    if one.type.startswith("list"):
        return "list", about_list(one)
    if one.type in ("timestamp", "date") or one.epoch or is_day(one):
        return None, ["a time: not an input; hour and weekday of the exposure are inputs anyway"]
    if names_a_row(one):
        return None, [f"different in {share(one.distinct, one.rows)} of the rows: names a row, not an input"]
    if one.type in ("string", "bool"):
        return "id", []
    dense = one.type.startswith("int") and one.low == 0 and one.distinct >= 0.9 * (one.high + 1)
    coded = one.distinct <= 50 or was_taken_for_a_time(one)
    codes = one.type.startswith("int") and (coded or names.words(one.raw)[-1:] == ["id"])
    return ("id" if codes or dense else "number"), []


def about_list(one: Guess) -> list[str]:
    """Why a text is read as a list, and how it would be read as one id."""
    told = []
    if "separator" in one.keys:
        told.append(
            f"a list divided by {one.keys['separator']!r}: the texts have different numbers of parts, and the same "
            "parts stand in many texts; to read each text as one id: type 'string', encode 'id', no separator"
        )
    if one.items is not None and one.items[2] > LIST_LENGTH:
        told.append(f"a model reads the first {LIST_LENGTH} items; `length` and `newest` change that")
    return told
