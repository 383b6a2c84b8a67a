r"""Ali-CCP (Tianchi data set 408): the two raw files of a part become the one Parquet file that `aliccp.toml` reads.

A line of the skeleton is one exposure with its own features; it names a line of the common file, which many exposures
of a user share. Features are separated by \x01 and are `field \x02 id \x03 weight`. A field that is absent is missing,
never 0; one that stands several times is a list. Both files are streams, and the join spills to disk: memory stays
within HINET_MEMORY.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from hinet_core.lake import connect, file_literal, fsync_path, quote_literal
from hinet_core.progress import stoppable, track

PARTS = ("train", "test")
SKELETON = ("sample_id", "click", "conversion", "common_feature_index", "feature_num", "feature_list")
COMMON = ("common_feature_index", "feature_num", "feature_list")

USER = ("101", "121", "122", "124", "125", "126", "127", "128", "129")
HISTORIES = ("109_14", "110_14", "127_14", "150_14")  # categories, shops, brands, intentions of a user, with weights
ITEM = ("205", "206", "207", "216", "301")
CROSSES = ("508", "509", "702")  # one id with a weight
ITEM_LISTS = ("210", "853")
# Of the hundreds of entries of a history: all of them at each exposure would be some hundred gigabytes.
HEAVIEST = 50
ROWS_AT_ONCE = 20_000


def convert(files: Mapping[str, Path], landing: Path, rows: int | None) -> list[str]:
    """Write `aliccp_<part>.parquet` of each part whose two files are there; a sentence on what was found in each."""
    said = []
    for part in PARTS:
        skeleton, common = files.get(f"sample_skeleton_{part}.csv"), files.get(f"common_features_{part}.csv")
        if skeleton is not None and common is not None:
            said += _convert_part(part, skeleton, common, landing, rows)
    return said


def _convert_part(part: str, skeleton: Path, common: Path, landing: Path, rows: int | None) -> list[str]:
    landing.mkdir(parents=True, exist_ok=True)
    users, joined = (landing / f".{kind}_{part}.{os.getpid()}" for kind in ("users", "aliccp"))
    con = connect()
    # The join holds the users, however many the plan guesses, and exposures stream by.
    con.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
    first = f"SELECT * FROM {_lines(skeleton, SKELETON)} {'' if rows is None else f'LIMIT {rows:d}'}"
    needed = "" if rows is None else f" WHERE common_feature_index IN (SELECT common_feature_index FROM ({first}))"

    def convert_streams() -> list[str]:
        _stream(con, _users(common) + needed, users, f"{common.name}: users read")
        refused = _refused(con, common)
        _stream(con, _joined(first, users), joined, f"{skeleton.name}: exposures read")
        refused += _refused(con, skeleton)
        return [*_found(con, part, joined, users), *refused]

    try:
        said = stoppable(con, convert_streams)
        fsync_path(joined)
        joined.replace(landing / f"aliccp_{part}.parquet")
        fsync_path(landing)
        return said
    finally:
        con.close()
        users.unlink(missing_ok=True)
        joined.unlink(missing_ok=True)


def _lines(path: Path, names: tuple[str, ...]) -> str:
    columns = ", ".join(f"{quote_literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({file_literal(path)}, auto_detect = false, header = false, delim = ',', quote = '', escape = '', "
        f"nullstr = '', strict_mode = true, columns = {{{columns}}}, hive_partitioning = false, "
        "store_rejects = true, rejects_limit = 0)"
    )


def _users(common: Path) -> str:
    """One row per line of the common file: single fields, and histories with their heaviest entries first."""
    columns = [_single(field) for field in USER]
    for field in HISTORIES:
        columns += [*_list(field), f"greatest(all_{field} - {HEAVIEST}, 0) AS cut_{field}"]
    histories = (f"{_heaviest(field)} AS e{field}, len({_entries(field)}) AS all_{field}" for field in HISTORIES)
    lines = f"SELECT *, {', '.join(histories)} FROM {_lines(common, COMMON)}"
    return f"SELECT common_feature_index, {', '.join(columns)}, {INCOMPLETE} FROM ({lines})"


def _joined(skeleton: str, users: Path) -> str:
    """The rows of a skeleton, each with its user's fields; `found_user` says whether the common line was there."""
    columns = [_single(field) for field in (*ITEM, *CROSSES)]
    columns += [f"{_weight(_first(field))} AS w{field}" for field in CROSSES]
    columns += [column for field in ITEM_LISTS for column in _list(field)]
    lists = ", ".join(f"{_entries(field)} AS e{field}" for field in ITEM_LISTS)
    own = (
        f"SELECT sample_id, click, conversion, common_feature_index, {', '.join(columns)}, {INCOMPLETE} "
        f"FROM (SELECT *, {lists} FROM ({skeleton}))"
    )
    shared = [f"f{field}" for field in USER] + [f"{kind}{field}" for field in HISTORIES for kind in "fw"]
    return (
        f"SELECT s.*, {', '.join(f'u.{name}' for name in shared)}, u.common_feature_index IS NOT NULL AS found_user "
        f"FROM ({own}) AS s LEFT JOIN ({_once(users)}) AS u USING (common_feature_index)"
    )


