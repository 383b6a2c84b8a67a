"""The lift of two frozen models (kind `artifact`): how many more orders the challenger's ranking is worth.

Relative to the baseline's. Computed where the truth is known (a simulated world) and refused where it is not. Fresh
requests of the judged days are ranked by both models, and the world says what each ranking is worth. Deterministic.
"""

import logging
from collections.abc import Mapping
from datetime import date, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hinet_core.contract import Contract, fingerprint
from hinet_core.evaluation.run import NotMatureYet, judged_days, trained_runs
from hinet_core.features.examples import history_inputs
from hinet_core.lake import Lake, connect
from hinet_core.lift.expected import METHOD, ratio_lift, relative
from hinet_core.lift.judgement import Judgement, judge
from hinet_core.lift.policies import POLICIES, Floats
from hinet_core.lift.scopes import adjust, estimated, scopes
from hinet_core.lift.statistics.samples import NotEstimableError
from hinet_core.lift.tables import LIFT, Row, blank_row, refused_row
from hinet_core.world.load import load
from hinet_core.world.truth import World

log = logging.getLogger(__name__)

STEP = "lift"
REQUESTS_PER_SCENARIO = 400


def estimate(
    contract: Contract,
    lake: Lake,
    models_root: Path,
    as_of: date,
    requests_per_scenario: int = REQUESTS_PER_SCENARIO,
    seed: int = 0,
) -> list[Row]:
    """Commit the table `lift` as of D and return its rows: pooled first, then every modelled scenario."""
    reason = refusal(contract)
    if reason:
        rows = [refused_row(contract, as_of, one.id, reason) for one in contract.modelled]
        rows = [refused_row(contract, as_of, None, reason), *rows]
        info: Row = {"reason": reason}
    else:
        world = load(contract)
        days = ready_days(contract, lake, as_of)
        judgement = rank_by_models(contract, world, lake, models_root, as_of, days, requests_per_scenario, seed)
        common = {"world_hash": world.hash, "seed": seed, "code_version": code_version()}
        rows = [row | common for row in lift_rows(contract, as_of, world, judgement)]
        info = {"days": [day.isoformat() for day in days], "requests_per_scenario": requests_per_scenario, **common}
    with lake.begin(STEP, as_of) as draft:
        draft.write_rows("lift", rows, LIFT)
        draft.commit(info | {"full_fingerprint": contract.full_fingerprint, "inputs": inputs_of(contract, lake, as_of)})
    return rows


def inputs_of(contract: Contract, lake: Lake, as_of: date) -> Row:
    """What a lift as of D is made from: a later run with the same inputs has nothing to compute."""
    if contract.world is None:
        return {"reason": refusal(contract)}
    compared = {
        name: lake.manifest(f"train/{name}", as_of) for name in (contract.lift.baseline, contract.lift.challenger)
    }
    return {
        "models": {name: manifest.info["version"] for name, manifest in compared.items() if manifest},
        "history": {day.isoformat(): history_inputs(contract, lake, day) for day in judged_days(contract, as_of)},
        "world": fingerprint(contract.world),
        "contract": contract.data_fingerprint,
    }


def refusal(contract: Contract) -> str | None:
    """Why this log's lift cannot be computed, or None when a simulated world knows the truth."""
    if contract.world is not None:
        return None
    if contract.column_for("propensity") is None:
        return (
            "the log has neither propensities nor a simulated world: what users would have ordered under another "
            "ranking was not observed"
        )
    return (
        "the log has propensities but no simulated world: what another policy would have been worth is estimated by "
        f"`hinet off-policy --contract {contract.name}`, from its probabilities of the shown rows; those of "
        "these models are not in the log"
    )


def ready_days(contract: Contract, lake: Lake, as_of: date) -> list[date]:
    """The judged days, once the daily aggregates that their features look back on are committed."""
    days = judged_days(contract, as_of)
    committed = set(lake.days("entity_daily"))
    missing = [before for day in days if (before := day - timedelta(days=1)) not in committed]
    if missing:
        raise NotMatureYet(
            f"lift as of {as_of} ranks requests of {days[0]} … {days[-1]}: expected entity_daily of the days before, "
            f"missing {', '.join(map(str, missing))}. Materialize these days, or take an earlier as_of."
        )
    return days


def rank_by_models(
    contract: Contract,
    world: World,
    lake: Lake,
    models_root: Path,
    as_of: date,
    days: list[date],
    requests_per_scenario: int,
    seed: int,
) -> Judgement:
    """Both models of the contract's [lift] section, as trained as of D, on fresh requests of the days."""
    from hinet_core.lift.scoring import ModelRankers

    wanted = sorted({contract.lift.baseline, contract.lift.challenger})
    con = connect()
    try:
        runs = trained_runs(con, contract, lake, as_of, wanted)
        folders = {run["model"]: models_root / run["version"] for run in runs}
        rankers = ModelRankers(con, contract, lake, folders)
        return judge(world, contract, days, requests_per_scenario, seed, rankers)
    finally:
        con.close()


def lift_rows(contract: Contract, as_of: date, world: World, judgement: Judgement) -> list[Row]:
    """The pooled row and one per modelled scenario; BH-adjusted p-values over the scenarios."""
    rows = [lift_row(contract, as_of, *scope) for scope in scopes(contract, world, judgement)]
    adjust(rows)
    return rows


def lift_row(contract: Contract, as_of: date, scenario_id: str | None, judgement: Judgement, weight_R: Floats) -> Row:
    value: Mapping[str, Floats] = judgement.value_R
    a_R, b_R = value[contract.lift.baseline], value[contract.lift.challenger]
    try:
        found = ratio_lift(a_R, b_R, judgement.user_R, weight_R)
    except NotEstimableError as error:
        return refused_row(contract, as_of, scenario_id, str(error))
    references = {f"{name}_lift": relative(value[name], a_R, weight_R) for name in POLICIES}
    return blank_row(contract, as_of, scenario_id) | references | estimated(found, METHOD)


def code_version() -> str:
    """The installed version of the platform."""
    try:
        return version("hinet-platform")
    except PackageNotFoundError:
        return "unknown"
