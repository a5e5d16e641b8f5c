"""Pictures that `reenact predict` writes: one for each result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import BasePredictionWriter

from reenact.callbacks.pictures import loader_name
from reenact.callbacks.whole_files import write_picture
from reenact.faces.portrait import PortraitPair, to_bytes
from reenact.models.common.base import Reenactment


class PredictedPictures(BasePredictionWriter):
    """Writes each result as `<loader>/<number>_<source clip>_<driving clip>.png`, number counting the loader's pairs.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(write_interval="batch")
        self._folder = folder

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: Reenactment,
        batch_indices: Sequence[int] | None,
        batch: PortraitPair,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write the pictures of a batch; clips give one picture a frame."""
        folder = self._folder / loader_name(trainer.predict_dataloaders, dataloader_idx)
        images = prediction.image
        frames = images if images.ndim == 5 else images[:, None]
        pictures: Any = to_bytes(frames).permute(0, 1, 3, 4, 2).cpu().numpy()
        for row, clip in enumerate(pictures):
            number = batch_indices[row] if batch_indices else batch_idx * len(pictures) + row
            name = f"{number:06d}_{_file_stem(batch.source.clip[row])}_{_file_stem(batch.driving.clip[row])}"
            for time, picture in enumerate(clip):
                suffix = f"_{time:04d}" if len(clip) > 1 else ""
                write_picture(picture, folder / f"{name}{suffix}.png", watermark=False)


def _file_stem(clip: str) -> str:
    return clip.replace("/", "-")
