"""An optimizer's memory as named tensors, so that a training can be put aside and taken up again to the same bits."""

from torch import Tensor
from torch.optim import Optimizer


def optimizer_state(optimizer: Optimizer) -> dict[str, Tensor]:
    """`<parameter's place>.<key>` -> tensor: moments, counts of steps, whatever the optimizer keeps per parameter.

    Asks of an optimizer that it is a `torch.optim.Optimizer` whose `state[parameter]` holds tensors only, and that
    all else (rates, decays) follows from the settings and the number of steps. Raises TypeError otherwise.
    """
    found = {}
    for place, parameter in enumerate(_parameters(optimizer)):
        for key, value in optimizer.state.get(parameter, {}).items():
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"{type(optimizer).__name__} keeps {key} as {type(value).__name__}, expected a tensor: what is "
                    "not a tensor is not in a progress checkpoint, and a resumed training would differ"
                )
            found[f"{place}.{key}"] = value
    return found


def load_optimizer_state(optimizer: Optimizer, state: dict[str, Tensor]) -> None:
    """Take over what `optimizer_state` gave, before the first step. Unlike torch's own loading, no type changes.

    Tensors go to their parameter's device, but for counts of steps that torch keeps on the CPU.
    """
    groups = [group for group in optimizer.param_groups for _ in group["params"]]
    parameters = _parameters(optimizer)
    for name, value in state.items():
        place, _, key = name.partition(".")
        parameter, group = parameters[int(place)], groups[int(place)]
        stays = key == "step" and not (group.get("fused") or group.get("capturable"))
        optimizer.state[parameter][key] = value.clone() if stays else value.to(parameter.device, copy=True)


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
