"""Estimates for people: cells of a table, why intervals are as wide as they are, and a section of a page."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from math import isfinite
from pathlib import Path

from hinet_core.lake import replace_text
from hinet_core.lift.off_policy.evaluate import DIRECT
from hinet_core.lift.off_policy.lake_rows import Row
from hinet_core.lock import in_turn

VALUE, LIFT = "value_b", "lift"
HEADS = ("scenario", "estimator", "status", "estimate (95 %)", "truth (95 %)")


def lines_of(rows: Sequence[Row], quantity: str) -> list[list[str]]:
    """A line per estimator; one for a scope without an estimate, and none for a Switch-DR that never switched."""
    mine = [row for row in rows if row["quantity"] == quantity]
    estimated = {row["scenario_id"] for row in mine if row["estimate"] is not None}
    lines: dict[tuple[str, str], list[str]] = {}
    for row in mine:
        scope, name = row["scenario_id"], row["estimator"] or ""
        if scope not in estimated:
            lines.setdefault((scope, ""), cells(row | {"estimator": "every"}))
        elif row["switch_tau"] is None or isfinite(row["switch_tau"]):
            lines[scope, name] = cells(row)
    return list(lines.values())


def cells(row: Row) -> list[str]:
    name = f"{row['estimator']} (model-dependent)" if row["estimator"] == DIRECT else row["estimator"]
    return [
        row["scenario_id"] or "(pooled)", name, row["status"],
        interval(row, "estimate", "low", "high"), interval(row, "truth", "truth_low", "truth_high"),
    ]  # fmt: skip


def interval(row: Row, at: str, low: str, high: str) -> str:
    """Values as outcomes per request, lifts as percent."""
    if row[at] is None:
        return ""
    form = "{:+.1%}" if row["quantity"] == LIFT else "{:.5f}"
    return "{} ({} to {})".format(*(form.format(row[name]) for name in (at, low, high)))


def why(rows: Sequence[Row]) -> Iterator[str]:
    """A sentence per scope: what its weights are worth, and what was refused or warned of."""
    for scope in dict.fromkeys(row["scenario_id"] for row in rows):
        mine = [row for row in rows if row["scenario_id"] == scope]
        first = mine[0]
        if first["ess_rows"] is None:
            yield f"{scope or '(pooled)'}: {first['status']}, {first['reason']}"
            continue
        unseen = first["unseen_share"]
        reasons = [row["reason"] for row in mine if row["estimator"] == first["estimator"] and row["reason"]]
        yield " ".join([
            f"{scope or '(pooled)'}: weights worth {first['ess_rows']:,.0f} of {first['n_rows']:,} rows and "
            f"{first['effective_orders']:.1f} outcomes, the largest {first['max_weight']:,.1f} "
            f"({first['max_weight_share']:.1%} of their sum); mean {first['mean_weight']:.3f} "
            f"(standard error {first['mean_weight_se']:.3f});",
            "" if unseen is None else f"{unseen:.1%} of the target's choices were never shown at their slot;",
            f"spread over {first['unit']}s.",
            f"{first['status'].capitalize()}: {reasons[-1]}." if reasons else "",
        ]).replace("  ", " ").strip()  # fmt: skip


def section(asked: str, rows: Sequence[Row], today: date) -> str:
    """Both tables and the sentences, in Markdown."""
    from hinet_core.training.origin import code

    revision = code("")["git_revision"] or "unknown"
    parts = [f"### {asked}", f"{today}, commit {str(revision)[:10]}; rows of each scope stand below the tables."]
    for quantity, title in ((VALUE, "Outcomes per request"), (LIFT, "Lift over the baseline")):
        if lines := lines_of(rows, quantity):
            parts += [f"{title}:", markdown(lines)]
    return "\n\n".join([*parts, "\n".join(f"- {one}" for one in why(rows))])


def markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join([f"| {' | '.join(one)} |" for one in (HEADS, ["---"] * len(HEADS), *lines)])


def put(path: Path, name: str, text: str) -> None:
    """Write the section between its two marks, at the page's end where it has none yet; the rest stays as it is."""
    begin, end = f"<!-- hinet off-policy: {name} -->", "<!-- end -->"
    with in_turn(path):
        page = path.read_text(encoding="utf-8") if path.exists() else ""
        block = f"{begin}\n{text}\n{end}"
        found = re.compile(re.escape(begin) + r".*?" + re.escape(end), flags=re.DOTALL)
        if found.search(page):
            replace_text(path, found.sub(lambda _: block, page))
        else:
            replace_text(path, f"{page.rstrip()}\n\n{block}\n".lstrip())
