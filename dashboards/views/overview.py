"""Overview: is today's model good, fresh and safe?"""

import pandas as pd
import streamlit as st

from dashboards import charts, panels, published, words
from dashboards.published import Snapshot

RECENT_DAYS = 7
MOST_ITEMS = 10
MISSING = {
    "blocked": ("critical", "Data", "", "day kept out by a critical check"),
    "gap": ("warning", "Data", "", "no data on this day"),
}


def champion_of(snapshot: Snapshot) -> pd.Series | None:
    """The champion, or the newest challenger while there is none."""
    models = published.query(
        snapshot, "SELECT * FROM models ORDER BY role = 'champion' DESC, role = 'challenger' DESC, color_slot LIMIT 1"
    )
    return models.iloc[0] if len(models) else None


def pooled_auc(snapshot: Snapshot) -> pd.DataFrame:
    """Pooled AUC of every model and task, of the newest evaluation."""
    return published.query(
        snapshot,
        """SELECT m.model, d.display_name AS model_name, d.color_slot, t.name AS task_name, m.task, m.value, m.low,
                  m.high, m.level, m.n, m.n_positives, m.n_users, m.null_reason, m.as_of
           FROM eval_metrics AS m JOIN models AS d USING (model) JOIN tasks AS t USING (task)
           WHERE m.metric = 'auc' AND m.scope = 'pooled' AND m.split = 'judged'
             AND m.as_of = (SELECT max(as_of) FROM eval_metrics)
           ORDER BY t.sort_order, d.color_slot""",
    )


def pooled_deltas(snapshot: Snapshot, model: str) -> pd.DataFrame:
    return published.query(
        snapshot,
        """SELECT e.task, e.delta, e.low, e.high, e.level, b.display_name AS baseline_name
           FROM eval_deltas AS e JOIN models AS b ON b.model = e.baseline
           WHERE e.metric = 'auc' AND e.scope = 'pooled' AND e.split = 'judged' AND e.model = ?
             AND e.as_of = (SELECT max(as_of) FROM eval_deltas)""",
        model,
    )


def pooled_lift(snapshot: Snapshot) -> pd.Series | None:
    rows = published.query(
        snapshot,
        """SELECT l.*, a.display_name AS name_a, b.display_name AS name_b FROM lift AS l
           LEFT JOIN models AS a ON a.model = l.model_a LEFT JOIN models AS b ON b.model = l.model_b
           WHERE scope = 'pooled' AND metric = 'orders_per_request' AND kind = 'artifact' AND estimator = 'L1'
           ORDER BY l.as_of DESC LIMIT 1""",
    )
    return rows.iloc[0] if len(rows) else None


def recent_failures(snapshot: Snapshot) -> pd.DataFrame:
    """Failed checks of the newest days, worst first."""
    return published.query(
        snapshot,
        """SELECT day, severity, check_name, column_name, scenario_id, rule_text, observed FROM dq_results
           WHERE status = 'fail' AND day > (SELECT max(day) FROM ingest_days) - ?::INTEGER
           ORDER BY severity = 'critical' DESC, severity = 'warning' DESC, day DESC, check_name""",
        RECENT_DAYS,
    )


def missing_days(snapshot: Snapshot) -> pd.DataFrame:
    return published.query(
        snapshot, "SELECT day, status FROM ingest_days WHERE status <> 'committed' ORDER BY day DESC"
    )


def say_champion(snapshot: Snapshot, champion: pd.Series) -> None:
    """One sentence: which model, since when, trained and judged on what."""
    run = published.query(snapshot, "SELECT * FROM runs WHERE model = ? ORDER BY as_of DESC LIMIT 1", champion["model"])
    role = (
        f"is champion ({champion['champion_reason']})"
        if champion["role"] == "champion"
        else "is the newest model, no champion is named yet"
    )
    trained = ""
    if len(run):
        one = run.iloc[0]
        trained = (
            f" Its newest run is as of {words.iso(one['as_of'])}, trained on {words.iso(one['train_from'])} to "
            f"{words.iso(one['train_to'])} ({words.count(one['n_train'])} examples, preset {one['preset']})."
        )
    st.markdown(f"**{champion['display_name']}** {role}.{trained}")


