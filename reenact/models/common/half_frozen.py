"""Training under autocast whose weights that are not trained take half of their memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reenact.models.common.portrait_module import PortraitModule
from reenact.nn.frozen import Frozen
from reenact.nn.half_weights import HalfWeights, find_autocast_dtype


class HalfFrozen(PortraitModule):
    """Keeps what is not trained in the precision of autocast, from `halve_frozen` to the end of the training.

    Results are those of whole weights, to the bit, and checkpoints have the whole weights.
    """

    _halves: tuple[HalfWeights, ...] = ()

    def halve_frozen(self, networks: Iterable[Frozen[Any]]) -> None:
        """Halve the weights of the module that have no gradients, and those of networks outside of it.

        A trainer without autocast changes nothing. Call it at the end of `on_fit_start`, where the module has its
        weights.

        Args:
            networks: networks that nothing else reads while the module is trained.
        """
        dtype = find_autocast_dtype(str(self.trainer.precision))
        if dtype is None:
            return
        loaded = []
        for frozen in networks:
            _ = frozen.digest  # is that of the whole weights, and kept
            loaded.append(frozen.load())
        self._halves = tuple(HalfWeights(module, dtype) for module in (self, *loaded))

    def on_fit_end(self) -> None:
        """Take the whole weights back."""
        super().on_fit_end()
        for half in self._halves:
            half.restore()
        self._halves = ()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the header, and the whole weights in place of the halved ones."""
        super().on_save_checkpoint(checkpoint)
        if self._halves:
            self._halves[0].fill(checkpoint["state_dict"])
