"""Damage to the bytes of files: cut, flipped, packed otherwise, Parquet whose pages or types are not what they say."""

import gzip
import io
from random import Random

import pyarrow as pa
from damages import damage, fields, one_of
from drawn_values import Cell
from log_truth import Log
from written import compressed

PICTURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 3


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
