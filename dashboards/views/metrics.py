"""Scenario metrics: which scenarios are better or worse, for each task?"""

import pandas as pd
import streamlit as st

from dashboards import charts, panels, published, words
from dashboards.published import Snapshot

SCOPE_NAMES = {"pooled": "All, pooled", "macro": "Mean of scenarios"}


def chosen_rows(snapshot: Snapshot, choice: dict[str, str]) -> pd.DataFrame:
    """One row per scope, scenario and model, pooled first, then the contract's order."""
    return published.query(
        snapshot,
        """SELECT m.scope, coalesce(s.name, m.scenario_id) AS scenario, d.display_name AS model, d.color_slot,
                  m.value, m.low, m.high, m.level, m.method, m.n, m.n_positives, m.n_users, m.null_reason, m.run_id
           FROM eval_metrics AS m JOIN models AS d USING (model) LEFT JOIN scenarios AS s USING (scenario_id)
           WHERE m.task = ? AND m.metric = ? AND m.split = ? AND m.as_of = ?::DATE
           ORDER BY m.scope <> 'pooled', m.scope <> 'macro', s.sort_order, d.color_slot""",
        choice["task"], choice["metric"], choice["split"], choice["as_of"],
    )  # fmt: skip


def chosen_deltas(snapshot: Snapshot, choice: dict[str, str]) -> pd.DataFrame:
    return published.query(
        snapshot,
        """SELECT m.scope, coalesce(s.name, m.scenario_id) AS scenario, d.display_name AS model, d.color_slot,
                  b.display_name AS baseline, m.delta AS value, m.low, m.high, m.level, m.method, m.n, m.null_reason
           FROM eval_deltas AS m JOIN models AS d USING (model) JOIN models AS b ON b.model = m.baseline
           LEFT JOIN scenarios AS s USING (scenario_id)
           WHERE m.task = ? AND m.metric = ? AND m.split = ? AND m.as_of = ?::DATE
           ORDER BY m.scope <> 'pooled', m.scope <> 'macro', s.sort_order, d.color_slot""",
        choice["task"], choice["metric"], choice["split"], choice["as_of"],
    )  # fmt: skip


def options(snapshot: Snapshot, column: str, order: str) -> list[str]:
    frame = published.query(snapshot, f"SELECT DISTINCT {column} AS one FROM eval_metrics ORDER BY {order}")
    return [str(one)[:10] if column == "as_of" else str(one) for one in frame["one"]]


def controls(snapshot: Snapshot) -> dict[str, str]:
    """Task, metric, split, as_of: all in the URL."""
    known = options(snapshot, "task", "one")
    tasks = {task: name for task, name in published.words(snapshot, "tasks", "task", "name").items() if task in known}
    present = options(snapshot, "metric", "one")
    metrics = {
        one: name for one, name in published.words(snapshot, "metrics", "metric", "name").items() if one in present
    }
    columns = st.columns(4)
    with columns[0]:
        task = panels.choose("Task", list(tasks), "task", tasks)
    with columns[1]:
        metric = panels.choose("Metric", list(metrics), "metric", metrics)
    with columns[2]:
        splits = {"judged": "Judged days", "valid": "Validation day"}
        split = panels.choose("Split", options(snapshot, "split", "one"), "split", splits)
    with columns[3]:
        as_of = panels.choose("Trained as of", options(snapshot, "as_of", "one DESC"), "as_of")
    return {"task": task, "metric": metric, "split": split, "as_of": as_of}


def choose_models(snapshot: Snapshot, there: list[str]) -> list[str]:
    """All models up to four, else champion and baseline."""
    roles = published.words(snapshot, "models", "display_name", "role")
    names = [name for name in roles if name in there]
    main = [name for name in names if roles[name] in ("champion", "baseline")] or names[:2]
    default = names if len(names) <= 4 else main
    return st.multiselect("Models", names, default=default, key="models", bind="query-params")


def with_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The row's name, the text of a mark and whether it stands on few positives."""
    names = [
        SCOPE_NAMES.get(scope, scenario) for scope, scenario in zip(frame["scope"], frame["scenario"], strict=True)
    ]
    few = (frame["n_positives"] < words.LOW_N).fillna(False) if "n_positives" in frame else False
    text = [
        f"{words.four(row.value)}, {words.interval(row.low, row.high, level=row.level)}, n = {words.count(row.n)}"
        for row in frame.itertuples()
    ]
    return frame.assign(row=names, low_n=few, text=text)


def say_undefined(frame: pd.DataFrame) -> None:
    """Cells without a number, with their reason."""
    undefined = frame[frame["value"].isna()]
    if undefined.empty:
        return
    lines = [
        f"{row}: n/a, {reason} ({', '.join(group['model'])})"
        for (row, reason), group in undefined.groupby(["row", "null_reason"], sort=False)
    ]
    st.markdown("**Undefined** (no number is shown): " + "; ".join(lines) + ".")


def conclude(frame: pd.DataFrame, metric: str, better: str) -> str:
    """One sentence from the pooled row."""
    pooled = frame[(frame["scope"] == "pooled") & frame["value"].notna()]
    if pooled.empty:
        return f"{metric} is not defined for all scenarios together."
    distance = {"higher": -pooled["value"], "near 1": (pooled["value"] - 1).abs()}.get(better, pooled["value"])
    row = pooled.loc[distance.idxmin()]
    return (
        f"Over all scenarios {row['model']} has the best {metric}: {words.four(row['value'])} "
        f"({words.interval(row['low'], row['high'], level=row['level'])}, n = {words.count(row['n'])}, "
        f"{words.count(row['n_positives'])} positives)."
    )


