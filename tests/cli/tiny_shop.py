"""A tiny shop's log as text: the contract file and its lines."""

HEADER = "user,item,place,shown_at,clicked"
CONTRACT = """
name = "shop"
time_zone = "UTC"
first_day = 2026-03-01
last_day = 2026-03-31

[dedupe]
key = ["user", "item", "shown_at"]

[[sources]]
name = "log"
files = "log_*.csv"
format = "csv"

[[columns]]
name = "user"
type = "string"
role = "user"

[[columns]]
name = "item"
type = "string"
role = "item"
encode = "id"

[[columns]]
name = "place"
type = "string"
role = "scenario"

[[columns]]
name = "shown_at"
type = "timestamp"
role = "time"

[[columns]]
name = "clicked"
type = "int8"
role = "outcome"
values = [0, 1]

[[scenarios]]
id = "home"

[[tasks]]
name = "click"
label = "clicked"

[features]
windows_days = [1, 7]

[[features.entities]]
name = "user"
keys = ["user"]
"""


def line(user: object, shown_at: str, item: str = "soup", place: str = "home", clicked: object = 0) -> str:
    return f"{user},{item},{place},{shown_at},{clicked}"
