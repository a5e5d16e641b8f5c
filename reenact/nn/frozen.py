"""Trained networks that others read with and nobody trains, outside of every module tree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class Frozen(Generic[Network]):
    """A network without gradients, loaded at its first use.

    Not a module: it is in no checkpoint, no optimiser and no train-mode switch of the module that holds it, and copies
    of that module share it.

    Args:
        build: returns the network with its weights, the same each time.
    """

    def __init__(self, build: Callable[[], Network]) -> None:
        self._build = build
        self._network: Network | None = None
        self._is_converted = False
        self._digest = ""

    def load(self) -> Network:
        """Return the network on its present device; raises what `build` raises, such as for a missing file."""
        if self._network is None:
            self._network = self._build().eval().requires_grad_(False)
        return self._network

    def follow(self, image: Tensor) -> Network:
        """Return the network on the device of a tensor that it is to read, and in its precision outside of autocast."""
        network = self.load()
        present = next((p.dtype for p in network.parameters() if p.is_floating_point()), image.dtype)
        if image.is_floating_point() and present != image.dtype and not torch.is_autocast_enabled(image.device.type):
            if self._is_converted:  # the digits that a lower precision has cost come back from the file
                self._network = None
                network = self.load()
            network.to(image.dtype)
            self._is_converted = True
        return network.to(image.device)

    @property
    def digest(self) -> str:
        """SHA-256 of the weights as they are loaded, in hexadecimal digits."""
        if not self._digest:
            network = self._build() if self._is_converted else self.load()
            self._digest = hash_weights(network.state_dict())
        return self._digest

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the same object: its network never changes."""
        return self


def hash_weights(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of all bytes of weights, in the order of their names, in hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(weights[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
