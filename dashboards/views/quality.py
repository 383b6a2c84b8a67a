"""Data quality: what failed, since when, what does it keep out?"""

from typing import Any

import pandas as pd
import streamlit as st

from dashboards import charts, panels, published, words
from dashboards.published import Snapshot

SIGNS = {"pass": "", "info": "i", "warning": "!", "critical": "✗"}
SHOWN_DAYS = 30


def ingest_days(snapshot: Snapshot) -> pd.DataFrame:
    """The newest days with what became of their rows, oldest first."""
    return published.query(
        snapshot,
        """SELECT * REPLACE (strftime(day, '%Y-%m-%d') AS day) FROM ingest_days
           WHERE day > (SELECT max(day) FROM ingest_days) - ?::INTEGER ORDER BY day""",
        SHOWN_DAYS,
    )


def results(snapshot: Snapshot) -> pd.DataFrame:
    """Findings of the newest days."""
    return published.query(
        snapshot,
        """SELECT strftime(r.day, '%Y-%m-%d') AS day, r.day_status, r.check_name, r.kind, r.column_name,
                  coalesce(s.name, r.scenario_id) AS scenario, r.rule_text, r.severity, r.status, r.observed,
                  r.expected_low, r.expected_high, r.unexpected_count, r.n_rows, r.sample
           FROM dq_results AS r LEFT JOIN scenarios AS s USING (scenario_id)
           WHERE r.day > (SELECT max(day) FROM ingest_days) - ?::INTEGER
           ORDER BY r.day, r.kind, r.check_name, r.column_name, r.scenario_id""",
        SHOWN_DAYS,
    )


