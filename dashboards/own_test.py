"""Part of the lift page: online tests that the owner of the log ran, beside the simulated lift. Observed, not ours."""

import pandas as pd
import streamlit as st

from dashboards import charts, panels, published, words
from dashboards.published import Snapshot

METRICS = {"orders_per_request": "Orders per request", "orders_per_user": "Orders per user"}
LIGHTS = {"green": "✓ OK", "amber": "! Watch", "red": "✗ FAILED"}
OBSERVED, SIMULATED = "observed by you", "simulated"


def show(snapshot: Snapshot, simulated: pd.DataFrame) -> None:
    """One kept test; `simulated` has the rows of the simulated lift, with place, lift, low and high, maybe none."""
    st.header("Your own online test")
    titles = kept_titles(snapshot)
    if not titles:
        st.markdown(
            "No test of your own is kept with this log. `hinet ab FILE --keep TITLE` analyses a CSV of arm totals or "
            "of outcomes per user and keeps its lift (docs/lift.md); the next publish shows it here."
        )
        return
    title = panels.choose("Test", titles, "test") if len(titles) > 1 else titles[0]
    rows = rows_of(snapshot, title)
    first = rows.iloc[0]
    st.info(
        f"**Observed by you, not simulated.** {shown(title)}: analysed from {shown(first['file'])} and kept on "
        f"{first['kept_at']:%Y-%m-%d %H:%M} UTC. Nothing here was checked against a log of this platform."
    )
    for arm in dict.fromkeys(rows["model_b"]):
        say_arm(rows[rows["model_b"] == arm])
    say_split(snapshot, title)
    for arm in dict.fromkeys(rows["model_b"]):
        show_beside(rows[rows["model_b"] == arm], simulated, title)
    show_table(rows, simulated, title)


def shown(text: str) -> str:
    """Words of others, as they are: no markup of theirs is carried out."""
    return "".join(f"\\{one}" if one in r"\`*_{}[]()<>#+-!|~$:" else one for one in text)


def kept_titles(snapshot: Snapshot) -> list[str]:
    """The newest first; none where the snapshot is older than such tests."""
    if not published.has_table(snapshot, "own_tests"):
        return []
    found = published.query(snapshot, "SELECT title FROM own_tests GROUP BY title ORDER BY max(kept_at) DESC, title")
    return list(found["title"])


def rows_of(snapshot: Snapshot, title: str) -> pd.DataFrame:
    """Arms in the order of their names, orders per request first, pooled first."""
    return published.query(
        snapshot,
        """SELECT t.*, CASE WHEN t.scope = 'pooled' THEN 'All, pooled' ELSE coalesce(s.name, t.scenario_id) END AS place
           FROM own_tests AS t LEFT JOIN scenarios AS s USING (scenario_id) WHERE t.title = ?
           ORDER BY t.model_b, t.metric <> 'orders_per_request', t.scope <> 'pooled', s.sort_order, t.scenario_id""",
        title,
    )


def say_arm(rows: pd.DataFrame) -> None:
    """The pooled lift in orders per request, or why there is none."""
    pooled = rows.iloc[0]
    what = f"{shown(pooled['model_b'])} against {shown(pooled['model_a'])}"
    if pooled["status"] == "not_estimable":
        st.warning(f"**Not estimable**: {what}, because {shown(pooled['reason'])}.")
        return
    interval = words.interval(pooled["low"], pooled["high"], words.signed_percent, pooled["level"])
    st.markdown(
        f"{what}: **{words.signed_percent(pooled['lift'])}** orders per request ({interval}, "
        f"{words.count(pooled['orders_a'])} and {words.count(pooled['orders_b'])} orders)."
        + (f" {shown(pooled['reason'])}." if pooled["status"] == "no_interval" else "")
    )


def say_split(snapshot: Snapshot, title: str) -> None:
    """Whether the users were split as intended, over all of them and among those who entered in a scenario."""
    found = published.query(
        snapshot, "SELECT * FROM own_test_splits WHERE title = ? ORDER BY scope <> 'pooled', scenario_id, arm", title
    )
    lines = []
    for scenario, arms in found.groupby("scenario_id", sort=False):
        where = f"users who entered in {shown(str(scenario))}" if scenario else "users"
        first = arms.iloc[0]
        counts = " / ".join(words.count(one) for one in arms["users"])
        lines.append(
            f"**! Watch**: the split of {where} is not checked, {shown(first['reason'])}"
            if words.missing(first["light"])
            else f"**{LIGHTS.get(first['light'], first['light'])}**: split of {where} {counts} (p {first['p']:.2g})"
        )
    if lines:
        with st.container(border=True):
            st.markdown("  \n".join(lines))


def show_beside(rows: pd.DataFrame, simulated: pd.DataFrame, title: str) -> None:
    """Observed and simulated lift by scenario, in percent."""
    arm = rows["model_b"].iloc[0]
    mine = rows[(rows["metric"] == "orders_per_request") & rows["lift"].notna()]
    if mine.empty:
        return
    parts = [(mine, OBSERVED)] + ([(simulated, SIMULATED)] if len(simulated) else [])
    frames = [
        pd.DataFrame(
            {
                "row": part["place"],
                "model": name,
                "value": 100 * part["lift"].astype(float),
                "low": 100 * part["low"].astype(float),
                "high": 100 * part["high"].astype(float),
                "low_n": False,
                "text": [words.signed_percent(one) for one in part["lift"]],
            }
        )
        for part, name in parts
    ]
    frame = pd.concat(frames, ignore_index=True)
    known = "beside the simulated lift of this page's models" if len(simulated) else "no lift is simulated for this log"
    sentence = f"Observed lift of {shown(arm)} in orders per request, {known}"
    st.markdown(f"{sentence}. They answer different questions: your arms are yours, the simulated models are ours.")
    chart = charts.dots(frame, {SIMULATED: 0, OBSERVED: 2} if len(simulated) else {OBSERVED: 2}, "Lift, %", 0.0)
    panels.figure(chart, frame.drop(columns=["text", "low_n"]), f"own-test-{title}-{arm}", sentence)


def show_table(rows: pd.DataFrame, simulated: pd.DataFrame, title: str) -> None:
    """Every row of the test with the simulated lift of the same scenario."""
    table = pd.DataFrame({"scenario": rows["place"]})
    table["metric"] = [METRICS.get(one, one) for one in rows["metric"]]
    table["arm"], table["baseline"] = rows["model_b"], rows["model_a"]
    for column in ("lift", "low", "high", "mde80"):
        table[f"{column}, %"] = (100 * rows[column].astype(float)).round(3)
    if len(simulated):
        known = dict(zip(simulated["place"], simulated["lift"], strict=True))
        beside = [known.get(place) if metric == "orders_per_request" else None
                  for place, metric in zip(rows["place"], rows["metric"], strict=True)]  # fmt: skip
        table["simulated lift, %"] = (100 * pd.Series(beside, index=rows.index, dtype=float)).round(3)
    for column in ("p_raw", "p_bh", "n_users", "n_requests", "orders_a", "orders_b", "method", "status", "reason"):
        table[column] = rows[column]
    panels.grid(
        table.dropna(axis="columns", how="all"),
        f"own-test-table-{title}",
        "the kept online test by arm, metric and scenario",
        {column: "%+.2f" for column in table.columns if column.endswith(", %")} | {"p_raw": "%.2g", "p_bh": "%.2g"},
    )
