"""The closed list of what can be wrong with a day; each kind becomes one check in Dagster."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True, kw_only=True)
class CheckKind:
    """One kind of expectation. `severity` is Great Expectations' word; a failed critical one keeps the day out."""

    name: str
    severity: Severity
    description: str
    next_step: str

    @property
    def blocking(self) -> bool:
        return self.severity == "critical"


REPAIR = "compare the sample with the log and its side tables; repair them or the contract's rule, and ingest again"

KINDS = (
    CheckKind(
        name="not_empty",
        severity="critical",
        description="The day has rows.",
        next_step="look for the day's files in the landing folder and in the quarantine counts",
    ),
    CheckKind(
        name="min_rows",
        severity="critical",
        description="The day has at least quality.min_rows rows.",
        next_step="check whether the log of the day is complete, or lower quality.min_rows in the contract",
    ),
    CheckKind(
        name="reconciled",
        severity="critical",
        description="Rows read = kept + duplicate + quarantined, and the rows kept are the rows written.",
        next_step="ingest the day again; if it stays, the reader loses rows and must be repaired",
    ),
    CheckKind(
        name="column_type",
        severity="critical",
        description="Every column is there, with the type of the contract.",
        next_step="correct the column's type or its name in the log in the contract, then ingest the day again",
    ),
    CheckKind(
        name="not_null",
        severity="critical",
        description="Columns that are not nullable have no missing value.",
        next_step="declare the column nullable = true in the contract, or repair the log",
    ),
    CheckKind(
        name="value_range",
        severity="critical",
        description="Numbers lie between the contract's min and max.",
        next_step=REPAIR,
    ),
    CheckKind(
        name="value_set",
        severity="critical",
        description="Values are among those that the contract lists; labels are 0 or 1.",
        next_step=REPAIR,
    ),
    CheckKind(
        name="pattern",
        severity="critical",
        description="Texts match the contract's pattern as a whole.",
        next_step=REPAIR,
    ),
    CheckKind(
        name="unique_key",
        severity="critical",
        description="No two rows of the day share the contract's key.",
        next_step="check dedupe.key in the contract; duplicates should have been removed by ingest",
    ),
    CheckKind(
        name="funnel_order",
        severity="critical",
        description="A later task never happens without the earlier one.",
        next_step="set on_violation of the task in the contract to 'clip' or 'quarantine', then ingest the day again",
    ),
    CheckKind(
        name="known_time",
        severity="critical",
        description="No outcome is known before its exposure.",
        next_step="check the zone and unit of the outcome's time column in the contract",
    ),
    CheckKind(
        name="day_matches",
        severity="critical",
        description="Every row was shown on this day in the contract's time zone.",
        next_step="check time_zone and the zone of the time column in the contract",
    ),
    CheckKind(
        name="known_scenario",
        severity="critical",
        description="Scenarios are those of the contract.",
        next_step="ingest should have refused such rows: add the scenario to [[scenarios]] and ingest the day again",
    ),
    CheckKind(
        name="unknown_scenario_share",
        severity="critical",
        description="The share of rows read whose scenario the contract does not know is within its bound.",
        next_step="add the scenario to [[scenarios]] in the contract, or raise quality.max_unknown_scenario_share",
    ),
    CheckKind(
        name="quarantined_share",
        severity="critical",
        description="The share of rows read that was refused is within its bound.",
        next_step="read the reasons with `hinet quarantine`; repair the log or the rule, then ingest the day again",
    ),
    CheckKind(
        name="duplicate_share",
        severity="warning",
        description="The share of rows read that repeats a key is within its bound.",
        next_step="check whether a file landed twice, or raise quality.max_duplicate_share",
    ),
    CheckKind(
        name="scenario_duplicates",
        severity="warning",
        description="The share of a scenario's rows that repeats a key is within quality.max_duplicate_share.",
        next_step="check whether one source of the scenario logs twice, or raise quality.max_duplicate_share",
    ),
    CheckKind(
        name="null_share",
        severity="warning",
        description="The share of missing values per scenario is within quality.max_null_share.",
        next_step="check the side table that the column comes from, or raise quality.max_null_share",
    ),
    CheckKind(
        name="scenario_volume",
        severity="warning",
        description="Each scenario has at least quality.scenario_min_rows rows.",
        next_step="check whether the scenario's log is complete, or lower quality.scenario_min_rows",
    ),
    CheckKind(
        name="scenario_seen",
        severity="info",
        description="Each modelled scenario without a declared volume has rows.",
        next_step="a scenario that is retired can be set to modelled = false in the contract",
    ),
    CheckKind(
        name="stray_scenario",
        severity="warning",
        description="Scenarios that are retired or not modelled have at most their share of the rows.",
        next_step="set modelled = true or retired = false in the contract, or raise quality.max_unmodelled_share or "
        "quality.max_retired_share",
    ),
    CheckKind(
        name="task_rate",
        severity="warning",
        description="The 95 % interval of each task's rate per modelled scenario meets quality.task_rates.",
        next_step="check how the label is read and joined, or widen quality.task_rates",
    ),
    CheckKind(
        name="volume_change",
        severity="warning",
        description="Each scenario has about as many rows as on the same weekday of the weeks before.",
        next_step="check whether the scenario's log is complete or comes twice, or widen quality.history.min_volume "
        "and max_volume",
    ),
    CheckKind(
        name="null_change",
        severity="warning",
        description="The share of missing values per scenario is about that of the days before.",
        next_step="check the side table that the column comes from, or raise quality.history.max_null_change",
    ),
    CheckKind(
        name="rate_change",
        severity="warning",
        description="Each task's rate per scenario is about that of the days before.",
        next_step="check how the label is read and joined, or raise quality.history.max_rate_factor",
    ),
    CheckKind(
        name="new_share",
        severity="warning",
        description="Few rows have a value of an id input that none of the days before had.",
        next_step="check whether the column's values are spelled otherwise now; if they are really new, train again, "
        "or raise the column's bound in quality.history.new_shares",
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}
