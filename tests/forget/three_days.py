"""A log of three days that a user stands in, one of them kept out, and how to read it in."""

from datetime import date

from hinet_core import quality
from hinet_core.features.tables import day_tables
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import connect

WHO = "4711001"
HEADER = "user,item,place,shown_at,slot,clicked,ordered,ordered_at,price"
ITEMS = "item_id,brand\na,x\nb,y\n"
DAYS = [date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)]


def line(user, day, hour, item="a", place="1", slot="1"):
    return f"{user},{item},{place},{day}T{hour:02}:00:00Z,{slot},1,0,,9.5"


def write_log(paths):
    """Three days: rows of two others and of the user, a repeat, a refused record, a line that is none, a bad day."""
    paths.landing.mkdir(parents=True, exist_ok=True)
    (paths.landing / "items.csv").write_text(ITEMS)
    for number, day in enumerate(DAYS, 1):
        rows = [line(user, day, hour) for user in (5, 6) for hour in (8, 9, 10)]
        rows += [line(WHO, day, 8), line(WHO, day, 9, "b"), line(WHO, day, 9, "b")] if number < 3 else []
        rows += [line(WHO, day, 11, slot="99"), line(5, day, 11, slot="98"), f'{WHO};"x', "5;y"] if number == 2 else []
        rows += [line(WHO, day, 12, place="moon")] if number == 3 else []
        (paths.landing / f"log_{number}.csv").write_text("\n".join([HEADER, *rows]) + "\n")


def ingest(contract, paths, lake, auditor=quality):
    landed = index(contract, paths)
    return list(ingest_days(contract, lake, landed, landed.days, auditor))


def compute(contract, lake):
    con = connect()
    for table in day_tables(contract):
        table.write(con, contract, lake, lake.days("ingest"))
    con.close()
