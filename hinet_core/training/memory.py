"""Out of memory ends in a sentence that says what to make smaller."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hinet_core.training.config import TrainConfig

# How torch says it on a CPU (a RuntimeError) and on a GPU where it is not an OutOfMemoryError.
WORDS = ("DefaultCPUAllocator", "not enough memory", "out of memory", "Cannot allocate memory")


class TooLargeError(ValueError):
    """Memory is not enough for the model or for a batch."""


@contextmanager
def enough_memory(config: TrainConfig, model: nn.Module | None = None) -> Iterator[None]:
    """Raises TooLargeError for what runs out of memory inside; `model` is the one at work, if it could be built."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_memory = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not is_memory and not any(words in str(error) for words in WORDS):
            raise
        raise TooLargeError(advice(error, config, model)) from error


def advice(error: BaseException, config: TrainConfig, model: nn.Module | None) -> str:
    """What was at work, and what to lower."""
    said = str(error).strip().splitlines()
    reason = f" ({said[0][:200]})" if said else ""
    if model is None:
        return (
            f"the model does not fit into memory{reason}: lower its embedding width or the widths of its layers (its "
            "Config), or raise features.min_token_count of the contract, so that the vocabulary is smaller"
        )
    sizes = {name: one.numel() * one.element_size() for name, one in model.named_parameters()}
    largest, total = max(sizes, key=lambda name: sizes[name]), size(sum(sizes.values()))
    return (
        f"training ran out of memory{reason}: lower batch_size (now {config.batch_size}), predict_batch_size (now "
        f"{config.predict_batch_size}) or the widths of the layers. The model's weights take {total} "
        f"(the most: {largest}, {size(sizes[largest])}), and up to six times as much with gradients, moments and "
        "averages; embedding_optimizer rowwise_adagrad needs half of that for the table. What was trained so far is "
        "kept: the same settings go on from there"
    )


def size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.1f} MiB" if n_bytes < 2**30 else f"{n_bytes / 2**30:.1f} GiB"
