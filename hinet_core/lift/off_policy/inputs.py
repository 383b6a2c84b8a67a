"""What the table `off_policy` is made from, and whether it is that of now. Light: a schedule asks."""

from hinet_core.contract import Contract
from hinet_core.features.history import step_hashes
from hinet_core.lake import Lake
from hinet_core.lift.run import code_version
from hinet_core.lift.tables import Row

STEP = "off_policy"


def inputs_of(contract: Contract, lake: Lake, seed: int = 0) -> Row:
    """A later run with the same inputs has nothing to compute."""
    return {
        "questions": [one.model_dump(mode="json") for one in contract.questions],
        "impressions": step_hashes(lake, "ingest", lake.days("ingest")),
        "contract": contract.data_fingerprint,
        "seed": seed,
        "code_version": code_version(),
    }


def is_current(contract: Contract, lake: Lake, seed: int = 0) -> bool:
    """Whether every question has its answer from all that is ingested; of no question and no day there is none."""
    days = lake.days("ingest")
    if not contract.questions or not days:
        return True
    return lake.made_from(STEP, days[-1], inputs=inputs_of(contract, lake, seed))
