"""One small log written in many shapes. Every shape has the same exposures, so its counts are known."""

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
START = datetime(2026, 3, 1, tzinfo=UTC)
PLACES = ("home", "search", "channel")
N_ROWS, N_REPEATED = 600, 7


def exposures() -> list[Row]:
    """600 different exposures over six days, the last 7 once more: 607 records."""
    draw = random.Random(7)
    rows = []
    for number in range(N_ROWS):
        click = int(draw.random() < 0.3)
        order = int(click and draw.random() < 0.4)
        shown = START + timedelta(seconds=number * 860 + draw.randrange(860))
        rows.append(
            {"user": 1000 + draw.randrange(60), "item": f"i{draw.randrange(80)}", "place": draw.choice(PLACES),
             "shown": shown, "slot": 1 + draw.randrange(5), "click": click, "order": order,
             "ordered": shown + timedelta(minutes=draw.randrange(1, 1200)) if order else None,
             "price": round(draw.uniform(1, 2500), 2), "city": draw.choice(["Köln", "Zürich", "Łódź", ""]),
             "seconds": round(click * draw.uniform(5, 90) + draw.random(), 3), "page": number // 4}
        )  # fmt: skip
    return rows + rows[-N_REPEATED:]


ROWS = exposures()


@dataclass(frozen=True)
class Shape:
    """How a log is written into a folder, and which columns should get which role."""

    name: str
    write: Callable[[Path], None]
    roles: dict[str, list[str]]  # role -> names in the log
    tasks: tuple[str, ...]
    duplicates: int = N_REPEATED
    scenarios: int = 3


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def lines(rows: list[Row], cells: Callable[[Row], list[Any]], delimiter: str, header: str = "") -> str:
    text = [delimiter.join("" if cell is None else str(cell) for cell in cells(row)) for row in rows]
    return "\n".join(([header] if header else []) + text) + "\n"


def plain_csv(folder: Path) -> None:
    (folder / "log.csv").write_text(lines(
        ROWS, lambda r: [r["user"], r["item"], r["place"], iso(r["shown"]), r["slot"], r["click"], r["order"],
                         iso(r["ordered"]) if r["ordered"] else "", r["seconds"]],
        ",", "user_id,item_id,place,shown_at,slot,is_click,is_order,ordered_at,watch_seconds"))  # fmt: skip


def german(folder: Path) -> None:
    def cells(r: Row) -> list[Any]:
        price = f"{r['price']:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")
        city = r["city"].replace("Łódź", "Düren")
        return [r["user"], r["item"], r["place"], f"{r['shown']:%d.%m.%Y %H:%M:%S}", price, city, r["click"]]

    text = lines(ROWS, cells, ";", "Kunden-Nr;Artikel;Bereich;Zeitpunkt;Preis (€);Ort;geklickt")
    (folder / "protokoll.csv").write_bytes(text.replace("€", "EUR").encode("cp1252"))


def tsv_gzip(folder: Path) -> None:
    text = lines(
        ROWS, lambda r: [int(r["shown"].timestamp() * 1000), r["user"], r["item"], r["place"], r["click"]], "\t",
        "time_ms\tvisitorid\tproduct_id\ttab\tclicked")  # fmt: skip
    (folder / "log.tsv.gz").write_bytes(gzip.compress(text.encode()))


def two_colons(folder: Path) -> None:
    text = lines(ROWS, lambda r: [r["user"], r["item"], r["place"], r["click"], int(r["shown"].timestamp())], "::")
    (folder / "log.dat").write_text(text)


