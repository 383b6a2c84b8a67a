"""Entry: `streamlit run dashboards/app.py`. Navigation, the choice of contract, the snapshot's stamp.

The page folder is called `views`: Streamlit runs a file of a folder called `pages` alone, without navigation, when
it is the first request of a new server.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import streamlit as st

from dashboards import panels, published, words
from dashboards.published import Snapshot, SnapshotError

POLL = "30s"


def stamp_words(snapshot: Snapshot) -> str:
    """OK, LATE or FAILED with the reason, from the snapshot's age and its newest day."""
    days = published.query(snapshot, "SELECT day, status FROM ingest_days ORDER BY day DESC LIMIT 1")
    if len(days) and days["status"].iloc[0] == "blocked":
        return f":red[**✗ FAILED**]: {words.iso(days['day'].iloc[0])} was kept out by a check"
    if datetime.now(UTC) - snapshot.published_at > timedelta(hours=published.LATE_AFTER_H):
        return f":orange[**! LATE**]: nothing published for {published.LATE_AFTER_H} hours"
    return ":green[**✓ OK**]"


@st.fragment(run_every=POLL)
def stamp(snapshot: Snapshot) -> None:
    """Which snapshot this is, and how old; asks for a new page when the pointer has moved."""
    try:
        moved = published.resolve(snapshot.contract).key != snapshot.key
    except SnapshotError:
        moved = True
    if moved:
        st.rerun()
    about = published.manifest(snapshot)
    st.markdown(stamp_words(snapshot))
    st.markdown(
        f"Snapshot `{snapshot.publish_id[:8]}`, data through {words.iso(about['data_through'])}, "
        f"published {words.age(snapshot.published_at)}"
    )


@st.fragment(run_every=POLL)
def stamp_of_problem(contract: str | None, error: SnapshotError) -> None:
    """Ask again now and then: the page comes back by itself once a snapshot can be read."""
    try:
        names = published.contracts()
        published.open_snapshot(contract or names[0])
    except (SnapshotError, IndexError):
        waiting = isinstance(error, published.NothingPublishedError)
        st.markdown(f"**— WAITING**: {error.title}" if waiting else f":red[**✗ FAILED**]: {error.title}")
    else:
        st.rerun()


def choose_contract() -> str | None:
    """The contract of this rerun; the switch shows when there are several."""
    names = published.contracts()
    if not names:
        return None
    return panels.choose("Log", names, "contract") if len(names) > 1 else names[0]


def show_links(snapshot: Snapshot) -> None:
    url = published.manifest(snapshot)["dagster_base_url"]
    if isinstance(url, str) and url.startswith(("http://", "https://")):
        st.link_button("Open Dagster", url)


def main() -> None:
    st.set_page_config(page_title="HiNet platform", page_icon=str(Path(__file__).parent / "icon.png"), layout="wide")
    page = st.navigation(
        [
            st.Page("views/overview.py", title="Overview", default=True),
            st.Page("views/metrics.py", title="Scenario metrics", url_path="metrics"),
            st.Page("views/lift.py", title="Order lift", url_path="lift"),
            st.Page("views/quality.py", title="Data quality", url_path="quality"),
        ]
    )
    with st.sidebar:
        contract = choose_contract()
    try:
        if contract is None:
            raise published.nothing_published()
        snapshot = published.open_snapshot(contract)
    except SnapshotError as error:
        st.title(page.title)
        panels.problem(error)
        with st.sidebar:
            stamp_of_problem(contract, error)
        return
    st.session_state["_snapshot"] = snapshot
    with st.sidebar:
        stamp(snapshot)
        show_links(snapshot)
    page.run()
    panels.footer(snapshot)


main()
