"""Whether products are taken in bfloat16: where asked, or where the device has units for it."""

import torch


def autocast_of(precision: str, device: torch.device) -> torch.autocast:
    """The context of a forward pass. Parameters, their gradients and the optimizer stay float32 in each."""
    is_low = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=is_low)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for products in bfloat16; without them these are slower than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16") or found.get("bf16"))
