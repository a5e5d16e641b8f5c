"""Tests of a part of the motion: pose only, or expression only."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytorch_lightning as pl

from reenact.models.common.module import ReenactmentModule


class PartialTransfer(pl.Callback):
    """Chooses the motion that another person's source takes in tests and predictions.

    Args:
        mode: `absolute` for everything, `pose` or `expression` for one of them alone; by default the transfer of the
            paper. A method without the mode refuses it.
    """

    def __init__(self, mode: Literal["absolute", "pose", "expression"] | None = None) -> None:
        self.mode = mode

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Set the mode of the module; raises `ReenactError` for a mode that the method does not have."""
        if self.mode is not None and stage in ("test", "predict") and isinstance(pl_module, ReenactmentModule):
            pl_module.network.check_transfer(replace(pl_module.network.transfer, mode=self.mode))
            pl_module.transfer_mode = self.mode