def show_absolute(frame: pd.DataFrame, slots: dict[str, int], metric: pd.Series, choice: dict[str, str]) -> None:
    sentence = conclude(frame, metric["name"], metric["better"])
    st.markdown(sentence)
    rule_at = 1.0 if metric["better"] == "near 1" else None
    name = "-".join(("metrics", *choice.values()))
    shown = frame.drop(columns=["low_n", "text", "color_slot", "scope", "scenario"])
    shown.insert(0, "scenario", shown.pop("row"))
    panels.figure(charts.dots(frame, slots, f"{metric['name']} ({metric['unit']})", rule_at), shown, name, sentence)
    few = sorted(set(frame.loc[frame["low_n"], "row"]))
    if few:
        st.caption(f"Hollow marks: low n, fewer than {words.LOW_N} positives ({', '.join(few)}).")
    say_undefined(frame)


def show_difference(deltas: pd.DataFrame, slots: dict[str, int], metric: pd.Series, choice: dict[str, str]) -> None:
    if deltas.empty:
        panels.empty(
            f"No paired difference is published for {metric['name']} with these choices.",
            "Choose AUC, the judged days or another as-of day.",
        )
        return
    baseline = deltas["baseline"].iloc[0]
    rows = deltas[deltas["scope"] == "scenario"]
    up, down = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
    sentence = (
        f"Difference to {baseline} on the same examples: above 0 in {up}, below 0 in {down} and not detectable in "
        f"{len(rows) - up - down} of {words.plural(len(rows), 'pair')} of model and scenario (intervals per pair)."
    )
    st.markdown(sentence)
    name = "-".join(("differences", *choice.values()))
    chart = charts.dots(deltas, slots, f"Difference in {metric['name']} to {baseline}", 0.0)
    shown = deltas.drop(columns=["low_n", "text", "color_slot", "scope", "scenario"]).rename(columns={"value": "delta"})
    shown.insert(0, "scenario", shown.pop("row"))
    panels.figure(chart, shown, name, sentence)
    say_undefined(deltas)


def show_trend(snapshot: Snapshot, slots: dict[str, int], metric: pd.Series, choice: dict[str, str]) -> None:
    """The pooled metric over training days, once there are two."""
    frame = published.query(
        snapshot,
        """SELECT strftime(m.as_of, '%Y-%m-%d') AS as_of, d.display_name AS model, m.value, m.low, m.high, m.level, m.n
           FROM eval_metrics AS m JOIN models AS d USING (model)
           WHERE m.scope = 'pooled' AND m.task = ? AND m.metric = ? AND m.split = ? ORDER BY m.as_of, d.color_slot""",
        choice["task"], choice["metric"], choice["split"],
    )  # fmt: skip
    frame = frame[frame["model"].isin(list(slots))]
    st.header("Over time, pooled")
    if frame["as_of"].nunique() < 2:
        st.markdown("One training day so far: the line starts with the second.")
        return
    text = [f"{words.four(r.value)}, {words.interval(r.low, r.high, level=r.level)}" for r in frame.itertuples()]
    first, last = frame["as_of"].min(), frame["as_of"].max()
    sentence = f"{metric['name']} of {frame['as_of'].nunique()} training days, {first} to {last}."
    st.markdown(sentence)
    chart = charts.trend(frame.assign(text=text), slots, metric["name"])
    panels.figure(chart, frame, "-".join(("trend", choice["task"], choice["metric"], choice["split"])), sentence)


def show_label_rates(snapshot: Snapshot, task: str) -> None:
    frame = published.query(
        snapshot,
        """SELECT strftime(r.day, '%Y-%m-%d') AS day, s.name AS scenario, r.rate, r.low, r.high, r.n, r.n_positives
           FROM label_rates AS r JOIN scenarios AS s USING (scenario_id) WHERE r.task = ?
           ORDER BY r.day DESC, s.sort_order""",
        task,
    )
    if frame.empty:
        return
    unit = published.words(snapshot, "tasks", "task", "unit").get(task) or "positives per example"
    st.header("Observed rate on the judged days")
    st.markdown(f"{unit[:1].upper()}{unit[1:]}, 0 to 1, with its 95 % interval.")
    panels.grid(
        frame,
        f"label-rates-{task}",
        "observed label rate by day and scenario",
        dict.fromkeys(("rate", "low", "high"), "%.4f"),
    )


def main() -> None:
    st.title("Scenario metrics")
    snapshot = published.current()
    if published.query(snapshot, "SELECT count(*) AS n FROM eval_metrics")["n"].iloc[0] == 0:
        panels.empty(
            "No model is evaluated yet.", "Materialize `eval_metrics` in Dagster once its judged days are complete."
        )
        return
    choice = controls(snapshot)
    frame = with_rows(chosen_rows(snapshot, choice))
    models = choose_models(snapshot, list(frame["model"].unique()))
    frame = frame[frame["model"].isin(models)]
    if frame.empty:
        panels.empty("No row is left.", "Choose at least one model, or another split or as-of day.")
        return
    slots = dict(frame[["model", "color_slot"]].drop_duplicates().itertuples(index=False))
    metric = published.query(snapshot, "SELECT * FROM metrics WHERE metric = ?", choice["metric"]).iloc[0]
    view = panels.switch("Show", ["Values", "Differences"], "show")
    if metric["description"]:
        st.caption(metric["description"])
    if view == "Values":
        show_absolute(frame, slots, metric, choice)
    else:
        deltas = with_rows(chosen_deltas(snapshot, choice))
        show_difference(deltas[deltas["model"].isin(models)], slots, metric, choice)
    show_trend(snapshot, slots, metric, choice)
    show_label_rates(snapshot, choice["task"])


main()
