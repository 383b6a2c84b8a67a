"""Whether a day still looks like the days before it, and like what the champion learned from.

Per feature and modelled scenario the day's distribution is compared with each reference by PSI and Jensen-Shannon
distance, per task and scenario the label's rate by its difference; only settled labels count. One row of `drift` each.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from hinet_core.contract import Contract, Task, label_column
from hinet_core.lake import Lake, Manifest, parquet_list, quote_identifier
from hinet_core.progress import track
from hinet_core.quality.distance import Histogram, js_distance, psi
from hinet_core.quality.findings import Finding
from hinet_core.quality.inputs import Input, inputs_of, settled_until_us
from hinet_core.quality.kinds import CheckKind
from hinet_core.quality.maturity import late_by
from hinet_core.quality.samples import Cell, cells_of, sampled, scenario_counts
from hinet_core.quality.shares import newcombe

STEP = "drift"
FEATURE_DRIFT = CheckKind(
    name="feature_drift",
    severity="warning",
    description="Features are distributed as in the days before and as in the champion's training days.",
    next_step="check the column's source; if the world changed, train again, or raise the bound in quality.drift",
)
LABEL_DRIFT = CheckKind(
    name="label_drift",
    severity="warning",
    description="Each task's rate per scenario is about that of the days before and of the champion's training days.",
    next_step="check how the label is read; if the world changed, train again, or raise quality.drift.max_rate_change",
)
DRIFT_KINDS = (FEATURE_DRIFT, LABEL_DRIFT)
TRAILING, CHAMPION = "trailing", "champion"
METRICS = ("psi", "rate_change", "js")
# A day drifts only when it is so many times as far as the most unusual day of its reference.
MANY_TIMES = 2
DRIFT_SCHEMA = pa.schema(
    [("day", pa.date32()), ("reference", pa.string()), ("feature", pa.string()), ("kind", pa.string()),
     ("scenario_id", pa.string()), ("metric", pa.string()), ("value", pa.float64()), ("low", pa.float64()),
     ("high", pa.float64()), ("n", pa.int64()), ("n_reference", pa.int64()), ("status", pa.string()),
     ("note", pa.string())]
)  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """What a day is compared with; `version` names the champion's."""

    name: str
    days: tuple[date, ...]
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class DriftRow:
    """`metric`: psi, js or rate_change. `low` and `high`: the 95 % interval of a change of rate. `n` and `n_reference`:
    rows looked at. `status`: pass, fail, low_count for a cell with too few rows for a verdict, or not_judged for one
    with a single value all day or a reference of few days; `note` says so."""

    day: date
    reference: str
    feature: str
    kind: str
    scenario_id: str
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    n_reference: int
    status: str
    note: str

    @property
    def order(self) -> tuple[int, float]:
        """Strongest first; PSI and Jensen-Shannon distance have scales of their own."""
        return METRICS.index(self.metric), -abs(self.value or 0.0)

    def finding(self) -> Finding:
        """A failed row as a warning for people."""
        kind = LABEL_DRIFT if self.kind == "label" else FEATURE_DRIFT
        text = f"{self.metric} of {self.feature} against the {self.reference} days"
        return Finding(
            day=self.day, check_name=f"{kind.name}: {self.feature}", kind=kind.name, column_name=self.feature,
            scenario_id=self.scenario_id, rule_text=text, severity=kind.severity, status=self.status,
            observed=self.value, expected_low=None, expected_high=None, unexpected_count=1, n_rows=self.n, sample="",
            note=self.note,
            sentence=f"found {text} {self.value or 0.0:.3g} ({self.n} rows, {self.n_reference} before): {self.note}; "
            f"next step: {kind.next_step}",
        )  # fmt: skip


class Committed:
    """The rows that are there, each manifest opened once: many days share their references."""

    def __init__(self, lake: Lake) -> None:
        self.ingested = lake.days("ingest")
        self._days = {"examples": set(lake.days("examples")), "impressions": set(self.ingested)}
        self._lake, self._hashes = lake, dict[tuple[str, date], str]()

    def table_of(self, day: date) -> str:
        """`examples` where the day has them, else `impressions`."""
        return "examples" if day in self._days["examples"] else "impressions"

    def days(self, table: str) -> set[date]:
        return self._days[table]

    def hash_of(self, table: str, day: date) -> str:
        if (table, day) not in self._hashes:
            manifest = self._lake.manifest("examples" if table == "examples" else "ingest", day)
            self._hashes[table, day] = manifest.hash_of(table) if manifest is not None else ""
        return self._hashes[table, day]