def show_cards(days: pd.DataFrame, checks: pd.DataFrame) -> None:
    failed = checks[checks["status"] == "fail"]
    critical = failed[failed["severity"] == "critical"]
    cards = (
        ("Checks run", words.count(len(checks)), f"on {words.plural(checks['day'].nunique(), 'day')}"),
        ("Failed, critical", words.count(len(critical)), since(critical)),
        ("Failed, warning or info", words.count(len(failed) - len(critical)), since(failed.drop(critical.index))),
        (
            "Days kept out or missing",
            f"{(days['status'] != 'committed').sum()} of {len(days)}",
            f"{(days['status'] == 'blocked').sum()} blocked, {(days['status'] == 'gap').sum()} without data",
        ),
    )
    for column, (label, value, note) in zip(st.columns(4), cards, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.metric(label, value)
            st.caption(note)


def since(failed: pd.DataFrame) -> str:
    return f"newest on {failed['day'].max()}" if len(failed) else "none"


def show_days(days: pd.DataFrame) -> None:
    """Read = kept + duplicate + quarantined, per day."""
    st.header("Rows per day")
    total = {name: int(days[f"rows_{name}"].fillna(0).sum()) for name in ("read", *charts.STATUS_COLORS)}
    sentence = (
        f"{words.count(total['read'])} rows read = {words.count(total['kept'])} kept + "
        f"{words.count(total['duplicate'])} duplicate + {words.count(total['quarantined'])} quarantined, "
        f"{days['day'].iloc[0]} to {days['day'].iloc[-1]}."
    )
    st.markdown(sentence)
    long = days.melt(
        id_vars=["day", "status"], value_vars=[f"rows_{name}" for name in charts.STATUS_COLORS],
        var_name="kind", value_name="rows",
    )  # fmt: skip
    long["kind"] = long["kind"].str.removeprefix("rows_")
    long["order"] = long["kind"].map({name: number for number, name in enumerate(charts.STATUS_COLORS)})
    long["rows"] = long["rows"].fillna(0)
    marks = days.loc[days["status"] != "committed", ["day", "status", "rows_read"]]
    marks = marks.rename(columns={"rows_read": "rows"}).fillna({"rows": 0})
    panels.figure(charts.stacked_days(long, marks), days, "rows-per-day", sentence)


def show_heatmap(checks: pd.DataFrame) -> None:
    """The worst result of each kind of check on each day."""
    st.header("Checks by day")
    rank = {"pass": 0, "info": 1, "warning": 2, "critical": 3}
    state = checks["severity"].where(checks["status"] == "fail", "pass")
    scored = checks.assign(state=state, rank=state.map(rank), failed=(checks["status"] == "fail").astype(int))
    cells = scored.groupby(["day", "kind"], as_index=False).agg(
        rank=("rank", "max"), failed=("failed", "sum"), run=("failed", "size")
    )
    names = {number: name for name, number in rank.items()}
    cells["state"] = cells["rank"].map(names)
    cells["sign"] = cells["state"].map(SIGNS)
    cells["text"] = [f"{row.failed} of {row.run} failed" for row in cells.itertuples()]
    bad = cells[cells["failed"] > 0]
    kinds, failing = cells["kind"].nunique(), sorted(set(bad["kind"]))
    sentence = f"All {kinds} kinds of check passed on every day"
    if failing:
        days = words.plural(bad["day"].nunique(), "day")
        sentence = f"{len(failing)} of {kinds} kinds of check failed on {days}: {', '.join(failing)}"
    st.markdown(f"{sentence}. A critical failure (✗) keeps the day out, others (!, i) warn.")
    panels.figure(charts.heatmap(cells), cells.drop(columns=["rank", "sign"]), "checks-by-day", sentence)


def show_failures(checks: pd.DataFrame) -> None:
    st.header("Failures")
    failed = checks[checks["status"] == "fail"]
    if failed.empty:
        st.markdown("None: every check passed.")
        return
    rank = failed["severity"].map({"critical": 0, "warning": 1}).fillna(2)
    ordered = failed.assign(rank=rank).sort_values(["rank", "day"], ascending=[True, False])
    shown = ordered[
        ["severity", "day", "rule_text", "column_name", "scenario", "observed", "expected_low", "expected_high",
         "unexpected_count", "n_rows", "sample", "day_status", "check_name"]
    ]  # fmt: skip
    st.markdown("Worst and newest first; `day_status` says whether the day was kept out. Samples carry no raw ids.")
    panels.grid(shown, "failures", "failed checks, worst first")


def telling_check(measured: pd.DataFrame) -> str:
    """The check to open with: the newest failure, else one that moves, else any."""
    failing = measured.loc[measured["status"] == "fail", "label"]
    values = measured.groupby("label")["observed"].nunique()
    moving = values[values > 1].index
    return str(failing.iloc[-1] if len(failing) else moving[0] if len(moving) else values.index[0])


def check_label(row: Any) -> str:
    """The check, its column where the name does not say it, its scenario."""
    parts = [row.check_name] + [
        part
        for part in (row.column_name, row.scenario)
        if isinstance(part, str) and part and part not in row.check_name
    ]
    return " · ".join(parts)


def show_history(checks: pd.DataFrame) -> None:
    """One check over the days, with its bounds."""
    st.header("One check over time")
    measured = checks.dropna(subset=["observed"])
    if measured.empty:
        st.markdown("No check has measured a number yet.")
        return
    label = [check_label(row) for row in measured.itertuples()]
    measured = measured.assign(label=label)
    names = sorted(measured["label"].unique())
    first = names.index(telling_check(measured))
    name = panels.choose("Check", names, "check", default=first)
    one = measured[measured["label"] == name]
    newest = one.iloc[-1]
    sentence = (
        f"{newest['rule_text']}: {words.number(newest['observed'])} on {newest['day']}, "
        f"{'passed' if newest['status'] == 'pass' else 'failed'}; failed on {(one['status'] == 'fail').sum()} of "
        f"{words.plural(len(one), 'day')}."
    )
    st.markdown(sentence)
    columns = ["day", "observed", "expected_low", "expected_high", "status", "severity", "n_rows"]
    bounded = one[columns].copy()
    spread = one["observed"].abs().max()
    for bound in ("expected_low", "expected_high"):  # a bound far away would flatten the line
        bounded[bound] = bounded[bound].where(bounded[bound].abs() <= 20 * max(spread, 1e-9))
    panels.figure(charts.history(bounded, "Observed"), one[columns], f"check-{name}", sentence)


def show_counters(snapshot: Snapshot) -> None:
    """Why rows were refused or changed."""
    frame = published.query(
        snapshot,
        """SELECT counter, detail, sum(rows)::BIGINT AS rows, count(DISTINCT day) AS days FROM ingest_counters
           WHERE counter <> 'scenario_rows' GROUP BY ALL HAVING sum(rows) > 0 ORDER BY rows DESC, counter, detail""",
    )
    st.header("Refused and changed rows, all committed days")
    if frame.empty:
        st.markdown("None.")
        return
    panels.grid(frame, "counters", "refused and changed rows by reason")


def main() -> None:
    st.title("Data quality")
    snapshot = published.current()
    days = ingest_days(snapshot)
    if days.empty:
        panels.empty("No day is ingested yet.", "Put log files into the landing folder and materialize `impressions`.")
        return
    checks = results(snapshot)
    show_cards(days, checks)
    show_days(days)
    if checks.empty:
        panels.empty("No check has run yet.", "Checks run with the ingest of each day.")
    else:
        show_heatmap(checks)
        show_failures(checks)
        show_history(checks)
    show_counters(snapshot)


main()