def show_cards(snapshot: Snapshot, champion: pd.Series) -> None:
    """AUC per task, order lift, failed checks."""
    metrics, deltas = pooled_auc(snapshot), pooled_deltas(snapshot, champion["model"])
    own = metrics[metrics["model"] == champion["model"]].head(2)
    columns = st.columns(len(own) + 2)
    for column, (_, row) in zip(columns, own.iterrows(), strict=False):
        with column, st.container(border=True, height="stretch"):
            show_auc_card(row, deltas[deltas["task"] == row["task"]])
    with columns[-2], st.container(border=True, height="stretch"):
        show_lift_card(pooled_lift(snapshot))
    with columns[-1], st.container(border=True, height="stretch"):
        show_checks_card(snapshot)


def show_auc_card(row: pd.Series, delta: pd.DataFrame) -> None:
    st.metric(f"{row['task_name']}: AUC, pooled", words.four(row["value"]))
    if words.missing(row["value"]):
        st.caption(f"n/a: {row['null_reason']}")
        return
    st.caption(f"{words.interval(row['low'], row['high'], level=row['level'])}, n = {words.count(row['n'])}")
    if len(delta) and not words.missing(delta["delta"].iloc[0]):
        one = delta.iloc[0]
        st.caption(
            f"{words.signed_four(one['delta'])} against {one['baseline_name']} "
            f"({words.signed_four(one['low'])} to {words.signed_four(one['high'])})"
        )


def show_lift_card(row: pd.Series | None) -> None:
    if row is None:
        st.metric("Order lift, pooled", "n/a")
        st.caption("Not estimated yet.")
    elif row["status"] != "estimated":
        st.metric("Order lift, pooled", "n/a")
        st.caption(f"Not estimable: {row['reason']}")
    else:
        st.metric("Order lift, pooled", words.signed_percent(row["lift"]))
        st.caption(
            f"{words.interval(row['low'], row['high'], words.signed_percent, row['level'])}, "
            f"n = {words.count(row['n_requests'])} requests"
        )
        names = f"{row['name_b'] or row['model_b']} against {row['name_a'] or row['model_a']}"
        st.caption(f"Simulated, as trained once: {names}")


def show_checks_card(snapshot: Snapshot) -> None:
    failures = recent_failures(snapshot)
    critical = int((failures["severity"] == "critical").sum())
    st.metric("Critical failures", critical)
    st.caption(f"Checks of the last {RECENT_DAYS} days; {words.plural(len(failures) - critical, 'other failure')}.")


def show_strip(snapshot: Snapshot) -> None:
    """One line per area: a word, the reason, the page."""
    lines = [
        ("Models", *model_words(snapshot), "views/metrics.py"),
        ("Lift", *lift_words(pooled_lift(snapshot)), "views/lift.py"),
        ("Quality", *quality_words(snapshot), "views/quality.py"),
        ("Data", *data_words(snapshot), "views/quality.py"),
    ]
    with st.container(border=True):
        for area, word, reason, page in lines:
            link, text = st.columns([1, 6], vertical_alignment="center")
            link.page_link(page, label=f"**{area}**")
            text.markdown(f"**{word}**: {reason}")


def model_words(snapshot: Snapshot) -> tuple[str, str]:
    newest = published.query(snapshot, "SELECT max(as_of) AS as_of FROM eval_metrics")["as_of"].iloc[0]
    if words.missing(newest):
        return "— None", "nothing evaluated yet"
    return "✓ OK", f"evaluated as of {words.iso(newest)}"


def quality_words(snapshot: Snapshot) -> tuple[str, str]:
    if published.query(snapshot, "SELECT count(*) AS n FROM dq_results")["n"].iloc[0] == 0:
        return "— None", "no check has run yet"
    failures = recent_failures(snapshot)
    critical = (failures["severity"] == "critical").any()
    word = "✗ Failed" if critical else "! Watch" if len(failures) else "✓ OK"
    return word, f"{words.plural(len(failures), 'failed check')} in the last {RECENT_DAYS} days"


def data_words(snapshot: Snapshot) -> tuple[str, str]:
    days = published.query(snapshot, "SELECT count(*) AS n FROM ingest_days")["n"].iloc[0]
    missing = missing_days(snapshot)
    if days == 0:
        return "— None", "no day is ingested yet"
    if len(missing):
        return "! Watch", f"{len(missing)} of {words.plural(days, 'day')} blocked or without data"
    return "✓ OK", f"no gap in {words.plural(days, 'day')}"


