"""A random contract and rows that obey it."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from random import Random
from typing import Any

from drawn_mappings import mapped
from drawn_values import (
    ASCII,
    MISSING,
    Cell,
    Kind,
    Text,
    Truth,
    Whole,
    a_date,
    items,
    moment,
    real,
    whole,
)  # fmt: skip
from encodings_at_hand import Coding, codings, holds
from late_truth import Late, draw_outcomes, status_kind
from log_truth import Field, Label, Log, LogFile, Row, Side, Values, violated
from odd_words import CONTRACT_NAMES, FILE_NAMES, INJECTION, NULL_WORDS, PLACES

ZONES = ["UTC", "Europe/Berlin", "Asia/Shanghai", "America/St_Johns", "Asia/Kathmandu"]
DELIMITERS = [",", ";", "\t", "|", "::", "||", "\x01", "\x02", "~", "^", "\x01\x02", "@#@", ";;;;"]
UNQUOTED_DELIMITERS = ["\t", "\x01", "\x02", "\x01\x02"]  # that no drawn text holds


@dataclass(frozen=True)
class Wish:
    """What a kind of damage needs of the log that it is planted in."""

    format: str = ""
    quote: bool | None = None
    header: bool | None = None
    coding: str = ""
    compression: str | None = None
    # 'list', 'date', 'bool', 'side', 'funnel', 'path', 'null_words', 'epoch', 'split_time', 'late'
    has: tuple[str, ...] = ()
    plain: bool = False  # no text holds quotes, delimiters or line ends
    min_rows: int = 2
    files: int = 0  # 0: two or three


def random_log(rng: Random, wish: Wish = Wish()) -> Log:
    return Builder(rng, wish).build()


class Builder:
    """Draws one log, part by part."""

    def __init__(self, rng: Random, wish: Wish) -> None:
        self.rng, self.wish = rng, wish
        self.format = wish.format or rng.choice(["csv", "ndjson", "parquet", "csv"])
        known = [one for one in codings() if not wish.coding or one.name == wish.coding]
        self.coding: Coding = rng.choice(known) if self.format != "parquet" else codings()[0]
        self.letters = ASCII + self.coding.letters
        self.clock = rng.choice(ZONES)
        first = date(2026, 3, 27) + timedelta(days=rng.randrange(4))  # around the start of summer time in Berlin
        self.days = tuple(first + timedelta(days=one) for one in range(rng.choice([1, 1, 1, 2, 3])))
        self.null_words = rng.sample(NULL_WORDS, 2 if "null_words" in wish.has else rng.randrange(3))
        self.fields: list[Field] = []
        self.labels: list[Label] = []
        self.taken: dict[str, set[str]] = {"contract": set(), "log": set(), "side": set(), "late": set()}
        self.path_places: list[str] = []

    def chance(self, share: float) -> bool:
        return self.rng.randrange(100) < share * 100

    def wants(self, what: str, share: float) -> bool:
        return what in self.wish.has or self.chance(share)

    def build(self) -> Log:
        source = self.layout()
        scenarios = self.add_scenario(source)
        self.add_keys()
        self.add_features()
        self.add_labels()
        side = self.add_side() if self.wants("side", 0.2) else None
        late = self.add_late() if self.wants("late", 0.1) else None
        columns = [name for one in self.fields if one.source == "log" for name in one.cell_names]
        columns += [self.unused("log", FILE_NAMES) for _ in range(self.rng.randrange(3))]  # not in the contract
        self.rng.shuffle(columns)
        if self.format == "csv" and not source["header"]:
            source["names"] = columns
        raw = self.contract(source, scenarios, side)
        if late:
            raw["sources"].append(late.source)
            raw["tasks"].append(late.task)
        log = Log(raw, self.fields, self.labels, [], self.draw_row, side, set())
        if self.format != "csv":
            log.text_columns = {one for one in columns if self.chance(0.3)}
        self.add_files(log, columns)
        if late:
            log.late = late
            draw_outcomes(self.rng, log, late)
        return log

    # --- the contract ---------------------------------------------------------------------------------------------

    def layout(self) -> dict[str, Any]:
        rng, wish = self.rng, self.wish
        source: dict[str, Any] = {"name": "log", "kind": "log", "format": self.format}
        packings = ["", "", ".zip"] if self.format == "parquet" else ["", "", ".gz", ".zst", ".zip"]
        self.suffix = f".{self.format}{rng.choice(packings) if wish.compression is None else wish.compression}"
        source["files"] = f"log*{self.suffix}"
        if self.null_words:
            source["null_values"] = self.null_words
        if self.format != "parquet":
            source["encoding"] = self.coding.name
        if self.format == "csv":
            quoted = rng.choice([True, True, True, False]) if wish.quote is None else wish.quote
            source["quote"] = rng.choice(['"', '"', "'"]) if quoted else ""
            source["delimiter"] = rng.choice(DELIMITERS if quoted else UNQUOTED_DELIMITERS)
            source["header"] = self.chance(0.75) if wish.header is None else wish.header
        if source.get("quote", '"') and not wish.plain and self.chance(0.5):
            self.letters += source.get("delimiter", ",") + source.get("quote", '"') + "\n\t,;"
        return source

    def unused(self, room: str, names: list[str]) -> str:
        """A name that the room does not hold yet; SQL knows no case of letters."""
        free = [one for one in names if one.strip().lower() not in self.taken[room] and self.writable(one)]
        numbered = next(f"c{n}" for n in count(len(self.taken[room])) if f"c{n}" not in self.taken[room])
        name = self.rng.choice([*free, numbered])
        self.taken[room].add(name.strip().lower())
        return name

    def writable(self, text: str) -> bool:
        return holds(self.coding.name, text)

    def add(self, role: str, kind: Kind, nullable: bool = False, source: str = "log", **rules: Any) -> Field:
        """A column of the contract with a file column for each of its cells."""
        name = self.unused("contract", CONTRACT_NAMES)
        if kind.width == 0:
            found: tuple[str, ...] = (name,)
        elif kind.width > 1:
            found = tuple(self.unused(source, FILE_NAMES) for _ in range(kind.width))
        elif name.lower() not in self.taken[source] and self.chance(0.4):
            self.taken[source].add(name.lower())
            found = (name,)
        else:
            found = (self.unused(source, FILE_NAMES),)
        self.fields.append(Field(name, kind, found, role, nullable, rules, source))
        return self.fields[-1]

    def text(self, *options: str) -> Text:
        fitting = tuple(one for one in options if self.writable(one))
        return Text("string", letters=self.letters, options=fitting)

    def add_scenario(self, source: dict[str, Any]) -> list[dict[str, Any]]:
        """One or two columns, or the folder; values renamed and merged."""
        rng = self.rng
        if self.wants("path", 0.15):
            self.path_places = ["de", "fr", "NL-2"]
            source["files"] = f"*/{source['files']}"
            source["path_pattern"] = r"^(?P<place>[^/]+)/"
            self.add("scenario", Text("string", options=tuple(self.path_places)))
            self.fields[-1].found_in = ("path:place",)
            words = self.path_places
        else:
            options = rng.sample([one for one in PLACES if self.writable(one)], 3)
            self.add("scenario", self.text(*options))
            words = options
            if self.chance(0.2):
                self.add("scenario", Whole("int8", low=0, high=1))
                words = [f"{one}|{number}" for one in options for number in (0, 1)]
        cut = 1 + rng.randrange(len(words) - 1)
        if self.chance(0.3):
            return [{"id": one, "modelled": number != 1} for number, one in enumerate(words)]
        return [
            {"id": "first; DROP TABLE staged", "values": words[:cut], "title": rng.choice(INJECTION)},
            {"id": "it's", "values": words[cut:]},
        ]

    def add_keys(self) -> None:
        rng = self.rng
        self.add("user", whole(rng, "int64", 0, 10**12, plain=True) if self.chance(0.5) else self.text())
        self.add("item", whole(rng, "int32", 0) if self.chance(0.5) else self.text(), encode="id")
        only = [one for one in ("epoch", "split_time") if one in self.wish.has]
        self.add("time", moment(rng, self.days, self.clock, *only))
        if self.chance(0.5):
            self.add("position", whole(rng, "int16", 1, 500), min=1, max=500)

    def add_features(self) -> None:
        rng = self.rng
        self.add("plain", whole(rng, "int32", -5, 10_000), min=-5, max=10_000)
        self.add("feature", real(rng), nullable=True, encode="number")
        closed = self.text("tea", "it's", "x;y", *INJECTION[:3])
        self.add("plain", closed, nullable=self.chance(0.5), values=list(closed.options))
        if self.wants("list", 0.3):
            kind = items(rng, self.letters)
            self.add("feature", kind, nullable=kind.form != "numbered", encode="list")
        if self.wants("date", 0.3):
            self.add("plain", a_date(rng), nullable=self.chance(0.5))
        if self.wants("bool", 0.2):
            self.add("plain", Truth("bool"), nullable=self.chance(0.5))
        for _ in range(rng.randrange(3)):
            self.add("plain", mapped(rng))
        for _ in range(rng.randrange(3)):
            kind = rng.choice([self.text(), whole(rng), real(rng)])
            self.add("plain", kind, nullable=self.chance(0.5))

    def add_labels(self) -> None:
        """One task, or two of a funnel."""
        forms = ["flags", "coded", "events", "threshold", "product"]
        getattr(self, f"label_{'flags' if 'funnel' in self.wish.has else self.rng.choice(forms)}")()

    def first_task(self, raw: Any, claim: Any) -> None:
        self.labels.append(Label("click", {"name": "click", "label": raw}, claim))

    def second_task(self, raw: Any, claim: Any) -> None:
        rule = self.rng.choice(["clip", "quarantine"])
        task = {"name": "order", "label": raw, "after": "click", "on_violation": rule}
        label = Label("order", task, claim, "click", rule)
        if self.chance(0.5):
            known = self.add("known_at", moment(self.rng, self.days, self.clock), nullable=True)
            label.known_at, label.window, label.matures_after = known.name, timedelta(hours=24), timedelta(days=2)
            task |= {"known_at": known.name, "window": "24h", "matures_after": "2d"}
        self.labels.append(label)

    def label_flags(self) -> None:
        kind = Whole("int8", low=0, high=1) if self.chance(0.5) else Truth("bool")
        rules = {"values": [0, 1]} if kind.type == "int8" else {}
        click, order = self.add("outcome", kind, **rules).name, self.add("outcome", kind, **rules).name
        self.first_task(click, lambda values: bool(values[click]))
        self.second_task({"column": order, "equals": 1}, lambda values: bool(values[order]))

    def label_coded(self) -> None:
        name = self.add("outcome", Whole("int8", low=0, high=2), values=[0, 1, 2]).name
        self.first_task({"column": name, "one_of": [1, 2]}, lambda values: values[name] >= 1)
        self.second_task({"column": name, "equals": 2}, lambda values: values[name] == 2)

    def label_events(self) -> None:
        name = self.add("outcome", self.text("view", "click", "it's bought")).name
        self.first_task({"column": name, "one_of": ["click", "it's bought"]}, lambda values: values[name] != "view")
        self.second_task([{"column": name, "equals": "it's bought"}], lambda values: values[name] == "it's bought")

    def label_threshold(self) -> None:
        name = self.add("outcome", whole(self.rng, "int32", 0, 60), nullable=True, min=0).name
        at = {"column": name, "at_least": 30}
        self.first_task(at, lambda values: None if values[name] is None else values[name] >= 30)

    def label_product(self) -> None:
        flag = self.add("outcome", Whole("int8", low=0, high=1), values=[0, 1]).name
        name = self.add("outcome", whole(self.rng, "int32", 0, 60)).name
        both = [flag, {"column": name, "at_least": 30.5}]
        self.first_task(flag, lambda values: values[flag] == 1)
        self.second_task(both, lambda values: values[flag] == 1 and values[name] >= 30.5)

    def add_side(self) -> Side:
        """Some items with a name and a number; one item in two is not in it."""
        rng, key = self.rng, next(one for one in self.fields if one.role == "item")
        key_name = self.unused("side", FILE_NAMES)
        kinds = [Text("string", letters=self.letters), whole(rng), real(rng)]
        inputs = ["id", "number", "number"]
        fields = [self.add("feature", kind, True, "side", encode=one) for kind, one in zip(kinds, inputs, strict=True)]
        columns = [key_name, *(name for one in fields for name in one.cell_names)]
        rng.shuffle(columns)
        rows = []
        for value in dict.fromkeys(key.kind.draw(rng) for _ in range(4)):
            values, cells = self.draw_fields(fields)
            rows.append((value, values, cells | {key_name: key.kind.cells(rng, value)[0]}))
        self.known_items = [value for value, _, _ in rows]
        return Side(key, key_name, fields, columns, rows)

    def add_late(self) -> Late:
        """A task whose outcomes come in a file of their own, by user and item."""
        keys = {one.name: self.unused("late", FILE_NAMES) for one in self.fields if one.role in ("user", "item")}
        status = self.add("outcome", status_kind(), source="late")
        at = self.add("known_at", moment(self.rng, self.days, self.clock, "epoch"), source="late")
        columns = [*keys.values(), *status.found_in, *at.found_in]
        suffix = self.rng.choice(["", ".gz", ".zst"]) if self.wish.compression is None else self.wish.compression
        source = {
            "name": "late", "kind": "outcomes", "files": f"late*.csv{suffix}", "format": "csv", "join": keys,
            "early": "1m", "encoding": self.coding.name, "delimiter": self.rng.choice([",", ";", "|"]),
        }  # fmt: skip
        layout = source | {"quote": '"', "header": True}
        file = LogFile(f"late_1.csv{suffix}", [], columns, layout=layout)
        return Late(file, source, keys, status, at, after=self.chance(0.4))

    def contract(self, source: dict[str, Any], scenarios: list[dict[str, Any]], side: Side | None) -> dict[str, Any]:
        keys = [one.name for one in self.fields if one.role in ("user", "item", "time")]
        raw: dict[str, Any] = {
            "name": "fuzzed", "time_zone": self.clock, "first_day": self.days[0] - timedelta(days=2),
            "sources": [source], "columns": [one.to_contract() for one in self.fields], "scenarios": scenarios,
            "tasks": [one.raw for one in self.labels],
            "dedupe": {"key": keys, "horizon_days": self.rng.choice([0, 1, 2])},
        }  # fmt: skip
        if self.chance(0.5):
            raw["last_day"] = self.days[-1] + timedelta(days=self.rng.randrange(3))
        if side:
            raw["sources"].append(
                {"name": "side", "kind": "side", "files": side.path, "format": "csv", "null_values": self.null_words,
                 "join": {side.key.name: side.key_name}, "encoding": self.coding.name}
            )  # fmt: skip
        return raw

    # --- rows and files -------------------------------------------------------------------------------------------

    def draw_fields(self, fields: list[Field]) -> tuple[Values, dict[str, Cell]]:
        values: Values = {}
        cells: dict[str, Cell] = {}
        for one in fields:
            if one.nullable and self.chance(0.2):
                values[one.name] = None
                word = Cell(self.rng.choice(self.null_words)) if self.null_words and self.chance(0.5) else MISSING
                cells |= dict.fromkeys(one.cell_names, word)
            else:
                values[one.name] = value = one.kind.draw(self.rng)
                cells |= dict(zip(one.cell_names, one.kind.cells(self.rng, value), strict=False))
        return values, cells

    def draw_row(self) -> Row:
        values, cells = self.draw_fields([one for one in self.fields if one.source == "log"])
        for name in self.columns:
            cells.setdefault(name, Cell(self.rng.choice(["", "junk", "7", "it's"])))
        row = Row(values, cells)
        for label in violated(self.labels, values):
            if label.on_violation == "quarantine":
                row.refuse(f"^{label.task}: without {label.after}")
        return row

    def add_files(self, log: Log, columns: list[str]) -> None:
        """The files of the log; the first is the one that damage goes to, the last stays whole."""
        rng = self.rng
        self.columns = columns
        for number in range(self.wish.files or rng.choice([2, 2, 3])):
            name = f"log{rng.choice(['_', ' ', '[1]', '%', 'é', chr(39), '='])}{number}{self.suffix}"
            path = f"{rng.choice(self.path_places)}/{name}" if self.path_places else name
            rows = [log.draw_row() for _ in range(self.wish.min_rows + rng.randrange(5))]
            if self.path_places:
                scenario = log.role("scenario").name
                for row in rows:
                    row.values[scenario] = path.split("/")[0]
            log.files.append(LogFile(path, rows, columns, newlines=(rng.choice(["\n", "\r\n"]),)))