def references(contract: Contract, committed: Committed, day: date, champion: Reference | None) -> list[Reference]:
    """The committed days before the day and, for days after them all, those that the champion learned from."""
    there = committed.days(committed.table_of(day))
    window = [day - timedelta(days=back) for back in range(contract.quality.drift.window_days, 0, -1)]
    found = [Reference(TRAILING, tuple(window))]
    if champion is not None and champion.days and max(champion.days) < day:
        found.append(champion)
    present = [Reference(one.name, tuple(d for d in one.days if d in there), one.version) for one in found]
    return [one for one in present if one.days]


def drift_rows(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date, champion: Reference | None = None
) -> Iterator[DriftRow]:
    """The mix of scenarios, every feature and every label of a committed day against each reference."""
    committed = Committed(lake)
    table, newest = committed.table_of(day), committed.ingested[-1]
    for reference in references(contract, committed, day, champion):
        before, now = lake.files(table, reference.days), lake.files(table, [day])
        yield from mix_rows(con, contract, day, reference, before, now)
        sample = sampled(con, contract, reference.days, before, now)
        for one in inputs_of(contract, sample.rows.column_names):
            if is_filled(one, reference, committed):
                for cell in cells_of(contract, sample, one):
                    yield from distances(contract, day, reference, (one.name, one.encode), cell)
        sources = parquet_list(before), parquet_list(now)
        for task in contract.tasks:
            yield from label_rows(con, contract, day, reference, sources, task, newest)


def is_filled(one: Input, reference: Reference, committed: Committed) -> bool:
    """Whether a feature's window held whole days of the log on every day of the reference; a lifetime never does.

    Before, it grows from day to day, which says nothing of the log."""
    if not one.window:
        return True
    days = one.window.removesuffix("d")
    return days.isdigit() and (min(reference.days) - committed.ingested[0]).days >= int(days)


def mix_rows(
    con: duckdb.DuckDBPyConnection, contract: Contract, day: date, reference: Reference, before: list[Path],
    now: list[Path],
) -> Iterator[DriftRow]:  # fmt: skip
    """The shares of the modelled scenarios; each file is a day."""
    names = [one.id for one in contract.modelled]
    counts = [scenario_counts(con, parquet_list([file])) for file in (*before, *now)]
    counts_DK = np.array([[float(counted.get(name, 0)) for name in names] for counted in counts])
    histogram = Histogram(names, counts_DK[:-1], counts_DK[-1])
    cell = Cell("", histogram, int(counts_DK[:-1].sum()), int(counts_DK[-1].sum()))
    yield from distances(contract, day, reference, ("scenario_id", "id"), cell)


def distances(
    contract: Contract, day: date, reference: Reference, feature: tuple[str, str], cell: Cell
) -> Iterator[DriftRow]:
    """Both distances of one cell. A fail is beyond its bound, and twice as far as any day of the reference is from its
    other days."""
    bounds, histogram = contract.quality.drift, cell.histogram
    few = f"a reference of fewer than {bounds.min_days} days" if len(reference.days) < bounds.min_days else ""
    why_not = cell.why_not or few
    for metric, measure, most in (("psi", psi, bounds.max_psi), ("js", js_distance, bounds.max_js)):
        value = None if histogram.is_empty else histogram.far(measure)
        change = "nothing to compare" if value is None else histogram.largest_change
        if value is None or min(cell.n_before, cell.n_now) < bounds.min_rows:
            status, note = "low_count", f"no verdict below {bounds.min_rows} rows"
        elif why_not:
            status, note = "not_judged", f"no verdict: {why_not}"
        else:
            usual = histogram.usual(measure)
            status = "fail" if value > max(most, MANY_TIMES * usual) else "pass"
            note = f"at most {most:g}, days before up to {usual:.2g}"
        yield DriftRow(
            day=day, reference=reference.name, feature=feature[0], kind=feature[1], scenario_id=cell.scenario_id,
            metric=metric, value=value, n=cell.n_now, n_reference=cell.n_before, status=status,
            note=f"{note}; {change}",
        )  # fmt: skip


