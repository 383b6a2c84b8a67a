"""Damage to whole files: columns, what lies in the folder, what happens to it meanwhile, side tables."""

import copy
import os
from pathlib import Path
from random import Random

from damages import NotHereError, damage, fields, one_of
from drawn_values import Cell
from log_truth import Log
from written import encoded

# --- columns ----------------------------------------------------------------------------------------------------------


def needed(rng: Random, log: Log) -> str:
    """A column of the first file that the contract reads; the files' columns become lists of their own."""
    for file in log.files:
        file.columns = list(file.columns)
    return one_of(rng, [name for one in log.fields if one.source == "log" for name in one.cell_names])


@damage(format="csv", header=True)
def column_missing(rng: Random, log: Log) -> None:
    name = needed(rng, log)
    log.files[0].columns.remove(name)
    log.files[0].refuse("lacks the column")


@damage(format="parquet")
def column_missing_in_parquet(rng: Random, log: Log) -> None:
    column_missing(rng, log)


@damage(format="csv", header=True)
def column_renamed(rng: Random, log: Log) -> None:
    log.files[0].titles[needed(rng, log)] = rng.choice(["zzz", "", "2"])
    log.files[0].refuse("lacks the column")


@damage(format="csv", header=True)
def columns_reordered(rng: Random, log: Log) -> None:
    needed(rng, log)
    for file in log.files:
        rng.shuffle(file.columns)


@damage(format="parquet")
def columns_reordered_in_parquet(rng: Random, log: Log) -> None:
    columns_reordered(rng, log)


@damage()
def column_more(rng: Random, log: Log) -> None:
    """A column that the contract does not name is not read."""
    needed(rng, log)
    if log.source["format"] == "csv" and not log.source["header"]:
        raise NotHereError  # then each line has too many values
    file = log.files[0]
    for name in ("zzz", "raw_line", "placed_day")[: 1 + rng.randrange(3)]:
        if name not in (one.lower() for one in file.columns):
            file.columns.insert(rng.randrange(len(file.columns) + 1), name)
            for row in file.rows:
                row.cells[name] = Cell(rng.choice(["", "1", "it's"]))


@damage(format="csv", header=True)
def column_twice(rng: Random, log: Log) -> None:
    """Two columns of one name, which only a list could mean: the file is refused, or the first is read."""
    needed(rng, log)
    plain = fields(log, "int", "float", "string", "bool", "timestamp", "date")
    name, file = one_of(rng, plain).cell_names[0], log.files[0]
    file.columns.append("again")
    file.titles["again"] = name
    for row in file.rows:
        row.cells["again"] = Cell("zzz")
    file.refuse("twice|duplicate|more than once|lacks", or_read=True)


@damage(format="csv", header=True)
def header_only(rng: Random, log: Log) -> None:
    """An hour without traffic: nothing is read, and nothing is wrong."""
    log.files[0].rows = []


@damage(format="parquet")
def no_rows_in_parquet(rng: Random, log: Log) -> None:
    header_only(rng, log)


@damage(format="csv", header=True, quote=False)
def other_delimiter(rng: Random, log: Log) -> None:
    log.files[0].layout = {"delimiter": "\x03"}
    log.files[0].refuse("lacks the column")


@damage(format="csv", coding="utf-8", compression="")
def other_encoding(rng: Random, log: Log) -> None:
    log.files[0].layout = {"encoding": "utf-16"}
    log.files[0].refuse(".")


# --- the folder -------------------------------------------------------------------------------------------------------


@damage()
def symbolic_link(rng: Random, log: Log) -> None:
    """A link to a file is that file."""
    path = log.files[0].path

    def link(landing: Path) -> None:
        (landing / path).rename(landing / "elsewhere")
        (landing / path).symlink_to(landing / "elsewhere")

    log.meddle["written"] = link


@damage()
def strange_things_beside(rng: Random, log: Log) -> None:
    """A link to nothing, a folder and a pipe with names that match: no rows, and nothing hangs."""
    first = log.files[0].path
    what = rng.randrange(3)

    def litter(landing: Path) -> None:
        place = (landing / first).with_name(f"log_9{Path(first).name[4:]}")
        if what == 0:
            place.symlink_to(landing / "nothing")
        elif what == 1:
            place.mkdir()
        else:
            os.mkfifo(place)

    log.meddle["written"] = litter


@damage()
def same_file_twice(rng: Random, log: Log) -> None:
    """A file delivered again under another name holds duplicates only."""
    again = copy.copy(log.files[0])
    folder, _, name = again.path.rpartition("/")
    again.path = f"{folder}/log_again{name[3:]}".lstrip("/")
    log.files.append(again)


@damage()
def file_vanishes(rng: Random, log: Log) -> None:
    """Between the look at the files and the reading of the days."""
    path = log.files[0].path
    log.meddle["indexed"] = lambda landing: (landing / path).unlink()
    log.may_fail = "."


@damage(format="csv", compression="")
def file_grows(rng: Random, log: Log) -> None:
    path, data = log.files[0].path, rng.choice([b"\n", b"x", b"1,2,3\n"])

    def grow(landing: Path) -> None:
        with (landing / path).open("ab") as out:
            out.write(data)

    log.meddle["indexed"] = grow
    log.files[0].unknowable = True  # the books are those of the file before or after
    log.may_fail = "."


# --- side tables ------------------------------------------------------------------------------------------------------


@damage(has=("side",))
def side_key_twice(rng: Random, log: Log) -> None:
    """Of two rows with one key the first is joined, and no row of the log is multiplied."""
    side = log.side
    assert side is not None
    key, values, cells = one_of(rng, side.rows)
    others = dict.fromkeys(cells, Cell(None)) | {side.key_name: cells[side.key_name]}
    side.rows.append((key, dict.fromkeys(values), others))


@damage(has=("side",))
def side_line_broken(rng: Random, log: Log) -> None:
    """A line that is no record joins nothing; the others do."""
    side = log.side
    assert side is not None
    broken = encoded("only one value", log.raw["sources"][1]["encoding"])
    end = encoded("\n", log.raw["sources"][1]["encoding"])
    side.tamper = lambda data: data + broken + end


@damage(has=("side",))
def side_table_gone(rng: Random, log: Log) -> None:
    log.meddle["written"] = lambda landing: (landing / "side.csv").unlink()
    log.may_fail = "side"


@damage(has=("side",))
def side_table_empty(rng: Random, log: Log) -> None:
    side = log.side
    assert side is not None
    side.tamper = lambda data: b""
    log.may_fail = "side"
