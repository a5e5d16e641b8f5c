"""Names of devices on which networks run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import get_args

import torch

from reenact.choices import Precision
from reenact.errors import ReenactError

LOG = logging.getLogger("reenact")

BATCH_SIZE = 8
"""Pictures that a network draws at once."""
LARGE_PICTURE = 256
"""Side in pixels from which pictures go through the processor one by one."""


def pick_device(name: str) -> torch.device:
    """A device by name; `auto` is the accelerator where there is one.

    Raises:
        ReenactError: if the name is unknown or the device is absent.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ReenactError(f"--device {name} is not available here; use cpu or auto") from error
    return device


def pick_precision(device: torch.device, precision: Precision) -> Precision:
    """Return the precision in which a device computes; a CPU, which has no fp16, computes in float32 and says so.

    Raises:
        ReenactError: if there is no such type.
    """
    if precision not in get_args(Precision):
        raise ReenactError(f"--precision {precision}: no such type; use one of {', '.join(get_args(Precision))}")
    if precision == "fp16" and device.type == "cpu":
        LOG.warning("warning: --precision fp16 is not available on the CPU, which computes in float32 now")
        return "float32"
    return precision


def choose_batch_size(device: torch.device, size: int) -> int:
    """Return the number of pictures that a network draws at once where the user names none.

    Args:
        device: Where the network runs. On the processor, a batch of large pictures exceeds the caches and is slower
            than one picture after the other.
        size: Side of the pictures in pixels.
    """
    return 1 if device.type == "cpu" and size >= LARGE_PICTURE else BATCH_SIZE


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Build the context in which networks compute in a precision of `pick_precision`."""
    dtype = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return torch.autocast(device.type, dtype, enabled=precision != "float32")


def is_memory_full(error: BaseException) -> bool:
    """Return True if an error says that a device, or the processor, has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def describe_full_memory(remedies: Sequence[str]) -> ReenactError:
    """Build the refusal for a full memory.

    Args:
        remedies: Options that take less memory, in the order in which to try them.
    """
    return ReenactError(f"The memory of the device is full; try in this order: {', '.join(remedies)}")


@contextmanager
def explain_full_memory(remedies: Sequence[str]) -> Iterator[None]:
    """Answer a full memory inside with one sentence.

    Args:
        remedies: As of `describe_full_memory`.

    Raises:
        ReenactError: if the memory is full.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_memory_full(error):
            raise
        raise describe_full_memory(remedies) from error
