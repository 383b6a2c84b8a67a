"""The first rows of a log file, for a try: a smaller file of the same form, its header with it."""

from codecs import getincrementalencoder
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hinet_core.contract import Source


def copy_first_rows(source: Source, origin: Path, target: Path, rows: int) -> None:
    """Write a file with the first `rows` records of `origin` to `target`; compressed as `origin` is (gzip, zstd)."""
    if source.format == "parquet":
        return _parquet(origin, target, rows)
    quote = source.quote if source.format == "csv" else ""
    header = int(source.format == "csv" and source.header)
    compression = {".gz": "gzip", ".zst": "zstd"}.get(origin.suffix.lower())
    # Line ends and bytes that are no text stay as they are.
    encode = getincrementalencoder(source.encoding)("surrogateescape").encode
    with pa.input_stream(origin, compression) as stream, pa.output_stream(target, compression) as cut:
        lines = TextIOWrapper(stream, source.encoding, errors="surrogateescape", newline="")
        for record in islice(records(lines, quote), rows + header):
            cut.write(encode(record))


def records(lines: Iterable[str], quote: str) -> Iterator[str]:
    """The records of a text: a line, or several where a quote is still open at its end."""
    record = ""
    for line in lines:
        record += line
        if not quote or record.count(quote) % 2 == 0:
            yield record
            record = ""
    if record:
        yield record


def _parquet(origin: Path, target: Path, rows: int) -> None:
    with pq.ParquetFile(origin) as file, pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer:
        left = rows
        for batch in file.iter_batches(batch_size=min(rows, 65_536)):
            writer.write_batch(batch.slice(0, left))
            left -= batch.num_rows
            if left <= 0:
                break
