"""On a simulated log: how many more orders each architecture's ranking is worth than the baseline's, over seeds."""

from collections.abc import Sequence
from datetime import date

from hinet_core.experiments.experiment import Experiment
from hinet_core.experiments.grid import Trained
from hinet_core.lake import Lake, connect
from hinet_core.lift.architecture_rows import Compared, Pair
from hinet_core.lift.judgement import judge
from hinet_core.lift.run import code_version, ready_days
from hinet_core.lift.scoring import ModelRankers
from hinet_core.world.load import load


def lifts(
    experiment: Experiment, lake: Lake, trained: Sequence[Trained], as_of: date, seed: int = 0
) -> list[Compared]:
    """Of every model over the baseline, pooled and per scenario, on fresh requests of the judged days.

    Every seed of every model ranks the same requests. Refused, with the reason, below five seeds; empty
    without a world.
    """
    contract = experiment.contract
    if contract.world is None:
        return []
    seeds: dict[str, list[str]] = {}
    for one in trained:
        seeds.setdefault(one.entry.name, []).append(one.folder.name)
    a_M = seeds.pop(experiment.baseline)
    pairs = [Pair(contract, as_of, experiment.baseline, model, a_M, b_M) for model, b_M in seeds.items()]
    if refused := [row for one in pairs if (row := one.too_few_seeds())]:
        return refused
    world, days, con = load(contract), ready_days(contract, lake, as_of), connect()
    try:
        rankers = ModelRankers(con, contract, lake, {one.folder.name: one.folder for one in trained})
        judgement = judge(world, contract, days, experiment.lift_requests, seed, rankers)
    finally:
        con.close()
    found = [compared for one in pairs for compared in one.compare(world, judgement)]
    for compared in found:
        compared.row.update(world_hash=world.hash, seed=seed, code_version=code_version())
    return found
