"""Part of the lift page: what the log's own propensities say of other policies, and what they refuse to say."""

import pandas as pd
import streamlit as st

from dashboards import charts, panels, published, words
from dashboards.published import Snapshot

MARKS = ("IPS", "SNIPS", "DR", "Switch-DR")
TRUTH = "its own rows"
SIGNS = {"green": "✓ passes", "amber": "! amber", "refused": "✗ refused"}
GATES = {
    "rows": "Rows that can be weighted",
    "mean_weight": "Mean weight",
    "ess_rows": "Rows that the weights are worth",
    "effective_orders": "Outcomes that the estimate leans on",
    "ess_share": "Share of the rows that the weights are worth",
    "support_orders": "Outcomes where the baseline never shows what the target does",
}
WEIGHTS = (
    "ess_rows", "ess_share", "effective_orders", "max_weight", "max_weight_share", "top_variance_share", "mean_weight",
    "mean_weight_se", "unseen_share", "added_share", "support_orders", "dropped_share",
)  # fmt: skip

SHOWN = (
    "estimator", "status", "estimate", "low", "high", "truth", "truth_low", "truth_high", "level", "method", "unit",
    "n_units", "n_requests", "n_rows", *WEIGHTS, "reason", "target", "baseline", "log_rows", "truth_rows", "task",
    "first_day", "day", "seed", "code_version",
)  # fmt: skip


def show(snapshot: Snapshot) -> None:
    """All of the part; a sentence where the log is asked nothing."""
    st.header("From your own log")
    rows = newest(snapshot, "off_policy")
    if rows.empty:
        st.markdown(
            "Nothing is estimated from the rows of this log. That takes the probability with which each row was shown, "
            "in a column of role `propensity` of its contract (docs/off_policy.md); `make run` then estimates it."
        )
        return
    titles = dict(zip(rows["question"], rows["title"], strict=True))
    asked = panels.choose("Question", list(titles), "question", titles) if len(titles) > 1 else next(iter(titles))
    mine, gates = rows[rows["question"] == asked], newest(snapshot, "off_policy_gates")
    mine = in_order(mine, quantity=("value_b", "lift"), estimator=MARKS)
    gates = in_order(gates[gates["question"] == asked], gate=tuple(GATES))
    say_question(mine.iloc[0])
    say_answer(mine)
    show_estimates(mine, asked)
    show_gates(gates, asked)
    show_table(mine, asked)


def newest(snapshot: Snapshot, table: str) -> pd.DataFrame:
    """Rows of the newest day, pooled first, then scenarios in their order; none where a snapshot lacks the table."""
    if not published.has_table(snapshot, table):
        return pd.DataFrame()
    return published.query(
        snapshot,
        f"""SELECT t.*,
                   CASE WHEN t.scope = 'pooled' THEN 'All, pooled' ELSE coalesce(s.name, t.scenario_id) END AS place
            FROM {table} AS t LEFT JOIN scenarios AS s USING (scenario_id)
            WHERE t.day = (SELECT max(day) FROM {table}) ORDER BY t.question, t.scope <> 'pooled', s.sort_order""",
    )


def in_order(rows: pd.DataFrame, **ranked: tuple[str, ...]) -> pd.DataFrame:
    """Scopes as they are; within one by each column's values in their order, others last."""
    orders = {"place": tuple(dict.fromkeys(rows["place"])), **ranked}
    ranks = {column: {value: number for number, value in enumerate(values)} for column, values in orders.items()}
    return rows.sort_values(
        list(ranks), key=lambda one: one.map(ranks[str(one.name)]), na_position="last", kind="stable"
    )


def say_question(first: pd.Series) -> None:
    days = " to ".join(dict.fromkeys((words.iso(first["first_day"]), words.iso(first["day"]))))
    rows = f"rows with `{first['log_rows']}`" if first["log_rows"] else "all rows"
    st.markdown(
        f"What would `{first['target']}` have been worth in `{first['task']}` per request, and its lift over "
        f"`{first['baseline']}`? Estimated from {rows} of {days}: outcomes are weighted by the policy's probability of "
        "what was shown over the logged one."
    )


def best(rows: pd.DataFrame) -> pd.Series | None:
    """The estimate to name: doubly robust where there is one."""
    for name in ("DR", "SNIPS", "IPS"):
        found = rows[(rows["estimator"] == name) & rows["estimate"].notna()]
        if len(found):
            return found.iloc[0]
    return None


def say_answer(rows: pd.DataFrame) -> None:
    """The lift over all scenarios, or why there is none; then what is refused elsewhere."""
    first = rows[rows["place"] == rows["place"].iloc[0]]
    lift = best(first[first["quantity"] == "lift"])
    if lift is None:
        reasons = first[first["status"] == "refused"]["reason"]
        st.warning(f"**Refused**: {first['place'].iloc[0]}, because {reasons.iloc[-1]}.")
    else:
        held = " Its own rows show " + said(lift, "truth", "truth_low", "truth_high") + "." if has_truth(lift) else ""
        st.markdown(
            f"**{lift['place']}: {said(lift, 'estimate', 'low', 'high')}** by {lift['estimator']}, from "
            f"{words.count(lift['n_rows'])} rows; intervals are of {lift['unit']}s.{held}"
            + (f" **! Amber**: {lift['reason']}." if lift["status"] == "amber" else "")
        )
    refused = rows[(rows["status"] == "refused") & (rows["place"] != first["place"].iloc[0])]
    for place, mine in refused.groupby("place", sort=False):
        what = "" if (mine["quantity"] == "value_b").any() else "lift "
        st.markdown(f"**{place}**: {what}refused, because {mine['reason'].iloc[0]}.")


