"""What decides the last bits of a training: the number of threads, and which kernels a GPU may use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hinet_core.settings import load_settings

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
CUBLAS_FIXED = (":4096:8", ":16:8")


@contextmanager
def threads(count: int | None = None) -> Iterator[None]:
    """Inside, torch works with so many threads, or with those of HINET_THREADS: sums over rows are split by them, so
    their bits depend on it. `@threads()` above a function holds for each of its calls."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or load_settings().threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def kernels(deterministic: bool, device: torch.device) -> Iterator[None]:
    """Inside, if `deterministic`, torch takes only kernels that give the same bits each time, or says that one does
    not. A CPU's always do; on a GPU it costs time.

    Raises ValueError where cuBLAS was not told so before it began.
    """
    if not deterministic:
        yield
        return
    if device.type == "cuda" and os.environ.get(CUBLAS) not in CUBLAS_FIXED:
        raise ValueError(
            f"deterministic is true on a GPU, but {CUBLAS} is {os.environ.get(CUBLAS)!r}: set it to "
            f"{CUBLAS_FIXED[0]} in the environment before the process starts, or set deterministic to false"
        )
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