def _once(users: Path) -> str:
    """The first line of each index: a second one would double its exposures."""
    scan = f"read_parquet({file_literal(users)}, file_row_number = true)"
    first = f"SELECT min(file_row_number) FROM {scan} GROUP BY common_feature_index"
    return f"SELECT * FROM {scan} WHERE file_row_number IN ({first})"


# Whether a line has another number of features than it says.
INCOMPLETE = "len(string_split(feature_list, chr(1))) IS DISTINCT FROM TRY_CAST(feature_num AS BIGINT) AS incomplete"


def _first(field: str) -> str:
    r"""The first entry of a field, `field \x02 id \x03 weight`; '' where the line has none."""
    return rf"regexp_extract(chr(1) || feature_list, '\x01({field}\x02[^\x01]*)', 1)"


def _entries(field: str) -> str:
    """All entries of a field, in the order of the line: 127 is another field than 127_14."""
    return f"list_filter(string_split(feature_list, chr(1)), lambda part: starts_with(part, '{field}' || chr(2)))"


def _heaviest(field: str) -> str:
    weighed = f"list_transform({_entries(field)}, lambda entry: {{'weight': {_weight('entry')}, 'entry': entry}})"
    return f"list_transform(list_slice(list_reverse_sort({weighed}), 1, {HEAVIEST}), lambda one: one.entry)"


def _id(entry: str) -> str:
    return f"split_part(split_part({entry}, chr(2), 2), chr(3), 1)"


def _weight(entry: str) -> str:
    return f"TRY_CAST(split_part({entry}, chr(3), 2) AS DOUBLE)"


def _single(field: str) -> str:
    return f"nullif({_id(_first(field))}, '') AS f{field}"


def _list(field: str) -> list[str]:
    """Ids and weights of the entries `e<field>`, side by side; NULL where the line has none."""
    parts = {"f": f"TRY_CAST({_id('entry')} AS BIGINT)", "w": _weight("entry")}
    return [
        f"nullif(list_transform(e{field}, lambda entry: {part}), []) AS {kind}{field}" for kind, part in parts.items()
    ]


def _stream(con: duckdb.DuckDBPyConnection, query: str, target: Path, label: str) -> None:
    """Write a query's rows to a Parquet file as they come."""
    reader = con.execute(query).to_arrow_reader(ROWS_AT_ONCE)
    with pq.ParquetWriter(target, reader.schema, compression="zstd") as writer:
        for batch in track(reader, label):
            writer.write_batch(batch)


def _refused(con: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """What lines are no record, as a sentence; they stay in the publisher's file."""
    query = (
        "SELECT count(DISTINCT line), min(line) FROM reject_errors JOIN reject_scans USING (scan_id, file_id) "
        f"WHERE file_path = {quote_literal(str(path))}"
    )
    count, line = con.execute(query).fetchall()[0]
    return [f"{path.name}: {count} lines are no record and were left out (the first is line {line})"] if count else []


def _found(con: duckdb.DuckDBPyConnection, part: str, joined: Path, users: Path) -> list[str]:
    """What people should know of a part: rows, and each oddity that occurs."""
    rows, *odd = con.execute(
        "SELECT count(*), count(*) FILTER (click = '0' AND conversion = '1'), count(*) FILTER (NOT found_user), "
        f"count(*) FILTER (incomplete) FROM read_parquet({file_literal(joined)})"
    ).fetchall()[0]
    cut = " + ".join(f"cut_{field}" for field in HISTORIES)
    odd += con.execute(f"SELECT count(*) FILTER ({cut} > 0) FROM read_parquet({file_literal(users)})").fetchall()[0]
    told = (
        "exposures with a conversion but no click",
        "exposures whose line of the common file is missing",
        "exposures with another number of features than their line says",
        f"users with more than {HEAVIEST} entries of a history, of which the heaviest are kept",
    )
    return [f"{part}: {rows:,} exposures"] + [
        f"{part}: {count:,} {what}" for count, what in zip(odd, told, strict=True) if count
    ]