def said(row: pd.Series, at: str, low: str, high: str) -> str:
    form = words.signed_percent if row["quantity"] == "lift" else words.four
    return f"{form(row[at])} ({words.interval(row[low], row[high], form, row['level'])})"


def has_truth(row: pd.Series) -> bool:
    return not words.missing(row["truth"])


def show_estimates(rows: pd.DataFrame, asked: str) -> None:
    """Lifts with their intervals, beside what the target's own rows got; values where every lift is refused."""
    # A Switch-DR that never switched is DR again.
    again = (rows["estimator"] == "Switch-DR") & ~(rows["switch_tau"] < float("inf"))
    shown = rows[rows["estimate"].notna() & rows["estimator"].isin(MARKS) & ~again]
    quantity = "lift" if (shown["quantity"] == "lift").any() else "value_b"
    shown = shown[shown["quantity"] == quantity]
    if shown.empty:
        return
    scale = 100.0 if quantity == "lift" else 1.0
    columns = {"value": "estimate", "low": "low", "high": "high"}
    frame = pd.DataFrame({"row": shown["place"], "model": shown["estimator"]})
    for name, column in columns.items():
        frame[name] = scale * shown[column].astype(float)
    frame["low_n"] = shown["status"] == "amber"
    frame["text"] = [said(row, "estimate", "low", "high") for _, row in shown.iterrows()]
    known = rows[(rows["quantity"] == quantity) & rows["truth"].notna()].drop_duplicates("place")
    truths = pd.DataFrame({"row": known["place"], "model": TRUTH})
    for name, column in (("value", "truth"), ("low", "truth_low"), ("high", "truth_high")):
        truths[name] = scale * known[column].astype(float)
    truths["low_n"] = False
    truths["text"] = [said(row, "truth", "truth_low", "truth_high") for _, row in known.iterrows()]
    frame = pd.concat([frame, truths], ignore_index=True)
    names = [name for name in (*MARKS, TRUTH) if name in set(frame["model"])]
    title = "Lift, %" if quantity == "lift" else "Outcomes per request"
    sentence = f"{title} by estimator and scenario" + (f"; {TRUTH}: what the target itself got" if len(truths) else "")
    st.markdown(f"{sentence}. Hollow marks are amber.")
    chart = charts.dots(frame, {name: number for number, name in enumerate(names)}, title,
                        0.0 if quantity == "lift" else None)  # fmt: skip
    panels.figure(chart, frame.drop(columns="text"), f"off-policy-{asked}", sentence)


def show_gates(gates: pd.DataFrame, asked: str) -> None:
    """Every gate with its figure: a refusal is a result."""
    if gates.empty:
        return
    st.subheader("What the estimates are held to")
    counted = gates["verdict"].value_counts()
    told = [f"{counted[verdict]} {sign[2:]}" for verdict, sign in SIGNS.items() if verdict in counted]
    st.markdown(
        f"Gates: {', '.join(told).replace(' passes', ' pass')}. A refused one takes the number away; with an amber one "
        "the interval is that of redrawn users."
    )
    table = pd.DataFrame(
        {
            "scenario": gates["place"],
            "gate": [GATES.get(one, one) for one in gates["gate"]],
            "of": ["the lift" if one == "lift" else "the value" for one in gates["quantity"]],
            "verdict": [SIGNS.get(one, one) for one in gates["verdict"]],
            "found": gates["value"],
            "rule": gates["rule"],
            "reason": gates["reason"],
        }
    )
    panels.grid(table, f"off-policy-gates-{asked}", "gates of the estimates with figure, rule and verdict",
                {"found": "%.4g"})  # fmt: skip


def show_table(rows: pd.DataFrame, asked: str) -> None:
    """Every estimate, and what its weights are like."""
    st.subheader("All estimates")
    st.markdown(
        "The direct method is the reward model alone: as wrong as the model, with nothing in the log to show it, so it "
        "stands in the table beside the others and nowhere else."
    )
    table = pd.DataFrame({"scenario": rows["place"]})
    table["of"] = ["lift" if one == "lift" else "outcomes per request" for one in rows["quantity"]]
    for column in SHOWN:
        table[column] = rows[column]
    small = ("estimate", "low", "high", "truth", "truth_low", "truth_high", *WEIGHTS)
    panels.grid(
        table.dropna(axis="columns", how="all"),
        f"off-policy-table-{asked}",
        "estimates from logged propensities with intervals, truth and figures of their weights",
        {column: "%.4g" for column in small},
    )
