"""What users do with a slate, drawn from its true chances. R requests, N slots.

Draws are keyed by (request, item, stage), not by slot: the same item in the same slot has the same outcome under every
ranking, so two rankings differ only where they show something else (common random numbers).
"""

import numpy as np
from numpy.typing import NDArray

from hinet_core.world.draws import Stage, uniform


def outcomes(
    key_R: NDArray[np.uint64],
    item_RN: NDArray[np.int64],
    click_RN: NDArray[np.float64],
    order_RN: NDArray[np.float64],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(R, N) click and order, from P(click) in the slot of the item and P(order | click)."""
    key = key_R[:, None]
    click = uniform(key, Stage.CLICK, item_RN) < click_RN
    return click, click & (uniform(key, Stage.ORDER, item_RN) < order_RN)
