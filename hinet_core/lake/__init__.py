"""The Parquet lake: immutable files, one manifest per (step, day), and the only door to DuckDB.

A day of a step becomes visible when its manifest is replaced, and in no other way. Readers resolve manifests,
never globs, so a file that no manifest names does not exist for anybody and can be swept.
"""

from hinet_core.lake.draft import ROW_GROUP, Draft, content_hash
from hinet_core.lake.durable import crash_point, fsync_path, replace_text
from hinet_core.lake.errors import LakeError, first_line, told
from hinet_core.lake.manifest import NO_DAY, Manifest, TableFile
from hinet_core.lake.spill import is_gone, spill_folder, sweep_spill
from hinet_core.lake.sql import connect, file_literal, parquet_list, quote_identifier, quote_literal
from hinet_core.lake.tables import SWEEP_AFTER_S, Lake, is_older

__all__ = [
    "NO_DAY",
    "ROW_GROUP",
    "SWEEP_AFTER_S",
    "Draft",
    "Lake",
    "LakeError",
    "Manifest",
    "TableFile",
    "connect",
    "content_hash",
    "crash_point",
    "file_literal",
    "first_line",
    "fsync_path",
    "is_gone",
    "is_older",
    "parquet_list",
    "quote_identifier",
    "quote_literal",
    "replace_text",
    "spill_folder",
    "sweep_spill",
    "told",
]
