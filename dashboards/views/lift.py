"""Order lift: how many more orders would we expect, and how sure are we?"""

import pandas as pd
import streamlit as st

from dashboards import charts, online_test, own_log, own_test, panels, published, words
from dashboards.published import Snapshot

# Abstract of the HiNet paper (ICDE 2023): order quantity in the two scenarios where it was deployed.
PUBLISHED = {"first deployed scenario": 2.87, "second deployed scenario": 1.75}
FEWEST_SEEDS = 5
KINDS = {"artifact": "Artifact: these two trained models", "architecture": "Architecture: over training seeds"}


def lift_rows(snapshot: Snapshot, kind: str, as_of: str) -> pd.DataFrame:
    """Pooled first, then scenarios by traffic."""
    return published.query(
        snapshot,
        """SELECT l.*, coalesce(s.name, l.scenario_id) AS scenario, coalesce(a.display_name, l.model_a) AS name_a,
                  coalesce(b.display_name, l.model_b) AS name_b
           FROM lift AS l LEFT JOIN scenarios AS s USING (scenario_id)
           LEFT JOIN models AS a ON a.model = l.model_a LEFT JOIN models AS b ON b.model = l.model_b
           WHERE l.kind = ? AND l.as_of = ?::DATE AND l.metric = 'orders_per_request'
           ORDER BY l.scope <> 'pooled', l.n_requests DESC NULLS LAST, s.sort_order, l.estimator""",
        kind,
        as_of,
    )


def controls(snapshot: Snapshot) -> tuple[str, str]:
    """Kind (when there are two) and as-of day."""
    found = published.query(
        snapshot, "SELECT DISTINCT kind, strftime(as_of, '%Y-%m-%d') AS as_of FROM lift ORDER BY kind DESC, as_of DESC"
    )
    kinds = sorted(set(found["kind"]))
    columns = st.columns([2, 1])
    with columns[0]:
        kind = panels.choose("Lift of", kinds, "kind", KINDS)
    with columns[1]:
        as_of = panels.choose("Trained as of", list(found.loc[found["kind"] == kind, "as_of"]), "as_of")
    return kind, as_of


def conclusion(row: pd.Series) -> str:
    if row["low"] > 0:
        return "better"
    return "worse" if row["high"] < 0 else "no detectable difference"


def say_verdict(pooled: pd.Series) -> None:
    verdict = conclusion(pooled)
    first = {
        "better": "More orders are expected.",
        "worse": "Fewer orders are expected.",
        "no detectable difference": "No detectable difference.",
    }[verdict]
    st.markdown(
        f"**{first}** Over all scenarios {pooled['name_b']} changes the expected orders per request by "
        f"**{words.signed_percent(pooled['lift'])}** against {pooled['name_a']} "
        f"({words.interval(pooled['low'], pooled['high'], words.signed_percent, pooled['level'])}, "
        f"{words.count(pooled['n_requests'])} requests of {words.count(pooled['n_users'])} users, "
        f"{pooled['method']})."
    )


def say_notice(pooled: pd.Series) -> None:
    world = f"world {pooled['world_hash']}" if not words.missing(pooled["world_hash"]) else "no known world"
    st.info(
        f"**Simulated, {world}.** Expected orders come from the world's own probabilities under each model's ranking. "
        "This is not an online experiment, and the world was calibrated before any model was trained."
    )


def show_health(pooled: pd.Series) -> None:
    """What the number can and cannot carry."""
    seeds = 1 if words.missing(pooled["n_seeds"]) else int(pooled["n_seeds"])
    lines = [
        (
            seeds >= FEWEST_SEEDS,
            f"{words.plural(seeds, 'training seed')}"
            + (
                ""
                if seeds >= FEWEST_SEEDS
                else ": the interval covers requests and users, not training chance; the lift is of these two trained "
                "models, not of their architectures"
            ),
        )
    ]
    if not words.missing(pooled["mde80"]):
        mde = pooled["mde80"]
        lines.append((abs(pooled["lift"]) >= mde, f"smallest effect found with 80 % power: {words.percent(mde, 2)}"))
    if not words.missing(pooled["support_orders"]):
        lines.append((pooled["support_orders"] >= 5, f"{words.count(pooled['support_orders'])} supporting orders"))
    with st.container(border=True):
        st.markdown("  \n".join(f"**{'✓ OK' if ok else '! Watch'}**: {text}" for ok, text in lines))


def show_cards(pooled: pd.Series) -> None:
    columns = st.columns(3)
    with columns[0], st.container(border=True, height="stretch"):
        st.metric("Lift, pooled", words.signed_percent(pooled["lift"]))
        st.caption(words.interval(pooled["low"], pooled["high"], words.signed_percent, pooled["level"]))
    with columns[1], st.container(border=True, height="stretch"):
        st.metric("Expected orders per 1000 requests", f"{1000 * pooled['value_b']:.2f}")
        st.caption(f"{1000 * pooled['value_a']:.2f} under {pooled['name_a']}")
    with columns[2], st.container(border=True, height="stretch"):
        ceiling = pooled["oracle_lift"]
        reached = pooled["lift"] / ceiling if not words.missing(ceiling) and ceiling > 0 else None
        st.metric("Share of what a perfect ranking gains", words.percent(reached))
        st.caption(f"Oracle: {words.signed_percent(ceiling)} against {pooled['name_a']}")


def drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the forest plot, in percent."""
    shown = frame[frame["status"] == "estimated"]
    text = [
        f"{words.signed_percent(row.lift)}, {words.interval(row.low, row.high, words.signed_percent, row.level)}, "
        f"{words.count(row.n_requests)} requests"
        for row in shown.itertuples()
    ]
    return pd.DataFrame(
        {
            "row": [row_name(row) for _, row in shown.iterrows()],
            "lift_pct": 100 * shown["lift"],
            "low_pct": 100 * shown["low"],
            "high_pct": 100 * shown["high"],
            "oracle_pct": 100 * shown["oracle_lift"],
            "conclusion": [conclusion(row) for _, row in shown.iterrows()],
            "text": text,
        }
    )


def row_name(row: pd.Series) -> str:
    return "All, pooled" if row["scope"] == "pooled" else str(row["scenario"])


def show_forest(frame: pd.DataFrame, kind: str, as_of: str) -> None:
    st.header("By scenario")
    rows = drawn(frame)
    scenarios = rows[rows["row"] != "All, pooled"]["conclusion"].value_counts()
    sentence = "Scenarios: " + (", ".join(f"{number} {word}" for word, number in scenarios.items()) or "none estimated")
    st.markdown(
        f"{sentence}. Bars are intervals, grey ticks the oracle's lift. Dashed lines: "
        + " and ".join(f"+{value} %" for value in PUBLISHED.values())
        + ", the HiNet paper's figures, *published online, other data*."
    )
    panels.figure(charts.forest(rows, PUBLISHED), rows.drop(columns="text"), f"lift-{kind}-{as_of}", sentence)


def show_table(frame: pd.DataFrame, kind: str, as_of: str) -> None:
    """Every scenario with the policies beside it, in percent where the head says so."""
    st.header("All figures")
    tested = int(frame[frame["scope"] != "pooled"]["p_bh"].notna().sum())
    st.markdown(
        f"Relative to {frame['name_a'].iloc[0]}. Oracle ranks by the true probabilities, logger is the policy that "
        "wrote the log, random is a random order of the same candidates."
        + (f" p_bh is adjusted by Benjamini and Hochberg over {words.plural(tested, 'scenario')}." if tested else "")
    )
    table = pd.DataFrame({"scenario": [row_name(row) for _, row in frame.iterrows()]})
    for column in ("lift", "low", "high", "oracle_lift", "logger_lift", "random_lift", "mde80"):
        table[f"{column}, %"] = (100 * frame[column].astype(float)).round(3).to_numpy()
    for column in ("p_raw", "p_bh", "n_users", "n_requests", "orders_a", "orders_b", "ess", "n_seeds", "level"):
        table[column] = frame[column].to_numpy()
    for column in (
        "kind",
        "estimator",
        "method",
        "model_a",
        "model_b",
        "status",
        "reason",
        "world_hash",
        "seed",
        "code_version",
    ):
        table[column] = frame[column].to_numpy()
    table = table.dropna(axis="columns", how="all")
    panels.grid(
        table,
        f"lift-table-{kind}-{as_of}",
        "lift of expected orders per scenario with intervals and reference policies",
        {column: "%+.2f" for column in table.columns if column.endswith(", %")} | {"p_raw": "%.2g", "p_bh": "%.2g"},
    )


def show_refusals(frame: pd.DataFrame) -> None:
    for _, row in frame[frame["status"] != "estimated"].iterrows():
        st.markdown(f"**{row_name(row)}**: not estimable, because {row['reason']}.")


def refuse(pooled: pd.Series, asked_its_log: bool) -> None:
    """No number, and why: a result of its own."""
    next_step = (
        "What its own propensities say of other policies stands below, in *From your own log*."
        if asked_its_log
        else "It becomes estimable with logged propensities, or in a simulated world whose probabilities are known."
    )
    st.warning(
        f"**Not estimable**, because {pooled['reason']}.\n\nNo lift of {pooled['name_b']} against {pooled['name_a']} "
        f"is shown for this log, and none is assumed. {next_step}"
    )
    st.markdown(
        "For comparison only, the HiNet paper reports order quantity "
        + " and ".join(f"+{value} %" for value in PUBLISHED.values())
        + ": *published online, other data*."
    )


def show_simulated(snapshot: Snapshot) -> pd.DataFrame:
    """The lift of the simulated world, or why there is none; returns what stands beside an observed one."""
    none = pd.DataFrame()
    if published.query(snapshot, "SELECT count(*) AS n FROM lift")["n"].iloc[0] == 0:
        panels.empty("No lift is estimated yet.", "Materialize `lift` in Dagster after training, then publish.")
        return none
    kind, as_of = controls(snapshot)
    frame = lift_rows(snapshot, kind, as_of)
    pooled = frame.iloc[0]
    if pooled["status"] != "estimated":
        refuse(pooled, not own_log.newest(snapshot, "off_policy").empty)
        show_table(frame, kind, as_of)
        return none
    say_notice(pooled)
    say_verdict(pooled)
    show_cards(pooled)
    show_health(pooled)
    show_forest(frame, kind, as_of)
    show_refusals(frame)
    show_table(frame, kind, as_of)
    online_test.show(snapshot, frame)
    shown = frame[frame["status"] == "estimated"]
    return shown.assign(place=[row_name(row) for _, row in shown.iterrows()])


def main() -> None:
    st.title("Order lift")
    snapshot = published.current()
    simulated = show_simulated(snapshot)
    own_log.show(snapshot)
    own_test.show(snapshot, simulated)


main()
