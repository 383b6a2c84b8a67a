"""Rows of mixed days in batches of one day each, in bounded memory."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

BATCHES_HELD = 3  # full batches that may wait for rows of their days


def one_day_each(batches: Iterator[pa.RecordBatch], rows_a_batch: int) -> Iterator[pa.RecordBatch]:
    """The same rows, each day's in their order, by the column `placed_day` that every row has.

    A batch of one day passes as it is; of mixed ones the rows of a day are gathered until they make a batch, or until
    too many wait: then the day with most of them goes first.
    """
    waiting: dict[date, list[pa.RecordBatch]] = defaultdict(list)
    rows: dict[date, int] = defaultdict(int)

    def gathered(day: date) -> pa.RecordBatch:
        del rows[day]
        return pa.concat_batches(waiting.pop(day))

    for batch in batches:
        for day, part in _days_of(batch):
            waiting[day].append(part)
            rows[day] += part.num_rows
            if (len(waiting[day]) == 1 and part is batch) or rows[day] >= rows_a_batch:
                yield gathered(day)
        while sum(rows.values()) > BATCHES_HELD * rows_a_batch:
            yield gathered(max(rows, key=rows.__getitem__))
    for day in list(waiting):
        yield gathered(day)


def _days_of(batch: pa.RecordBatch) -> Iterator[tuple[date, pa.RecordBatch]]:
    days = batch["placed_day"]
    found = pc.unique(days).to_pylist()
    for day in found:
        yield day, batch if len(found) == 1 else batch.filter(pc.equal(days, pa.scalar(day, days.type)))