def quoted(folder: Path) -> None:
    def cells(r: Row) -> list[Any]:
        title = f'"Soup | large, ""{r["item"]}"""'
        return [r["user"], r["item"], title, r["place"], iso(r["shown"]), r["click"]]

    text = lines(ROWS, cells, "|", "uid|iid|title|scene|ts|clk").replace("\n", "\r\n")
    (folder / "log.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())


def ndjson(folder: Path) -> None:
    def one(r: Row) -> str:
        return json.dumps(
            {"userId": r["user"], "itemId": r["item"], "channel": r["place"], "timestamp": iso(r["shown"]),
             "clicked": bool(r["click"]), "purchased": bool(r["order"]), "tags": [r["item"][:2], "x"],
             "context": {"os": "ios"}, "price": r["price"]}
        )  # fmt: skip

    with pa.CompressedOutputStream(pa.OSFile(str(folder / "log.ndjson.zst"), "wb"), "zstd") as out:
        out.write(("\n".join(map(one, ROWS)) + "\n").encode())


def parquet(folder: Path) -> None:
    table = pa.table(
        {"user": [r["user"] for r in ROWS], "item": [r["item"] for r in ROWS], "place": [r["place"] for r in ROWS],
         "shown_at": pa.array([r["shown"] for r in ROWS], pa.timestamp("us", tz="UTC")),
         "history": [[r["slot"], 7] for r in ROWS], "pscore": [1 / (1 + r["slot"]) for r in ROWS],
         "position": [r["slot"] for r in ROWS], "click": [r["click"] for r in ROWS]}
    )  # fmt: skip
    pq.write_table(table, folder / "log.parquet")


def nested(row: Row) -> Row:
    return {"who": {"user": {"id": row["user"]}, "city": row["city"] or None},
            "what": {"item_id": row["item"], "place": row["place"]}, "at": {"time": iso(row["shown"])},
            "result": {"click": row["click"]}, "odd": {"a.b": 1},
            "device": {"os": "ios"} if row["slot"] > 1 else None}  # fmt: skip


def nested_ndjson(folder: Path) -> None:
    (folder / "log.ndjson").write_text("".join(json.dumps(nested(row)) + "\n" for row in ROWS))


def nested_parquet(folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist([nested(row) for row in ROWS]), folder / "log.parquet")


def two_columns(folder: Path) -> None:
    (folder / "log.csv").write_text(lines(
        ROWS, lambda r: [f"{r['shown']:%Y%m%d}", f"{r['shown']:%H:%M:%S}", r["user"], r["item"], r["place"],
                         r["click"]], ";", "date;time;user;item;place;click"))  # fmt: skip


def by_folder(folder: Path) -> None:
    for place in PLACES:
        for day in range(1, 7):
            mine = [r for r in ROWS if r["place"] == place and r["shown"].day == day]
            (folder / f"country={place}").mkdir(exist_ok=True)
            (folder / f"country={place}" / f"log_2026030{day}.csv").write_text(lines(
                mine, lambda r: [r["user"], r["item"], iso(r["shown"]), r["click"]], ",", "user,item,shown_at,click"
            ))  # fmt: skip


def events(folder: Path) -> None:
    def cells(r: Row) -> list[Any]:
        act = "buy" if r["order"] else "cart" if r["click"] else "pv"
        return [r["user"], r["item"], act, int(r["shown"].timestamp())]

    (folder / "UserBehavior.csv").write_text(lines(ROWS, cells, ","))


def coded(folder: Path) -> None:
    (folder / "log.csv").write_text(lines(
        ROWS, lambda r: [r["page"], r["user"], r["item"], r["place"], iso(r["shown"]), r["click"] + r["order"]],
        ",", "search_id,customer_id,sku,market,time,label"))  # fmt: skip


def with_sides(folder: Path) -> None:
    header = "req_id,user,item,scene,shown_at,slot,click,order,order_time,play_time_ms,score_after,note"
    (folder / "log_1.csv").write_text(lines(
        ROWS, lambda r: [r["page"], r["user"], r["item"], r["place"], iso(r["shown"]), r["slot"], r["click"],
                         r["order"], iso(r["ordered"]) if r["ordered"] else r"\N", int(1000 * r["seconds"]),
                         round(r["seconds"] * 3, 2), "NULL" if r["slot"] == 1 else "n"], ",", header))  # fmt: skip
    users = [f"{user},{user % 5},{'f' if user % 2 else 'm'}" for user in range(1000, 1060)]
    (folder / "users.csv").write_text("\n".join(["userid,level,gender", *users]) + "\n")
    items = [{"item_id": f"i{number}", "brand": f"b{number % 9}", "cat": number % 4} for number in range(70)]
    pq.write_table(pa.Table.from_pylist(items), folder / "items.parquet")


def american(folder: Path) -> None:
    def cells(r: Row) -> list[Any]:
        at = r["shown"]
        clock = f"{at:%m/%d/%Y} {at.hour % 12 or 12}:{at:%M:%S} {'AM' if at.hour < 12 else 'PM'}"
        return [f'"{clock}"', r["user"], r["item"], r["place"], f'"${r["price"]:,.2f}"', "yes" if r["click"] else "no"]

    (folder / "log.csv").write_text(lines(ROWS, cells, ",", "Event Time,Customer ID,SKU,Page,Price,Clicked"))


def without_time(folder: Path) -> None:
    for place in ("QK-video", "QB-video", "QK-article"):
        mine = [r for n, r in enumerate(ROWS[:N_ROWS]) if ("QK-video", "QB-video", "QK-article")[n % 3] == place]
        (folder / f"{place}.csv").write_text(lines(
            mine, lambda r: [r["user"], int(100 * r["price"]) % 5000, r["click"], r["order"], r["slot"]], ",",
            "user_id,item_id,click,like,watching_times"))  # fmt: skip


def control_bytes(folder: Path) -> None:
    text = lines(ROWS, lambda r: [r["page"], r["user"], r["item"], r["place"], iso(r["shown"]), r["city"], r["click"]],
                 "\x01", "\x01".join(["session", "member", "article", "module", "created_at", "t", "clk"]))  # fmt: skip
    (folder / "part-00000").write_text(text, encoding="utf-16")


FUNNEL = ("click", "order")
NESTED = {"user": ["who.user.id"], "item": ["what.item_id"], "time": ["at.time"], "scenario": ["what.place"],
          "outcome": ["result.click"]}  # fmt: skip
SHAPES = [
    Shape("plain_csv", plain_csv, {"user": ["user_id"], "item": ["item_id"], "time": ["shown_at"],
          "scenario": ["place"], "position": ["slot"], "known_at": ["ordered_at"],
          "outcome": ["is_click", "is_order", "watch_seconds"]}, FUNNEL),
    Shape("german", german, {"user": ["Kunden-Nr"], "item": ["Artikel"], "time": ["Zeitpunkt"], "scenario": ["Bereich"],
          "outcome": ["geklickt"]}, ("geklickt",)),
    Shape("tsv_gzip", tsv_gzip, {"user": ["visitorid"], "item": ["product_id"], "time": ["time_ms"],
          "scenario": ["tab"], "outcome": ["clicked"]}, ("clicked",)),
    Shape("two_colons", two_colons, {"user": ["col1"], "item": ["col2"], "time": ["col5"], "scenario": ["col3"],
          "outcome": ["col4"]}, ("col4",)),
    Shape("quoted", quoted, {"user": ["uid"], "item": ["iid"], "time": ["ts"], "scenario": ["scene"],
          "outcome": ["clk"]}, ("clk",)),
    Shape("ndjson", ndjson, {"user": ["userId"], "item": ["itemId"], "time": ["timestamp"], "scenario": ["channel"],
          "outcome": ["clicked", "purchased"]}, ("clicked", "purchased")),
    Shape("parquet", parquet, {"user": ["user"], "item": ["item"], "time": ["shown_at"], "scenario": ["place"],
          "position": ["position"], "propensity": ["pscore"], "outcome": ["click"]}, ("click",)),
    Shape("nested_ndjson", nested_ndjson, NESTED, ("result_click",)),
    Shape("nested_parquet", nested_parquet, NESTED, ("result_click",)),
    Shape("two_columns", two_columns, {"user": ["user"], "item": ["item"], "time": ["date", "time"],
          "scenario": ["place"], "outcome": ["click"]}, ("click",)),
    Shape("by_folder", by_folder, {"user": ["user"], "item": ["item"], "time": ["shown_at"],
          "scenario": ["path:path_country"], "outcome": ["click"]}, ("click",)),
    Shape("events", events, {"user": ["col1"], "item": ["col2"], "time": ["col4"], "outcome": ["col3"]},
          ("cart", "buy"), scenarios=1),
    Shape("coded", coded, {"user": ["customer_id"], "item": ["sku"], "time": ["time"], "scenario": ["market"],
          "request": ["search_id"], "outcome": ["label"]}, FUNNEL),
    Shape("with_sides", with_sides, {"user": ["user"], "item": ["item"], "time": ["shown_at"], "scenario": ["scene"],
          "request": ["req_id"], "known_at": ["order_time"],
          "outcome": ["click", "order", "play_time_ms", "score_after"]}, FUNNEL),
    Shape("american", american, {"user": ["Customer ID"], "item": ["SKU"], "time": ["Event Time"],
          "scenario": ["Page"], "outcome": ["Clicked"]}, ("Clicked",)),
    Shape("without_time", without_time, {"user": ["user_id"], "item": ["item_id"],
          "scenario": ["path:path_1", "path:path_2"], "outcome": ["click", "like", "watching_times"]},
          ("click", "like"), duplicates=0),
    Shape("control_bytes", control_bytes, {"user": ["member"], "item": ["article"], "time": ["created_at"],
          "scenario": ["module"], "request": ["session"], "outcome": ["clk"]}, ("clk",)),
]  # fmt: skip
