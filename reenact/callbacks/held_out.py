"""The numbers of the held-out portraits: the yardstick beside them, and the last ones of a run."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from reenact.faces.portrait import PortraitPair
from reenact.metrics.suite import Suite, scene_of

METRIC = "psnr"
YARDSTICK = f"val/self/{METRIC}_of_copied_source"


class HeldOut(pl.Callback):
    """Scores the copied source at each validation, which a trained method has to beat; remembers the last numbers."""

    def __init__(self) -> None:
        self.step: int | None = None
        """Step of the last validation, None before the first."""
        self.figures: dict[str, float] = {}
        """Numbers of the last validation by name, without `val/`."""
        self._suite: Suite | None = None

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's union
        batch: PortraitPair,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Score the sources of a batch in which source and driving show one person."""
        pictures = batch.source.image.shape == batch.driving.image.shape
        if trainer.sanity_checking or not batch.same_identity or not pictures:
            return
        if self._suite is None:
            self._suite = Suite(names=[METRIC], same_identity=True, device=batch.source.image.device)
        self._suite.update(scene_of(batch.source.image, batch), batch)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the yardstick."""
        if self._suite is not None:
            (score,) = self._suite.scores()
            pl_module.log(YARDSTICK, score.value)
            self._suite = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember the numbers."""
        if trainer.sanity_checking:
            return
        self.step = trainer.global_step
        self.figures = {
            name.removeprefix("val/"): float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/")
        }
