"""Inputs that know the answer: one input alone that predicts a label too well, and names that smell of outcomes.

An input is scored by the label's rate among rows with the same value (`single.py`), over all scenarios and within each:
what one place of the app logs wrongly drowns among the others. Only rows whose label is settled count.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from hinet_core.contract import Contract, Task, label_column
from hinet_core.contract.suspicious import suspicious
from hinet_core.lake import Lake, parquet_list, quote_identifier
from hinet_core.quality.findings import DQ_SCHEMA, Finding
from hinet_core.quality.inputs import Input, inputs_of, settled_until_us
from hinet_core.quality.kinds import CheckKind
from hinet_core.quality.single import FOLDS, Auc, scores

STEP = "leaks"
# Older days tell nothing new about an input.
NEWEST_DAYS = 30

SINGLE_INPUT = CheckKind(
    name="single_input",
    severity="warning",
    description="No input alone predicts a label better than quality.leaks.max_auc: it would know the answer.",
    next_step="give the column role = 'outcome' in the contract, so that it cannot be an input, and train again",
)
INPUT_NAME = CheckKind(
    name="input_name",
    severity="warning",
    description="No input bears the name of an outcome.",
    next_step="give the column role = 'outcome' in the contract if it is known only afterwards, else rename it",
)
LEAK_KINDS = (SINGLE_INPUT, INPUT_NAME)


def leaks(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake) -> list[Finding]:
    """Judge every input on the newest settled rows of `examples`, or of `impressions` before there are any.

    One finding per input and task, over all scenarios unless only one of them fails; and one per input with a
    suspicious name; [] when no day is committed.
    """
    table, step = ("examples", "examples") if lake.days("examples") else ("impressions", "ingest")
    days = lake.days(step)[-NEWEST_DAYS:]
    if not days:
        return []
    rows = sampled(con, contract, lake, table, days)
    found = list(named_like_outcomes(contract, days[-1]))
    parts = {"": rows}
    if len(contract.modelled) > 1:
        parts |= {one.id: rows.filter(pc.equal(rows["scenario_id"], one.id)) for one in contract.modelled}
    tasks = [task.name for task in contract.tasks]
    for one in inputs_of(contract, rows.column_names):
        by_part = {scenario: scores(part, one, tasks) for scenario, part in parts.items()}
        for task in contract.tasks:
            verdicts = [judged(contract, one, task, by_part[part][task.name], days[-1], part) for part in parts]
            found.append(next((verdict for verdict in verdicts if verdict.status == "fail"), verdicts[0]))
    return found


def write_leaks(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake) -> list[Finding]:
    """Judge, and keep the findings as rows of `dq_results` of the newest day."""
    found = leaks(con, contract, lake)
    if found:
        with lake.begin(STEP, found[0].day) as draft:
            draft.write_rows("dq_results", [one.row() for one in found], DQ_SCHEMA)
            draft.commit({"full_fingerprint": contract.full_fingerprint})
    return found


def sampled(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, table: str, days: Sequence[date]
) -> pa.Table:
    """An even sample of the days' rows: inputs, scenario, `fold`, and per task its label `y <task>`, missing until
    settled."""
    source = parquet_list(lake.files(table, days))
    present = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    n_rows = con.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0]
    one_in = max(1, round(n_rows / contract.quality.leaks.sample_rows))
    place = "hash(source_file, record_number)"
    columns = [f"CAST({place} // {one_in} % {FOLDS} AS BIGINT) AS fold", "scenario_id"]
    columns += [quote_identifier(one.name) for one in inputs_of(contract, present)]
    for task in contract.tasks:
        label, name = quote_identifier(label_column(task.name)), quote_identifier(f"y {task.name}")
        last = settled_until_us(contract, task, days[-1])
        columns.append(f"CASE WHEN exposed_us <= {last} THEN {label} END AS {name}")
    return con.sql(f"SELECT {', '.join(columns)} FROM {source} WHERE {place} % {one_in} = 0").to_arrow_table()


def judged(contract: Contract, one: Input, task: Task, found: Auc, day: date, scenario: str) -> Finding:
    """One input for one task in a scenario, or in all ('') together, against `quality.leaks`."""
    bounds = contract.quality.leaks
    what = f"computed feature {one.name}" if one.computed else f"column {one.name}"
    fewest = min(found.n_positives, found.n - found.n_positives)
    where = f" in scenario {scenario}" if scenario else ""
    expected = f"{what} alone predicts {task.name}{where} with an AUC of at most {bounds.max_auc:g}"
    note, failed = "", False
    if found.value is None or fewest < bounds.min_positives:
        note = f"not judged: only {fewest} settled rows of one class, {bounds.min_positives} are needed"
    else:
        failed = found.low > bounds.max_auc
        note = f"95 % interval {found.low:.3f} to {found.high:.3f}, {found.n_positives} positives"
    sentence = f"expected {expected}, " + (note if found.value is None else f"found {found.value:.3f} ({note})")
    if failed:
        step = "report this: it looks ahead" if one.computed else SINGLE_INPUT.next_step
        sentence += f": it knows the answer; next step: {step}"
    told = finding(SINGLE_INPUT, day, task.name, one.name, expected, failed, sentence, note, found, bounds.max_auc)
    return replace(told, scenario_id=scenario)


def named_like_outcomes(contract: Contract, day: date) -> Iterator[Finding]:
    """Inputs whose names smell of outcomes."""
    for column in contract.inputs:
        reason = suspicious(column.name)
        if reason is not None:
            expected = f"no input is named like an outcome: {reason}"
            sentence = f"expected {expected}, found input {column.name}; next step: {INPUT_NAME.next_step}"
            yield finding(INPUT_NAME, day, "", column.name, expected, True, sentence, reason)


def finding(
    kind: CheckKind, day: date, task: str, column: str, text: str, failed: bool, sentence: str, note: str,
    found: Auc | None = None, high: float | None = None,
) -> Finding:  # fmt: skip
    return Finding(
        day=day,
        check_name=f"{kind.name}: {column} for {task}" if task else f"{kind.name}: {column}",
        kind=kind.name,
        column_name=column,
        scenario_id="",
        rule_text=text,
        severity=kind.severity,
        status="fail" if failed else "pass",
        observed=found.value if found else None,
        expected_low=None,
        expected_high=high,
        unexpected_count=int(failed),
        n_rows=found.n if found else 0,
        sample="",
        note=note,
        sentence=sentence,
    )
