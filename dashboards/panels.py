"""The parts that every page shares: a chart with its data, an empty state, a choice kept in the URL."""

import re
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import published
from dashboards.published import Snapshot, SnapshotError


def figure(chart: alt.LayerChart, data: pd.DataFrame, name: str, alt_text: str) -> None:
    """A chart, and below it the rows it draws with a CSV of exactly these rows."""
    st.altair_chart(chart, width="stretch", alt=alt_text, key=f"chart-{name}")
    with st.expander("Show data"):
        grid(data, name, alt_text)


def grid(data: pd.DataFrame, name: str, alt_text: str, formats: dict[str, str] | None = None) -> None:
    """A table with its CSV; `formats` maps a column to a printf format."""
    config = {column: st.column_config.NumberColumn(format=form) for column, form in (formats or {}).items()}
    st.dataframe(data, hide_index=True, column_config=config, alt=f"Table: {alt_text}", key=f"grid-{name}")
    snapshot = published.current()
    st.download_button(
        "Download CSV",
        data.to_csv(index=False),
        file_name=file_name(snapshot, name),
        mime="text/csv",
        on_click="ignore",
        key=f"csv-{name}",
    )


def file_name(snapshot: Snapshot, name: str) -> str:
    """<contract>-<what and filters>-<snapshot>.csv"""
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{snapshot.contract}-{name}-{snapshot.publish_id[:8]}")
    return f"{safe}.csv"


def choose(label: str, options: Sequence[str], key: str, words: dict[str, str] | None = None, default: int = 0) -> str:
    """One option, kept in the URL by its words; a bad value in a link falls back to the default."""

    def show(one: str) -> str:
        return (words or {}).get(one, one)

    chosen: str = st.selectbox(
        label, options, index=min(default, len(options) - 1), key=key, format_func=show, bind="query-params"
    )
    return chosen


def switch(label: str, options: Sequence[str], key: str) -> str:
    """One of a few options as buttons, kept in the URL."""
    chosen: Any = st.segmented_control(label, options, default=options[0], key=key, required=True, bind="query-params")
    return str(chosen)


def empty(sentence: str, next_step: str) -> None:
    """The state of a page that has nothing to show yet: not an error."""
    st.info(f"{sentence} {next_step}")


def problem(error: SnapshotError) -> None:
    """The state of every page when no snapshot can be shown."""
    show = st.info if isinstance(error, published.NothingPublishedError) else st.error
    show(f"**{error.title}** {error.detail}\n\n{error.next_step}")
    if not isinstance(error, published.OtherVersionError) and st.button("Retry"):
        published.connection.clear()
        published.query_cached.clear()
        st.rerun()


def footer(snapshot: Snapshot) -> None:
    about = published.manifest(snapshot)
    st.caption(
        f"Snapshot {snapshot.publish_id} of {snapshot.published_at:%Y-%m-%d %H:%M} UTC. Code {about['code_version']}, "
        f"contract {about['contract']} {about['full_fingerprint']}. Days are in {about['time_zone']}, moments in UTC."
    )
