"""Item-position IPS and exact-slate replay: unbiased without a click model, and nearly without support on slates.

Shown beside the estimates so that people see what assuming nothing would cost; never the answer.
"""

from dataclasses import dataclass

import numpy as np

from hinet_core.lift.off_policy.intervals import Interval, mean_of
from hinet_core.lift.off_policy.logged import Codes, Floats, require_propensities


@dataclass(frozen=True)
class Diagnostic:
    """`interval` None where too little matched; `ess_share` of the rows, or of the requests for replay."""

    estimator: str
    matched: int
    ess_share: float
    interval: Interval | None


def item_position_ips(
    shown_RS: Codes, outcome_RS: Floats, target_RS: Codes, logged_RS: Floats, cluster_R: Codes
) -> Diagnostic:
    """w = [B puts the shown item at its slot] / pi_0(item at slot), for a deterministic B."""
    require_propensities(logged_RS.ravel())
    w_RS = (shown_RS == target_RS) / logged_RS
    total = float(w_RS.sum())
    ess = total**2 / float((w_RS**2).sum()) if total > 0 else 0.0
    interval = mean_of((w_RS * outcome_RS).sum(axis=1), cluster_R) if total > 0 else None
    return Diagnostic("item-position IPS", int((w_RS > 0).sum()), ess / w_RS.size, interval)


def replay(shown_RS: Codes, outcome_RS: Floats, target_RS: Codes, cluster_R: Codes) -> Diagnostic:
    """The mean of the requests whose whole slate is B's; unbiased where the logger is uniform."""
    same_R = (shown_RS == target_RS).all(axis=1)
    matched = int(same_R.sum())
    enough = len(np.unique(cluster_R[same_R])) >= 2
    interval = mean_of(outcome_RS[same_R].sum(axis=1), cluster_R[same_R]) if enough else None
    return Diagnostic("replay", matched, matched / len(same_R), interval)
