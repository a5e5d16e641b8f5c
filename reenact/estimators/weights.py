"""Reading official weight files without running anything that they hold, and checking them against a network."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from reenact.errors import ReenactError

NAMED_KEYS = 3
"""Largest number of keys that an error message names."""


class _Inert:
    """Stands for any object of a checkpoint that is no tensor; keeps nothing and does nothing."""

    def __new__(cls, *_: object) -> Self:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def read_weights(path: Path) -> dict[str, Any]:
    """The dictionary in a file of `torch.save`, on the CPU.

    Training checkpoints hold objects of other packages beside the tensors (configurations, callbacks). None of them is
    imported or called: an inert object stands in its place.

    Args:
        path: a weight file, in torch's zip format (then it is mapped, not read at once) or the one before.

    Raises:
        ReenactError: if the file is missing, damaged, malicious, or holds no dictionary.
    """
    try:
        packed = zipfile.is_zipfile(path)
        others = torch.serialization.get_unsafe_globals_in_checkpoint(path) if packed else []
        with torch.serialization.safe_globals([(_Inert, name) for name in others]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
    except FileNotFoundError:
        raise ReenactError(f"{path} does not exist: give the path of a weight file") from None
    except Exception as error:
        # whatever a damaged or hostile file makes the parser raise, it means one thing to the person
        raise ReenactError(
            f"{path} is damaged or not a weight file ({type(error).__name__}): get it again from its official source"
        ) from error
    if not isinstance(content, dict):
        raise ReenactError(f"{path} holds no dictionary of weights: get it again from its official source")
    return content


def strip_prefix(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if str(name).startswith(prefix)}


def load_strictly(network: nn.Module, state: object, path: Path, part: str) -> None:
    """Load weights into a network; names and shapes must be exactly the network's.

    Args:
        network: Where to.
        state: Tensors by name.
        path: The file they come from, for the message.
        part: What of the file they are, for the message.

    Raises:
        ReenactError: if an entry is missing, unexpected, or of another shape; the message names it.
    """
    expected = network.state_dict()
    tensors = state if isinstance(state, Mapping) else {}
    problems = {
        "lacks": [name for name in expected if not isinstance(tensors.get(name), Tensor)],
        "has unexpected": [str(name) for name in tensors if name not in expected],
        "has another shape of": [
            f"{name} {tuple(tensors[name].shape)}, not {tuple(tensor.shape)}"
            for name, tensor in expected.items()
            if isinstance(tensors.get(name), Tensor) and tensors[name].shape != tensor.shape
        ],
    }
    for problem, names in problems.items():
        if names:
            more = f" and {len(names) - NAMED_KEYS} more" if len(names) > NAMED_KEYS else ""
            raise ReenactError(
                f"{path} is not the official file, its {part} {problem} {', '.join(names[:NAMED_KEYS])}{more}: "
                "get it again from its official source"
            )
    network.load_state_dict(tensors)
