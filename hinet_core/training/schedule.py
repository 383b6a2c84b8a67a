"""How the learning rate changes with the steps: a linear warm-up, then constant or half a cosine wave down to 0."""

import math

from hinet_core.training.config import TrainConfig


def rate_factor(config: TrainConfig, step: int, total_steps: int) -> float:
    """What the learning rates are multiplied with in a step (from 0) of a training of `total_steps`.

    The warm-up's n steps have 1/n, 2/n, ... 1; the cosine begins with 1 after it and would be 0 one step after the
    last of all epochs, so an early stop ends it higher (Loshchilov and Hutter, 2017, without restarts).
    """
    warm_up = config.warm_up_steps
    if step < warm_up:
        return (step + 1) / warm_up
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min((step - warm_up) / max(total_steps - warm_up, 1), 1.0)))
