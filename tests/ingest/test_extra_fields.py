"""A field too many at the end of a record, which DuckDB's reader drops where it is empty, against counting fields."""

import random

import duckdb
import pytest

from hinet_core.contract import Source
from hinet_core.ingest.extra_fields import has_extra_fields
from hinet_core.ingest.plain import survey
from hinet_core.ingest.readers import FileReader
from hinet_core.ingest.records import Cells
from hinet_core.lake import connect

WIDTH = 3
PIECES = ["a", "b", " ", '"', '""', '"a"', '"a~b"', '"a""b"', '"~"', "a", "", "~", "~"]


@pytest.mark.parametrize("delimiter", [",", "||"])
def test_what_duckdb_reads_has_no_field_too_many_by_the_line_readers_count(tmp_path, delimiter):
    """Sound on every random file; and not so careful that clean files would be read line by line."""
    rng, con, path = random.Random(7), connect(), tmp_path / "log.csv"
    source = Source(name="log", files="*", format="csv", delimiter=delimiter, header=False, names=["c{1..3}"])
    reader = FileReader(source, path, dict.fromkeys("xyz", "VARCHAR"), "log.csv")
    seen = {"clean": 0, "extra": 0, "careful": 0}
    for _ in range(600):
        cells = [["".join(rng.choices(PIECES, k=rng.choice([0, 1, 1, 2]))) for _ in range(WIDTH)] for _ in range(2)]
        lines = ["~".join(one).replace("~", delimiter) + rng.choice(["", "", delimiter]) for one in cells]
        path.write_bytes((rng.choice(["", "\ufeff"]) + rng.choice(["\n", "\r\n"]).join([*lines, ""])).encode())
        looked = survey(path, True, delimiter)
        try:
            if looked.odd or len(con.execute(reader.query).fetchall()) != looked.lines:
                continue
        except duckdb.Error:
            continue
        found = [Cells(delimiter, '"').split(one)[0] for one in lines]
        wrong = any(values is None or len(values) != WIDTH for values in found)
        if all(values is not None and len(values) == WIDTH + 1 and not values[-1] for values in found):
            wrong = False  # the file's own habit
        careful = has_extra_fields(reader, looked)
        assert careful or not wrong, lines
        seen["extra" if wrong else "careful" if careful else "clean"] += 1
    assert seen["extra"] > 20 and seen["clean"] > 5 * seen["careful"], seen
