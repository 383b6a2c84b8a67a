"""Damage to whole files: columns, compression, Parquet, what lies in the folder, and what happens to it meanwhile."""

import copy
import gzip
import io
import os
from pathlib import Path
from random import Random

import pyarrow as pa
from damages import NotHereError, damage, fields, one_of
from drawn_values import Cell
from log_truth import Log
from written import compressed, encoded

PICTURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 3


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


# --- compression ------------------------------------------------------------------------------------------------------


@damage()
def no_bytes(rng: Random, log: Log) -> None:
    log.files[0].tamper = lambda data: b""
    log.files[0].refuse("empty")


def cut(rng: Random, log: Log) -> None:
    share = rng.random()
    log.files[0].tamper = lambda data: data[: max(1, int(len(data) * share))][: len(data) - 1]
    log.files[0].refuse(".")


@damage(format="csv", compression=".gz")
def gzip_cut(rng: Random, log: Log) -> None:
    cut(rng, log)


@damage(format="ndjson", compression=".gz")
def gzip_cut_in_json(rng: Random, log: Log) -> None:
    cut(rng, log)


@damage(format="csv", compression=".zst")
def zstd_cut(rng: Random, log: Log) -> None:
    """Of a stream that was flushed in the middle, so that whole lines are there before the cut."""
    cut(rng, log)
    short = log.files[0].tamper
    assert short is not None
    log.files[0].tamper = lambda data: short(flushed(unzstd(data)))


class Sink(io.BytesIO):
    """Bytes that stay readable when the stream over them is closed."""

    def close(self) -> None:
        pass


def flushed(plain: bytes) -> bytes:
    sink = Sink()
    with pa.CompressedOutputStream(pa.PythonFile(sink, "w"), "zstd") as stream:
        for at in range(0, len(plain), 1 + len(plain) // 3):
            stream.write(plain[at : at + 1 + len(plain) // 3])
            stream.flush()
    return sink.getvalue()


def unzstd(data: bytes) -> bytes:
    return pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()


@damage(compression=".zip")
def zip_cut(rng: Random, log: Log) -> None:
    cut(rng, log)


@damage(format="csv", compression=".zip")
def zip_flipped(rng: Random, log: Log) -> None:
    """A byte of the packed data is another, but for the mark of its end; the directory behind holds the checksum."""
    share = rng.random()

    def changed(data: bytes) -> bytes:
        first, last = data.index(b".csv") + 4, data.rindex(b"PK\x01\x02") - 4
        return flipped(data, first + int((last - first) * share))

    log.files[0].tamper = changed
    log.files[0].refuse(".")


@damage(format="parquet", compression="")
def parquet_cut(rng: Random, log: Log) -> None:
    cut(rng, log)


@damage(format="csv", compression=".gz")
def gzip_flipped(rng: Random, log: Log) -> None:
    """A byte of the compressed data or of its checksum is another; the header's ten bytes may differ without harm."""
    share = rng.random()
    log.files[0].tamper = lambda data: flipped(data, 10 + int((len(data) - 10) * share))
    log.files[0].refuse(".")


def flipped(data: bytes, at: int, bits: int = 0x55) -> bytes:
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


@damage(format="csv", compression=".zst")
def zstd_flipped(rng: Random, log: Log) -> None:
    """Without a checksum in the file nobody can know whether the values are those that were written."""
    share = rng.random()
    log.files[0].tamper = lambda data: flipped(data, int(len(data) * share))
    log.files[0].unknowable = True


@damage(format="csv", compression=".gz")
def gzip_members(rng: Random, log: Log) -> None:
    """Several gzip members one after the other are one file, as `cat a.gz b.gz` makes them."""
    share = rng.random()

    def members(data: bytes) -> bytes:
        plain = gzip.decompress(data)
        at = int(len(plain) * share)
        return gzip.compress(plain[:at]) + gzip.compress(plain[at:])

    log.files[0].tamper = members


@damage(format="csv", compression=".zst")
def zstd_frames(rng: Random, log: Log) -> None:
    share, codec = rng.random(), pa.Codec("zstd")

    def frames(data: bytes) -> bytes:
        plain = unzstd(data)
        at = int(len(plain) * share)
        return b"".join(codec.compress(one, asbytes=True) for one in (plain[:at], plain[at:]) if one)

    log.files[0].tamper = frames


@damage(format="csv", compression=".gz")
def gzip_with_more_behind(rng: Random, log: Log) -> None:
    log.files[0].tamper = lambda data: data + b"and more"
    log.files[0].refuse(".", or_read=True)


@damage(format="csv", compression=".gz")
def not_compressed(rng: Random, log: Log) -> None:
    log.files[0].tamper = gzip.decompress
    log.files[0].refuse(".", or_read=True)


@damage(format="csv", compression="", coding="utf-8")
def compressed_without_saying(rng: Random, log: Log) -> None:
    suffix = rng.choice([".gz", ".zst"])  # the files in a zip archive have names of their own
    log.files[0].tamper = lambda data: compressed(data, f"log.csv{suffix}")
    log.files[0].refuse(".", or_read=True)


@damage()
def picture(rng: Random, log: Log) -> None:
    log.files[0].tamper = lambda data: PICTURE
    log.files[0].refuse(".")


# --- Parquet ----------------------------------------------------------------------------------------------------------


@damage(format="parquet", compression="")
def parquet_footer_flipped(rng: Random, log: Log) -> None:
    """The file's last bytes say where everything is."""
    back = rng.randrange(1, 9)
    log.files[0].tamper = lambda data: flipped(data, len(data) - back)
    log.files[0].refuse(".")


@damage(format="parquet", compression="")
def parquet_page_flipped(rng: Random, log: Log) -> None:
    share = rng.random()
    log.files[0].tamper = lambda data: flipped(data, int(len(data) * share))
    log.files[0].unknowable = True


@damage(format="parquet")
def other_physical_type(rng: Random, log: Log) -> None:
    """The same values in another type of Parquet column."""
    plain = fields(log, "int", "float", "string", "bool")
    field = one_of(rng, [one for one in plain if len(one.cell_names) == 1 and "map" not in one.kind.keys])
    name, kind = field.cell_names[0], field.kind.type
    wider = {"int": [pa.int64(), pa.decimal128(30, 2)], "float": [pa.float64()], "bool": [pa.int8(), pa.int64()],
             "string": [pa.large_string(), pa.dictionary(pa.int32(), pa.string())]}  # fmt: skip
    options = next(types for start, types in wider.items() if kind.startswith(start))
    log.text_columns.discard(name)
    for row in log.files[0].rows:
        if field.nullable and row.values[field.name] is None:
            row.cells[name] = Cell(None)
    log.files[0].arrow[name] = rng.choice(options)


@damage(format="parquet")
def time_of_no_time_type(rng: Random, log: Log) -> None:
    """No row has a readable time: the file is refused."""
    field = log.role("time")
    for row in log.files[0].rows:
        row.cells[field.cell_names[0]] = Cell("true", True)
    log.files[0].arrow[field.cell_names[0]] = pa.bool_()
    log.files[0].refuse("readable|lacks|type")


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
