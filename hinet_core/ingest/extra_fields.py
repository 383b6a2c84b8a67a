"""Empty fields too many at the end of a CSV record: DuckDB drops them even in strict mode.

Where a text holds an unescaped delimiter and the last cell is empty, such a record has its columns shifted, so it must
be refused as any other record of another width.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import islice

from hinet_core.ingest import records
from hinet_core.ingest.plain import CHUNK, Survey, count, open_bytes
from hinet_core.ingest.readers import FileReader
from hinet_core.ingest.streams import header_lines


def has_extra_fields(reader: FileReader, looked: Survey) -> bool:
    """Whether a record has more fields than the CSV has columns, or may have; each line is a record that DuckDB read.

    DuckDB refuses a line with fewer delimiters than its fields need. So where there are no more of them than all lines
    need together, none is one too many; only if there are more, those outside of quotes are counted. A file in which
    every record ends in a delimiter, as some programs write it, is read without these.
    """
    separators, header = len(reader.columns) - 1, header_lines(reader.source)
    needed, n_records = separators * looked.lines, looked.lines - header
    if looked.delimiters == needed:
        return False
    delimiter = reader.source.delimiter.encode()
    found = 0
    for lines in _outside_quotes(reader):
        if lines is None:
            return True
        found += count(lines, delimiter) if len(delimiter) == 1 else lines.count(delimiter)
    if found != needed + n_records or n_records < records.HABIT:
        return found != needed
    each = (line for lines in _outside_quotes(reader) if lines for line in lines.split(b"\n") if line)
    return any(line.count(delimiter) != separators + 1 for line in islice(each, header, None))


def _outside_quotes(reader: FileReader) -> Iterator[bytes | None]:
    """The text of a file in pieces of whole lines, with a quote in the place of what is in quotes; None where a quote
    stands inside of a value, so that it is not known what is outside."""
    delimiter, quote = reader.source.delimiter.encode(), reader.source.quote.encode()
    mark = re.escape(quote)
    # Before a quote that opens stand a delimiter or a line end, or a quote: that is one doubled inside of quotes.
    stray = re.compile(mark + b"".join(b"(?<!%s%s)" % (re.escape(one), mark) for one in (delimiter, b"\n", quote)))
    for lines in _whole_lines(reader):
        outside = lines
        if quote and quote in lines:
            outside = quote.join(lines.split(quote)[::2])
            if stray.search(b"\n" + outside):
                yield None
        yield outside


def _whole_lines(reader: FileReader) -> Iterator[bytes]:
    """The bytes of a file in pieces of whole lines, without the mark of byte order."""
    with open_bytes(reader.path) as file:
        rest = file.read(len(BOM_UTF8)).removeprefix(BOM_UTF8)
        while chunk := file.read(CHUNK):
            lines, end, after = chunk.rpartition(b"\n")
            if end:
                yield rest + lines + end
                rest = after
            else:
                rest += chunk
    yield rest
