"""An experiment's log as committed examples: simulated, or landed from a folder; read, audited, made into features."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from hinet_core import quality
from hinet_core.contract import Contract
from hinet_core.evaluation.run import settled_on
from hinet_core.features.tables import day_tables
from hinet_core.ingest.days import STEP, IngestResult, ingest_days
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.ingest.outcome_books import write_books
from hinet_core.ingest.pending import pending_days
from hinet_core.ingest.public import import_log
from hinet_core.lake import Lake, connect
from hinet_core.progress import track
from hinet_core.quality.docs import write_docs
from hinet_core.quality.verdict import kept_out
from hinet_core.settings import Paths


class NoLogError(ValueError):
    """The log of an experiment is not here; the message says how to get it."""


class LogNotWholeError(ValueError):
    """A file of the log is refused, or its audit keeps a day out; the message says why."""


def committed(contract: Contract, paths: Paths, folder: Path | None, missing: str, as_of: date | None) -> Lake:
    """The lake with every landed day read as `hinet ingest` reads it, and its examples made; what is there is kept.

    Raises NoLogError where there is no log. Raises LogNotWholeError for a refused file, and for a day kept out before
    the judged days are settled, since features look back at all of them; without `as_of`, for any day kept out.
    """
    lake = Lake(paths.lake)
    end = date.max if as_of is None else settled_on(contract, as_of)
    if has_landed(contract, paths, folder):
        refused, results = read(contract, paths, lake)
        require_whole(contract, lake, end, refused, results)
        con = connect()
        try:
            for table in day_tables(contract):
                table.write(con, contract, lake, table.pending(contract, lake))
        finally:
            con.close()
        lake.rebuild_catalog(paths.catalog)
    elif lake.days("examples"):
        require_whole(contract, lake, end)
    else:
        raise NoLogError(f"{contract.name}: no examples are committed under {paths.root}; {missing}")
    return lake


def has_landed(contract: Contract, paths: Paths, folder: Path | None) -> bool:
    """Bring the log into landing, from the folder or from its world; False where there is neither."""
    if folder is not None and contract.origin is not None:
        import_log(contract, paths, folder)
    elif folder is not None:
        land(contract, paths, folder)
    elif contract.world is not None:
        from hinet_core.world.log import write_log

        write_log(contract, paths.landing)
    else:
        return False
    return True


def read(contract: Contract, paths: Paths, lake: Lake) -> tuple[list[str], list[IngestResult]]:
    """Write, audit, commit the landed days that are new or changed; books, catalog and pages follow.

    -> a sentence for each refused file, and what came of the days
    """
    landed = index(contract, paths)
    asked = pending_days(lake, landed)
    days = ingest_days(contract, lake, landed, asked, auditor=quality)  # type: ignore[arg-type]
    results = list(track(days, f"{contract.name}: ingesting days", total=len(asked)))
    write_books(lake, landed)
    lake.rebuild_catalog(paths.catalog)
    write_docs(contract, lake, paths.docs, results)
    return list(landed.refused.values()), results


def require_whole(
    contract: Contract, lake: Lake, end: date, refused: Sequence[str] = (), results: Sequence[IngestResult] = ()
) -> None:
    """Raise LogNotWholeError for refused files and for days before `end` that are kept out."""
    problems, out = list(refused), [day for day in lake.blocked(STEP) if day < end]
    if out:
        why = kept_out([one for one in results if one.day in out])
        problems.append(why or f"kept out by the audit: {', '.join(map(str, out))} (`hinet ingest` says why)")
    if problems:
        raise LogNotWholeError(
            f"{contract.name}: {'; '.join(problems)}. Models would be compared on other days than the experiment's: "
            "correct the files or the contract, and run the same again"
        )
