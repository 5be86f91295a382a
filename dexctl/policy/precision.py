"""Which numbers networks are learned with on a processor."""

from __future__ import annotations

from typing import Literal

import torch


def uses_bf16(autocast: Literal["auto", "bf16", "off"]) -> bool:
    """Whether a profile's ``autocast`` means bfloat16 here: with ``auto``, where the processor has it.

    Without the instructions bfloat16 is emulated, and several times slower than float32.
    """
    if autocast == "auto":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return autocast == "bf16"
