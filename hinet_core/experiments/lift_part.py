"""The part *Lift* of a section: architectures over the baseline, and what an interval over requests alone says."""

from collections.abc import Sequence

import numpy as np

from hinet_core.evaluation.multiple import adjusted
from hinet_core.experiments.markdown import chance, table
from hinet_core.lift.architecture import KIND, ArchitectureLift
from hinet_core.lift.architecture_rows import Compared
from hinet_core.lift.statistics.families import Q
from hinet_core.lift.statistics.relative import z_of
from hinet_core.lift.statistics.samples import LEVEL
from hinet_core.lift.tables import Row


def lift_part(lifts: Sequence[Compared]) -> str:
    """Nothing where the log has no world; where there are too few seeds, why there is no number."""
    if not lifts:
        return ""
    head = f"### Lift of orders per request, kind: {KIND}, against {lifts[0].row['model_a']}"
    pooled = [one for one in lifts if one.row["scope"] == "pooled"]
    told = [(one.row, one.found) for one in pooled if one.found]
    why = [f"{one.row['model_b']}: not estimable, because {one.row['reason']}." for one in pooled if not one.found]
    if not told:
        return "\n\n".join([head, *dict.fromkeys(f"Not estimable: {one.row['reason']}." for one in pooled)])
    return "\n\n".join([head, said(told[0][0]), pooled_table(told), *why, scenario_table(lifts)])


def said(row: Row) -> str:
    """What the tables are of."""
    return (
        f"Over {row['n_seeds']} training seeds of each model, seed beside seed, on the same {row['n_requests']:,} "
        f"fresh requests of {row['n_users']:,} users in world {row['world_hash']}: expected orders by its ranking, "
        "scenarios by their traffic. Intervals of 95 % are over seeds (t) and requests; *requests alone* is what the "
        "two models of one seed would have shown, of kind artifact: it says nothing of architectures. The ceiling, a "
        f"ranking by the true chances (oracle), has {percent(row['oracle_lift'])}; the policy that wrote the log has "
        f"{percent(row['logger_lift'])}, a random order {percent(row['random_lift'])}. "
        f"p of the pooled lifts is adjusted by Holm over the models; * in a scenario: found at {Q:.0%}, adjusted by "
        "Benjamini and Hochberg over the scenarios of its model."
    )


def pooled_table(told: Sequence[tuple[Row, ArchitectureLift]]) -> str:
    corrected = adjusted(np.array([row["p_raw"] for row, _ in told]), "holm")
    rows = [
        [row["model_b"], row["kind"], str(row["n_seeds"]), percent(row["lift"]), bounds(row),
         " ".join(map(percent, found.of_seeds)), f"± {z_of(LEVEL) * found.requests_log_se:.2%}", chance(float(p)),
         f"{row['mde80']:.2%}", share_of_gap(row)]
        for (row, found), p in zip(told, corrected, strict=True)
    ]  # fmt: skip
    heads = ["model", "kind", "seeds", "lift, pooled", "95 %", "of each seed", "requests alone",
             f"p, Holm over {len(told)}", "found with 80 % power", "share of the oracle's gain"]  # fmt: skip
    return table(heads, rows)


def scenario_table(lifts: Sequence[Compared]) -> str:
    scenarios = list(dict.fromkeys(one.row["scenario_id"] for one in lifts if one.row["scope"] == "scenario"))
    cells = {(one.row["model_b"], one.row["scenario_id"]): one.row for one in lifts}
    models = dict.fromkeys(one.row["model_b"] for one in lifts)
    rows = [[model, KIND, *(cell(cells[model, one]) for one in scenarios)] for model in models]
    ceiling = {one: next((row for (_, where), row in cells.items() if where == one and row["lift"] is not None), None)
               for one in scenarios}  # fmt: skip
    best = [percent(row["oracle_lift"]) if row else "-" for row in ceiling.values()]
    return table(["model", "kind", *scenarios], [*rows, ["oracle", "ceiling", *best]])


def cell(row: Row) -> str:
    """'+1.20% [-0.30%, +2.72%]', with * where found; without a number, a dash."""
    if row["lift"] is None:
        return "-"
    return f"{percent(row['lift'])} {bounds(row)}{'*' if row['p_bh'] <= Q else ''}"


def bounds(row: Row) -> str:
    return f"[{percent(row['low'])}, {percent(row['high'])}]"


def share_of_gap(row: Row) -> str:
    """How far the model goes from the baseline to the oracle."""
    return f"{row['lift'] / row['oracle_lift']:.0%}" if row["oracle_lift"] > 0 else "-"


def percent(value: float) -> str:
    return f"{value:+.2%}"