def lift_words(row: pd.Series | None) -> tuple[str, str]:
    if row is None:
        return "— None", "not estimated yet"
    if row["status"] != "estimated":
        return "— None", f"not estimable: {row['reason']}"
    if row["low"] > 0:
        return "✓ OK", "more expected orders, the interval excludes 0"
    if row["high"] < 0:
        return "! Watch", "fewer expected orders, the interval excludes 0"
    return "✓ OK", "no detectable difference, the interval holds 0"


def attention(snapshot: Snapshot) -> pd.DataFrame:
    """The worst things first, over all areas."""
    failures = recent_failures(snapshot)
    names, tasks = (
        published.words(snapshot, "scenarios", "scenario_id", "name"),
        published.words(snapshot, "tasks", "task", "name"),
    )
    items = [
        (row["severity"], "Quality", names.get(row["scenario_id"], ""), row["rule_text"], words.iso(row["day"]))
        for _, row in failures.iterrows()
    ]
    items += [(*MISSING[row["status"]], words.iso(row["day"])) for _, row in missing_days(snapshot).iterrows()]
    undefined = published.query(
        snapshot,
        """SELECT DISTINCT scenario_id, task, null_reason, as_of FROM eval_metrics
           WHERE null_reason IS NOT NULL AND null_reason <> '' AND split = 'judged'
             AND as_of = (SELECT max(as_of) FROM eval_metrics) ORDER BY ALL""",
    )
    items += [
        (
            "info",
            "Models",
            names.get(row["scenario_id"], ""),
            f"metrics of {tasks.get(row['task'], row['task'])} are undefined: {row['null_reason']}",
            words.iso(row["as_of"]),
        )
        for _, row in undefined.iterrows()
    ]
    frame = pd.DataFrame(items, columns=["severity", "area", "scenario", "what", "day"])
    rank = frame["severity"].map({"critical": 0, "warning": 1}).fillna(2)
    return frame.assign(rank=rank).sort_values(["rank", "day"], ascending=[True, False]).drop(columns="rank")


def leader_words(task: str, scores: pd.DataFrame) -> str:
    """Which model is highest for a task, and whether another's interval reaches it."""
    best = scores.loc[scores["value"].idxmax()]
    close = scores[(scores["high"] >= best["value"]) & (scores["model"] != best["model"])]
    return f"{best['model_name']} is highest for {task} ({words.four(best['value'])}" + (
        f"), inside the interval of {words.plural(len(close), 'other model')}" if len(close) else ")"
    )


def show_models(snapshot: Snapshot) -> None:
    """Every model's pooled AUC, with intervals."""
    frame = pooled_auc(snapshot)
    st.header("AUC of every model, all scenarios pooled")
    defined = frame.dropna(subset=["value"])
    if defined.empty:
        panels.empty("No pooled AUC is defined.", "See the reasons on the page Scenario metrics.")
        return
    best = [leader_words(str(task), group) for task, group in defined.groupby("task_name", sort=False)]
    sentence = "; ".join(best) + f". Judged on days after training, as of {words.iso(frame['as_of'].iloc[0])}."
    st.markdown(sentence)
    slots = dict(zip(frame["model_name"], frame["color_slot"].astype(int), strict=True))
    drawn = frame.assign(
        row=frame["task_name"],
        model=frame["model_name"],
        low_n=frame["n_positives"] < words.LOW_N,
        text=[f"{words.four(r.value)}, {words.interval(r.low, r.high, level=r.level)}" for r in frame.itertuples()],
    )
    shown = frame[
        ["task_name", "model_name", "value", "low", "high", "level", "n", "n_positives", "n_users", "null_reason"]
    ]
    panels.figure(charts.dots(drawn, slots, "AUC"), shown, f"pooled-auc-{words.iso(frame['as_of'].iloc[0])}", sentence)


def main() -> None:
    st.title("Overview")
    snapshot = published.current()
    champion = champion_of(snapshot)
    if champion is None:
        panels.empty("No model is evaluated yet.", "Materialize training and evaluation in Dagster, then publish.")
    else:
        say_champion(snapshot, champion)
        show_cards(snapshot, champion)
    show_strip(snapshot)
    if champion is not None:
        show_models(snapshot)
    st.header("Needs attention")
    items = attention(snapshot)
    if items.empty:
        st.markdown("Nothing: no failed check, no missing day, no undefined metric.")
        return
    if len(items) > MOST_ITEMS:
        st.markdown(f"The worst {MOST_ITEMS} of {len(items)}.")
    panels.grid(items.head(MOST_ITEMS), "attention", "what needs attention, worst first")


main()
