"""Out of memory ends in a sentence that says what to make smaller."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hinet_core.training.config import TrainConfig
from hinet_core.training.progress import Progress

# How torch says it on a CPU (a RuntimeError) and on a GPU where it is not an OutOfMemoryError.
WORDS = ("DefaultCPUAllocator", "not enough memory", "out of memory", "Cannot allocate memory")

KEPT = (
    ". What was last saved is kept: the same settings go on from there when more memory is free; other settings are "
    "another version and begin anew"
)


class TooLargeError(ValueError):
    """Memory is not enough for the model or for a batch."""


@contextmanager
def enough_memory(
    config: TrainConfig, model: nn.Module | None = None, progress: Progress | None = None
) -> Iterator[None]:
    """Raises TooLargeError for what runs out of memory inside; `model` is the one at work, if it could be built."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_memory = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not is_memory and not any(words in str(error) for words in WORDS):
            raise
        kept = KEPT if progress is not None and progress.is_kept else ""
        raise TooLargeError(advice(error, config, model) + kept) from error


def advice(error: BaseException, config: TrainConfig, model: nn.Module | None) -> str:
    """What was at work, and what to lower."""
    said = str(error).strip().splitlines()
    reason = f" ({said[0][:200]})" if said else ""
    if model is None:
        return (
            f"the model does not fit into memory{reason}: lower its embedding width or the widths of its layers (its "
            "Config), or raise features.min_token_count of the contract, so that the vocabulary is smaller"
        )
    ran_out = f"training ran out of memory{reason}"
    if hasattr(model, "fit_rows"):
        max_rows = getattr(getattr(model, "config", None), "max_rows", "all rows")
        return (
            f"{ran_out}: all rows lie in memory at once, so lower max_rows of the model's Config (now {max_rows}), or "
            f"predict_batch_size (now {config.predict_batch_size}) if it ran out in validation"
        )
    return (
        f"{ran_out}: lower batch_size (now {config.batch_size}), predict_batch_size (now {config.predict_batch_size}) "
        f"or the widths of the layers{weights(model)}"
    )


def weights(model: nn.Module) -> str:
    """What the weights take, and with all that goes with them: most in validation, after the best epoch."""
    sizes = {name: one.numel() * one.element_size() for name, one in model.named_parameters()}
    if not sizes:
        return ""
    largest = max(sizes, key=lambda name: sizes[name])
    return (
        f". The model's weights take {size(sum(sizes.values()))} (the most: {largest}, {size(sizes[largest])}), seven "
        "times as much with gradients, moments and averages; the embedding table takes a little over four times its "
        "size with embedding_optimizer rowwise_adagrad"
    )


def size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.1f} MiB" if n_bytes < 2**30 else f"{n_bytes / 2**30:.1f} GiB"