def label_rows(
    con: duckdb.DuckDBPyConnection, contract: Contract, day: date, reference: Reference, sources: tuple[str, str],
    task: Task, newest: date,
) -> Iterator[DriftRow]:  # fmt: skip
    """The change of a task's rate per scenario: a fail when its interval lies wholly beyond the allowed part of the
    reference's rate."""
    bounds = contract.quality.drift
    counted_before, counted_now = (
        label_counts(con, source, task, settled_until_us(contract, task, newest)) for source in sources
    )
    for scenario in contract.modelled:
        part_before, n_before = counted_before.get(scenario.id, (0, 0))
        part, n = counted_now.get(scenario.id, (0, 0))
        value = low = high = None
        status, note = "low_count", f"no verdict below {bounds.min_rows} settled rows"
        if n and n_before:
            before = part_before / n_before
            value, (low, high) = part / n - before, newcombe(part, n, part_before, n_before)
            note = f"rate from {before:.3g} to {part / n:.3g}, at most {bounds.max_rate_change:g} of it; {note}"
            if min(n, n_before) >= bounds.min_rows:
                allowed = bounds.max_rate_change * before
                status = "fail" if low > allowed or high < -allowed else "pass"
                note = note.partition(";")[0]
        yield DriftRow(
            day=day, reference=reference.name, feature=task.name, kind="label", scenario_id=scenario.id,
            metric="rate_change", value=value, low=low, high=high, n=n, n_reference=n_before, status=status, note=note,
        )  # fmt: skip


def label_counts(
    con: duckdb.DuckDBPyConnection, source: str, task: Task, settled_us: int
) -> dict[str, tuple[int, int]]:
    """(positives, labelled rows) per scenario, of settled rows."""
    label = quote_identifier(label_column(task.name))
    found = con.execute(
        f"SELECT scenario_id, sum({label})::BIGINT, count({label}) FROM {source} "
        f"WHERE exposed_us <= {settled_us} AND {label} IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return {scenario: (positives, n) for scenario, positives, n in found}


def lineage(contract: Contract, committed: Committed, day: date, champion: Reference | None) -> dict[str, Any]:
    """What a day's rows are made from now: bounds, rows of the day and its references, and which labels are settled."""
    table, age = committed.table_of(day), committed.ingested[-1] - day
    compared = references(contract, committed, day, champion)
    days = sorted({day, *(one for reference in compared for one in reference.days)})
    return {
        "data_fingerprint": contract.data_fingerprint,
        "bounds": contract.quality.drift.model_dump(mode="json"),
        "inputs": {one.isoformat(): committed.hash_of(table, one) for one in days},
        "champion": [one.version for one in compared if one.name == CHAMPION],
        "settled": [task.name for task in contract.tasks if age >= max(task.matures_after, late_by(contract, task))],
    }


def pending_days(contract: Contract, lake: Lake, champion: Reference | None) -> list[date]:
    """Ingested days whose drift is not that of the present rows and champion."""
    committed = Committed(lake)  # nothing is opened before it is asked for
    return [
        day
        for day in committed.ingested
        if not lake.made_from(STEP, day, **lineage(contract, committed, day, champion))
    ]


def write_drift(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date, champion: Reference | None = None
) -> tuple[Manifest, list[DriftRow]]:
    """Compute and commit the drift of one ingested day."""
    rows = list(drift_rows(con, contract, lake, day, champion))
    with lake.begin(STEP, day) as draft:
        draft.write_rows(STEP, [asdict(one) for one in rows], DRIFT_SCHEMA)
        return draft.commit(lineage(contract, Committed(lake), day, champion)), rows


def write_drift_range(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, days: Iterable[date], champion: Reference | None
) -> list[tuple[Manifest, list[DriftRow]]]:
    """Commit several days, oldest first."""
    wanted = sorted(set(days))
    return [write_drift(con, contract, lake, day, champion) for day in track(wanted, "drift", total=len(wanted))]
