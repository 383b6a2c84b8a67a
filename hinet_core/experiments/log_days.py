"""An experiment's log as committed examples: simulated, or landed from a folder, then read and made into features."""

import logging
from pathlib import Path

from hinet_core.contract import Contract
from hinet_core.features.tables import day_tables
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.ingest.pending import pending_days
from hinet_core.ingest.public import import_log
from hinet_core.lake import Lake, connect
from hinet_core.settings import Paths

log = logging.getLogger(__name__)


class NoLogError(ValueError):
    """The log of an experiment is not here; the message says how to get it."""


def committed(contract: Contract, paths: Paths, folder: Path | None, missing: str) -> Lake:
    """The lake with every landed day read and its examples made; what is there already is left as it is."""
    lake = Lake(paths.lake)
    if folder is not None and contract.origin is not None:
        import_log(contract, paths, folder)
    elif folder is not None:
        land(contract, paths, folder)
    elif contract.world is not None:
        from hinet_core.world.log import write_log

        write_log(contract, paths.landing)
    elif not lake.days("examples"):
        raise NoLogError(f"{contract.name}: no examples are committed under {paths.root}; {missing}")
    else:
        return lake
    landed = index(contract, paths)
    for result in ingest_days(contract, lake, landed, pending_days(lake, landed)):
        log.info("%s: %d rows", result.day, result.counts["rows_kept"])
    con = connect()
    try:
        for table in day_tables(contract):
            table.write(con, contract, lake, table.pending(contract, lake))
    finally:
        con.close()
    return lake
