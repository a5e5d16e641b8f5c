"""Modules built around the weights of a file, and weights written to a file, without copies in memory."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from reenact.errors import ReenactError

LARGE = 2**28
"""Bytes of weights that stay in their mapped file; smaller ones are copied, so that their file may be overwritten."""
ALIGNMENT = 64
"""Bytes to which memory of tensors is aligned, on which the last digit of a product may depend."""
_NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
_NAMES |= {torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8"}
_NAMES |= {torch.bool: "BOOL"}


def build_around(build: Callable[[], nn.Module], weights: Mapping[str, Tensor]) -> nn.Module | None:
    """Build a module whose parameters are the tensors of a file, and are neither initialised nor copied before.

    Args:
        build: builds it.
        weights: all of its weights, of its names and shapes.

    Returns:
        None where the module computes tensors from its initial parameters, or holds parameters outside of its tree:
        such a one has to be built as a whole.
    """
    try:
        with _leave_out_parameters() as stubs:
            module = build()
    except (ReenactError, RuntimeError):  # such as data of a parameter that are set from a tensor
        return None
    inside = set(map(id, module.parameters()))
    if any(id(stub) not in inside for stub in stubs):
        return None
    expected = module.state_dict()
    keeps = sum(tensor.nbytes for tensor in weights.values()) >= LARGE
    tensors = {name: _take_tensor(tensor, expected[name].dtype, keeps) for name, tensor in weights.items()}
    module.load_state_dict(tensors, assign=True)
    return None if _has_stubs(module) else module


def write_tensors(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors in the format of safetensors, one after the other; the library's writer copies all of them first.

    Raises:
        OSError: if the file can't be written.
    """
    order = sorted(weights, key=lambda name: (-weights[name].element_size(), name))
    header: dict[str, Any] = {}
    end = 0
    for name in order:
        start, end = end, end + weights[name].nbytes
        shape = list(weights[name].shape)
        header[name] = {"dtype": _NAMES[weights[name].dtype], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for name in order:
            file.write(weights[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)


@contextmanager
def _leave_out_parameters() -> Iterator[WeakSet[nn.Parameter]]:
    """Replace each parameter that a module registers in this context by one without memory; yields those."""
    stubs: WeakSet[nn.Parameter] = WeakSet()

    def replace(module: nn.Module, name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
        if parameter is None or parameter.is_meta:
            return None
        stub = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
        stubs.add(stub)
        return stub

    handle = register_module_parameter_registration_hook(replace)  # type: ignore[arg-type]  # it may return one
    try:
        yield stubs
    finally:
        handle.remove()


def _take_tensor(tensor: Tensor, dtype: torch.dtype, keeps: bool) -> Tensor:
    """Return a tensor as a module would hold it: of its precision, contiguous, aligned, in memory unless `keeps`."""
    fits = tensor.dtype == dtype and tensor.is_contiguous() and tensor.data_ptr() % ALIGNMENT == 0
    return tensor if keeps and fits else tensor.to(dtype, copy=True, memory_format=torch.contiguous_format)


def _has_stubs(module: nn.Module) -> bool:
    tensors = [*module.parameters(), *module.buffers()]
    tensors += [value for part in module.modules() for value in vars(part).values() if isinstance(value, Tensor)]
    return any(tensor.is_meta for tensor in tensors)
