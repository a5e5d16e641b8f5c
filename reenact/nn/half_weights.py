"""Weights that are not trained, kept in the precision in which autocast computes with them anyway."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

CAST_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)
"""Layers whose weights autocast casts at each use, so that results stay the same to the bit; norms are none of them."""


class HalfWeights:
    """Weights of linear layers and convolutions without gradients, in half of their memory.

    The whole weights are kept in main memory, for checkpoints and for the end of the training.

    Args:
        module: the module, whose weights are replaced in place.
        dtype: precision of autocast, bfloat16 or float16.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        self._parameters: dict[str, nn.Parameter] = {}
        self.whole: dict[str, Tensor] = {}
        """Names of the weights in the module -> their values, on the CPU."""
        for name, layer in module.named_modules():
            if not isinstance(layer, CAST_LAYERS):
                continue
            for part, parameter in layer.named_parameters(prefix=name, recurse=False):
                if not parameter.requires_grad:
                    self._parameters[part] = parameter
                    self.whole[part] = parameter.data.cpu()
                    parameter.data = parameter.data.to(dtype)

    def restore(self) -> None:
        """Give the module its whole weights back."""
        for name, parameter in self._parameters.items():
            parameter.data = self.whole[name].to(parameter.device)

    def fill(self, state: dict[str, Tensor]) -> None:
        """Put the whole weights into the module's `state_dict`."""
        state.update({name: value for name, value in self.whole.items() if name in state})


def find_autocast_dtype(precision: str) -> torch.dtype | None:
    """Return the precision of autocast by Lightning's name; None where a trainer has none."""
    types: Mapping[str, torch.dtype] = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    return types.get(precision)
