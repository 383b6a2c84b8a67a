"""Parts of the lift page: what a simulated online test would have seen, its days, guardrails and calibration."""

import pandas as pd
import streamlit as st

from dashboards import charts, panels, published, words
from dashboards.published import Snapshot

ESTIMATORS = {"L1": "expected (L1)", "L2": "replay with the same luck (L2)", "L3": "online test (L3)"}
LIGHTS = {"green": "✓ OK", "amber": "! Watch", "red": "✗ FAILED"}
GUARDRAIL_SIGNS = {"holds": "✓ holds", "undecided": "? undecided", "broken": "✗ broken"}


def rows_like(snapshot: Snapshot, table: str, lift: pd.Series) -> pd.DataFrame:
    """Rows of a table about the same two rankings, pooled first; none where an older snapshot lacks the table."""
    if not published.has_table(snapshot, table):
        return pd.DataFrame()
    return published.query(
        snapshot,
        f"""SELECT t.*, coalesce(s.name, t.scenario_id) AS scenario, coalesce(m.name, t.metric) AS metric_name
            FROM {table} AS t LEFT JOIN scenarios AS s USING (scenario_id) LEFT JOIN metrics AS m USING (metric)
            WHERE t.kind = ? AND t.as_of = ?::DATE AND t.model_a = ? AND t.model_b = ?
            ORDER BY t.scope <> 'pooled', s.sort_order, m.sort_order, t.estimator""",
        *(str(lift[name])[: 10 if name == "as_of" else None] for name in ("kind", "as_of", "model_a", "model_b")),
    )  # fmt: skip


def show(snapshot: Snapshot, lift: pd.DataFrame) -> None:
    """All parts; `lift` has the rows of L1, pooled first."""
    pooled = lift.iloc[0]
    test = rows_like(snapshot, "lift_test", pooled)
    st.header("As an online test would see it")
    if test.empty:
        panels.empty("No simulated test of these rankings is committed.", "Materialize `lift_test`, then publish.")
    else:
        show_test(snapshot, lift, test)
        show_days(rows_like(snapshot, "lift_days", pooled))
        show_guardrails(rows_like(snapshot, "lift_guardrails", pooled))
    show_calibration(snapshot)


def show_test(snapshot: Snapshot, lift: pd.DataFrame, test: pd.DataFrame) -> None:
    """The test in a sentence beside the expected lift, its split of users, and every estimate in every scenario."""
    as_of = words.iso(lift.iloc[0]["as_of"])
    online = test[(test["estimator"] == "L3") & (test["scope"] == "pooled") & (test["metric"] == "orders_per_request")]
    st.markdown("  \n".join([said(lift.iloc[0], online.iloc[0]), *split_words(snapshot, lift.iloc[0])]))
    rows = pd.concat([lift.assign(metric_name="Orders per request"), test], ignore_index=True)
    rows["place"] = [place(row) for _, row in rows.iterrows()]
    order = {name: number for number, name in enumerate(dict.fromkeys(rows["place"]))}
    rows = rows.sort_values(
        ["metric", "place", "estimator"], key=lambda one: one.map(order) if one.name == "place" else one
    )
    table = pd.DataFrame({"metric": rows["metric_name"], "scenario": rows["place"]})
    table["seen by"] = rows["estimator"].map(ESTIMATORS)
    for column in ("lift", "low", "high", "true_lift", "oracle_lift", "mde80"):
        table[f"{column}, %"] = (100 * rows[column].astype(float)).round(3)
    for column in ("p_raw", "p_bh", "n_users", "n_requests", "orders_a", "orders_b", "method", "status", "reason"):
        table[column] = rows[column]
    panels.grid(
        table.dropna(axis="columns", how="all"),
        f"lift-test-{as_of}",
        "lift by estimator and scenario with interval, truth and smallest effect found",
        {column: "%+.2f" for column in table.columns if column.endswith(", %")} | {"p_raw": "%.2g", "p_bh": "%.2g"},
    )


def place(row: pd.Series) -> str:
    return "All, pooled" if row["scope"] == "pooled" else str(row["scenario"])


def said(expected: pd.Series, online: pd.Series) -> str:
    """What the test shows, beside what is true."""
    truth = (
        f"The expected lift is {words.signed_percent(expected['lift'])} "
        f"({words.interval(expected['low'], expected['high'], words.signed_percent, expected['level'])})."
    )
    if online["status"] != "estimated":
        return f"**No number**, because {online['reason']}. {truth}"
    seen = (
        f"A test of {words.count(online['n_requests'])} requests by {words.count(online['n_users'])} users, half of "
        f"them in each arm, shows **{words.signed_percent(online['lift'])}** "
        f"({words.interval(online['low'], online['high'], words.signed_percent, online['level'])}, "
        f"{words.count(online['orders_a'])} and {words.count(online['orders_b'])} orders). "
    )
    small = (
        f" **Under-powered**: it finds {words.percent(online['mde80'])} with 80 % power, and the lift of its own "
        f"requests is {words.signed_percent(online['true_lift'])}."
        if not words.missing(online["mde80"]) and abs(online["true_lift"]) < online["mde80"]
        else ""
    )
    return f"{seen}{truth}{small}"


