"""A device that torch takes for a GPU and that computes on the processor: what lies in the wrong memory is an error.

Its tensors hold the processor's, and so the same bits come out. As on a GPU, an operation on tensors of both
memories, a view of one as an array, and a draw with the processor's generator are refused. Of speed, streams and
kernels it says nothing.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

_NAME = "pretended"
_ACROSS = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}


class OnGpu(torch.Tensor):
    """A tensor of the device; what it holds is in ``inside``."""

    inside: torch.Tensor

    @staticmethod
    def __new__(cls, inside: torch.Tensor) -> "OnGpu":
        # A view in inference mode of a tensor from outside of it is none of inference mode.
        with torch.inference_mode(False):
            made = torch.Tensor._make_wrapper_subclass(
                cls,
                inside.size(),
                strides=inside.stride(),
                storage_offset=inside.storage_offset(),
                dtype=inside.dtype,
                device=_gpu(),
            )
        made.inside = inside
        return made

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Everything(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    here = [tensor for tensor in tensors if isinstance(tensor, OnGpu)]
    asked = kwargs.get("device")
    stays = bool(here) if asked is None else asked.type == _NAME
    if func not in _ACROSS:
        # A number of the host, (), may stand beside what is on the device.
        strangers = [tensor for tensor in tensors if not isinstance(tensor, OnGpu) and tensor.dim()]
        if here and strangers:
            raise RuntimeError(f"{func}: tensors on {[str(tensor.device) for tensor in tensors]}")
        if stays and kwargs.get("generator") is not None:
            raise RuntimeError(f"{func}: a generator of the processor's for tensors on {_NAME}")
    plain_args, plain = tree_map_only(OnGpu, lambda tensor: tensor.inside, (args, kwargs))
    if asked is not None:
        plain = {**plain, "device": torch.device("cpu")}
    given = func(*plain_args, **plain)
    if func in _ACROSS and not stays:
        # Another memory: never the same numbers under two names.
        return given.clone() if here and func is not torch.ops.aten.copy_.default else given
    if func is torch.ops.aten.copy_.default:
        return args[0]
    if not stays:
        return given
    known = {id(tensor.inside): tensor for tensor in here}

    def put(tensor: torch.Tensor) -> torch.Tensor:
        return tensor if isinstance(tensor, OnGpu) else known.get(id(tensor), OnGpu(tensor))

    return tree_map_only(torch.Tensor, put, given)


class _Module:
    """What torch asks a device's module for."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


@functools.cache
def _gpu() -> torch.device:
    register = getattr(backend_registration, "_setup_privateuseone_for_python_backend", None)
    if register is None:
        pytest.skip("this torch is too old for a device made in Python")
    register(_NAME, _Module())
    return torch.device(_NAME, 0)


@contextlib.contextmanager
def pretended_gpu() -> Iterator[torch.device]:
    """Within it the device is there; torch makes its tensors on the processor again afterwards."""
    device, before = _gpu(), torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        # One thread for all of backward: the engine has none of the device's.
        with _Everything(), torch.autograd.set_multithreading_enabled(False):
            yield device
    finally:
        torch._C._set_only_lift_cpu_tensors(before)
        torch.set_default_device("cpu")
