"""Memory of a source's last tri-plane, for frames that differ in the view alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class PlaneMemory:
    """The tri-plane of the last expression of one source; copies of a state share it, and are told apart by tokens."""

    tokens: Tensor | None = None
    code: Tensor | None = None
    planes: Tensor | None = None

    def recall(self, tokens: Tensor, code: Tensor, build: Callable[[], Tensor]) -> Tensor:
        """Return the tri-plane of tokens with a code: the last one if it is that, else a new one, which is kept.

        With gradients nothing is kept, since a tri-plane would belong to the graph of another call.
        """
        if torch.is_grad_enabled():
            return build()
        # The code of one frame and that of many differ by rounding.
        is_last = tokens is self.tokens and self.code is not None and torch.allclose(code, self.code, atol=1e-6)
        if not is_last or self.planes is None:
            self.tokens, self.code, self.planes = tokens, code, build()
        return self.planes
