"""The kept rows of a judged day as `impressions` has them, in the order of the files.

Where nothing is joined to the log they are the staged batches themselves, without the rows that fell: to ask DuckDB
for them would cost as much as to write them.
"""

from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np
import pyarrow as pa

from hinet_core.contract import Contract
from hinet_core.ingest.stage import ROWS_A_BATCH, Stage
from hinet_core.ingest.staging import PLACE, PLACE_NAME, impression_columns, impression_names
from hinet_core.lake import ROW_GROUP


def is_joined(contract: Contract) -> bool:
    """Whether impressions hold what other files than the log say; if so the stage's connection makes their rows."""
    return any(source.kind != "log" for source in contract.sources)


def kept_rows(stage: Stage, day: date) -> Iterator[pa.Table]:
    """The rows of `judged` with the verdict 'kept', a row group of the lake at a time, and at least one table."""
    if is_joined(stage.contract):
        batches = _joined(stage)
    else:
        fallen = stage.con.execute("SELECT place FROM day_verdicts WHERE verdict <> 'kept'").fetchnumpy()["place"]
        batches = _without(stage, day, fallen)
    return _row_groups(stage.cursors.going_on(batches))


def _joined(stage: Stage) -> Iterator[pa.RecordBatch]:
    columns = ", ".join(impression_columns(stage.contract))
    query = f"SELECT {columns} FROM judged WHERE verdict = 'kept' ORDER BY {PLACE}"  # a join loses the order
    rows = stage.con.sql(query).to_arrow_reader(ROWS_A_BATCH)
    yield pa.RecordBatch.from_pylist([], rows.schema)
    yield from rows


def _without(stage: Stage, day: date, fallen: np.ndarray) -> Iterator[pa.RecordBatch]:
    """The day's staged rows but for those at the places that fell, with the columns of `impressions`."""
    files, names = pa.array([one.path for one in stage.files]), impression_names(stage.contract)
    for batch in stage.batches[day]:
        kept = ~np.isin(batch[PLACE_NAME].to_numpy(), fallen)
        batch = batch.append_column("source_file", files.take(batch["file_number"])).select(names)
        yield batch if kept.all() else batch.filter(pa.array(kept))


def _row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        if held and sum(one.num_rows for one in (*held, batch)) > ROW_GROUP:
            yield pa.Table.from_batches(held)
            held = []
        held.append(batch)
    yield pa.Table.from_batches(held)
