"""Which numbers networks are learned with, on a processor or a GPU."""

from __future__ import annotations

from typing import Literal

import torch

_CPU = torch.device("cpu")
# The first compute capability of NVIDIA's with bfloat16 in its matrix units.
_AMPERE = (8, 0)


def uses_bf16(autocast: Literal["auto", "bf16", "off"], device: torch.device = _CPU) -> bool:
    """Whether a profile's ``autocast`` means bfloat16 on a device: with ``auto``, where the hardware has it.

    Without the instructions bfloat16 is emulated, and several times slower than float32.
    """
    if autocast == "auto" and device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _AMPERE
    if autocast == "auto":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return autocast == "bf16"