def split_words(snapshot: Snapshot, lift: pd.Series) -> list[str]:
    """The check of the split over all users, as one line; nothing where it was not made."""
    if not published.has_table(snapshot, "lift_splits"):
        return []
    found = published.query(
        snapshot,
        "SELECT * FROM lift_splits WHERE as_of = ?::DATE AND model_a = ? AND model_b = ? AND scope = 'pooled'",
        words.iso(lift["as_of"]), lift["model_a"], lift["model_b"],
    )  # fmt: skip
    return [
        f"**{LIGHTS[row.light]}**: users split {words.count(row.users_a)} to {words.count(row.users_b)} (p {row.p:.2g})"
        if not words.missing(row.light)
        else f"**! Watch**: the split of users is not checked, {row.reason}"
        for row in found.itertuples()
    ]


def show_days(days: pd.DataFrame) -> None:
    """The lift so far by the end of each day."""
    if days.empty:
        return
    days = days.sort_values("test_day")
    last = days.iloc[-1]
    st.subheader("Day by day")
    if days["lift"].isna().all():
        st.markdown(f"**No number** on any day, because {last['reason']}.")
        return
    percents = {"lift": "lift", "low": "low", "high": "high", "sequential_low": "sequential_low",
                "sequential_high": "sequential_high", "true_lift": "true"}  # fmt: skip
    frame = pd.DataFrame({"day": days["test_day"].to_numpy()})
    for column, name in percents.items():
        frame[f"{name}_pct"] = (100 * days[column].astype(float)).to_numpy()
    frame["p_sequential"], frame["tau"] = days["p_sequential"].to_numpy(), days["tau"].to_numpy()
    frame["n_requests"], frame["reason"] = days["n_requests"].to_numpy(), days["reason"].to_numpy()
    sentence = (
        f"After {words.plural(int(last['test_day']), 'day')} the interval that may be looked at daily is "
        f"{words.signed_percent(last['sequential_low'])} to {words.signed_percent(last['sequential_high'])}"
    )
    st.markdown(
        f"{sentence}. Points are the lift so far, bars the fixed interval, which holds for one look that was chosen "
        "beforehand; the band holds at all looks together. Dashed: the lift of the requests of this test, which only a "
        "simulation knows."
    )
    name = f"lift-days-{words.iso(last['as_of'])}"
    panels.figure(charts.days_of_test(frame), frame.dropna(axis="columns", how="all"), name, sentence)


def show_guardrails(guards: pd.DataFrame) -> None:
    """What must not get worse, each with its margin and its verdict."""
    if guards.empty:
        return
    st.subheader("Guardrails")
    pooled = guards[guards["scope"] == "pooled"]["verdict"].fillna("not estimable").value_counts()
    broken = guards[(guards["scope"] != "pooled") & (guards["verdict"] == "broken")]
    told = ", ".join(f"{number} {verdict}" for verdict, number in pooled.items())
    where = ", ".join(f"{row.metric_name} in {row.scenario}" for row in broken.itertuples())
    st.markdown(
        f"Pooled: {told}. In scenarios: {f'broken are {where}' if where else 'none broken'}. "
        "A guardrail holds where the worst that is likely (one-sided 5 %) is within its margin."
    )
    table = pd.DataFrame(
        {
            "guardrail": guards["metric_name"],
            "scenario": [place(row) for _, row in guards.iterrows()],
            "verdict": [GUARDRAIL_SIGNS.get(one, "not estimable") for one in guards["verdict"]],
        }
    )
    for column, name in (("lift", "change, %"), ("worst", "at worst, %"), ("margin", "margin, %")):
        table[name] = (100 * guards[column].astype(float)).round(3)
    for column in ("value_a", "value_b", "n_users", "n_requests", "method", "reason"):
        table[column] = guards[column]
    panels.grid(
        table.dropna(axis="columns", how="all"),
        f"lift-guardrails-{words.iso(guards['as_of'].iloc[0])}",
        "guardrails with their margins and verdicts",
        {"change, %": "%+.2f", "at worst, %": "%+.2f", "margin, %": "%.0f"},
    )


def show_calibration(snapshot: Snapshot) -> None:
    """Whether the statistics held known truths when that was last tried."""
    st.header("Do such intervals hold the truth?")
    found = pd.DataFrame()
    if published.has_table(snapshot, "lift_calibration"):
        found = published.query(
            snapshot,
            """SELECT * FROM lift_calibration WHERE day = (SELECT max(day) FROM lift_calibration)
               ORDER BY inside, suite, name""",
        )
    if found.empty:
        panels.empty("No calibration is committed.", "Materialize `lift_calibration`, which takes about a minute.")
        return
    first, inside = found.iloc[0], int(found["inside"].sum())
    alike = found[found["name"].str.startswith("T1 ") & found["name"].str.contains("pooled")]
    told = ", ".join(words.percent(value) for value in alike["value"])
    st.markdown(
        f"**{words.count(inside)} of {words.count(len(found))} figures are within their bounds**, "
        f"{words.iso(first['day'])}, {words.count(first['replications'])} simulated tests each, "
        f"{first['code_version']}. "
        + (f"Identical arms were told apart at 5 % in {told} of them (pooled, by method). " if told else "")
        + "Bounds are those of 500 tests: with fewer a figure may be outside by chance."
    )
    with st.expander("Show figures"):
        panels.grid(found, f"lift-calibration-{words.iso(first['day'])}", "figures of the calibration and their bounds")
