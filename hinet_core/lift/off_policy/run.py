"""What the contract asks of its log's propensities, committed: every estimate, and every gate with its verdict.

Under the newest ingested day, of all days through it. The same functions as `hinet off-policy`. Deterministic.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from hinet_core.contract import Contract, Question
from hinet_core.lake import Lake, LakeError
from hinet_core.lift.expected import NotEstimableError
from hinet_core.lift.off_policy.answers import answers, task_of
from hinet_core.lift.off_policy.inputs import STEP, inputs_of
from hinet_core.lift.off_policy.lake_estimates import Scope
from hinet_core.lift.off_policy.lake_rows import COLUMNS, GATE_COLUMNS, gate_rows, rows_of
from hinet_core.lift.run import code_version
from hinet_core.lift.tables import Row

ESTIMATES, GATES = "off_policy", "off_policy_gates"
_TEXT = {
    "question", "title", "target", "baseline", "log_rows", "truth_rows", "task", "scope", "scenario_id", "quantity",
    "estimator", "status", "reason", "method", "unit", "code_version", "gate", "rule", "verdict",
}  # fmt: skip
_KINDS = dict.fromkeys(_TEXT, pa.string()) | dict.fromkeys(("day", "first_day"), pa.date32())
_KINDS |= dict.fromkeys(("n_units", "n_requests", "n_rows"), pa.int64()) | {"seed": pa.int32()}
ASKED = (
    "question", "title", "day", "first_day", "target", "baseline", "log_rows", "truth_rows", "task", "seed",
    "code_version",
)  # fmt: skip


def _schema(*names: str) -> pa.Schema:
    return pa.schema([(name, _KINDS.get(name, pa.float64())) for name in names])


OFF_POLICY = _schema(*ASKED, *COLUMNS)
OFF_POLICY_GATES = _schema("question", "day", *GATE_COLUMNS)


def commit_estimates(contract: Contract, lake: Lake, seed: int = 0) -> list[Row]:
    """Answer every question of the contract and commit both tables; returns the estimates."""
    days = lake.days("ingest")
    if not days:
        raise LakeError(f"{contract.name}: no day is ingested; run `hinet ingest --contract {contract.name}`")
    inputs = inputs_of(contract, lake, seed)
    estimates: list[Row] = []
    gates: list[Row] = []
    for question in contract.questions:
        asked = asked_of(contract, question, days, seed)
        for scope in answered(contract, lake, question, days, seed):
            estimates += [asked | row for row in rows_of(scope)]
            gates += [{"question": question.name, "day": days[-1]} | row for row in gate_rows(scope)]
    with lake.begin(STEP, days[-1]) as draft:
        draft.write_rows(ESTIMATES, estimates, OFF_POLICY)
        draft.write_rows(GATES, gates, OFF_POLICY_GATES)
        draft.commit({"inputs": inputs, "full_fingerprint": contract.full_fingerprint})
    return estimates


def answered(
    contract: Contract, lake: Lake, question: Question, days: Sequence[date], seed: int
) -> list[Scope]:
    """The answer; what cannot be asked of these rows is a refusal in every scope."""
    said: dict[str, Any] = {name: getattr(question, name) for name in ("target", "baseline", "log", "truth", "task")}
    try:
        return answers(contract, lake, days=days, seed=seed, **said)
    except NotEstimableError as error:
        scopes = ["", *(one.id for one in contract.modelled)]
        return [Scope(one, None, str(error), {}, None, 0) for one in scopes]


def asked_of(contract: Contract, question: Question, days: Sequence[date], seed: int) -> Row:
    """The question and what it was asked of, beside every row of its answer."""
    return {
        "question": question.name, "title": question.title or question.name, "day": days[-1], "first_day": days[0],
        "target": question.target, "baseline": question.baseline, "log_rows": question.log or "",
        "truth_rows": question.truth or "", "task": task_of(contract, question.task).name, "seed": seed,
        "code_version": code_version(),
    }  # fmt: skip
