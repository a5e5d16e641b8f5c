"""Picture grids of what a method sees and makes, to the run folder and to the logger."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor

from reenact.callbacks.whole_files import write_picture
from reenact.faces.portrait import PortraitPair, to_bytes
from reenact.models.common.base import Reenactment
from reenact.models.common.module import ReenactmentModule

LABEL_HEIGHT = 16
"""Pixels of the strip with the columns' names."""
LABEL_SIZE = 11
"""Size of the letters of these names."""
LABEL_MARGIN = 3
"""Pixels left of each name."""
STRIP = 4
"""Frames of a clip in a grid, one below the other."""


def picture_columns(pair: PortraitPair, result: Reenactment, *, every_frame: bool = False) -> dict[str, Tensor]:
    """Named pictures (N, 3, H, W) in [-1, 1] of a batch: inputs, the method's own pictures, and the error.

    The error, twice the absolute difference to the driving image with black for none, is there where that image is
    the wanted result. A pair gives one row, or a row for each of up to `STRIP` frames of a clip.

    Args:
        pair: The batch.
        result: Its result.
        every_frame: Give every frame of a clip a row.
    """
    pictures = {"source": pair.source.image, "driving": pair.driving.image}
    pictures |= result.pictures_of(pair.driving.image) | result.pictures()
    if pair.same_identity:
        difference = (result.image - pair.driving.image).abs()
        pictures["error"] = (2.0 * difference - 1.0).clamp(-1.0, 1.0)
    if result.image.ndim == 4:
        return pictures
    length = result.image.shape[1]
    frames = torch.arange(length) if every_frame else _strip_frames(length)
    places = frames.to(result.image.device)
    return {
        name: picture[:, places].flatten(0, 1) if picture.ndim == 5 else picture.repeat_interleave(len(frames), 0)
        for name, picture in pictures.items()
    }


def name_rows(pair: PortraitPair) -> list[str]:
    """Name the pair of each row of a grid: `source clip:frame > driving clip:frame`."""
    rows = []
    for row, (source, driving) in enumerate(zip(pair.source.clip, pair.driving.clip, strict=True)):
        first = -1 if pair.source.frame is None else int(pair.source.frame[row])
        frames = torch.tensor(-1) if pair.driving.frame is None else pair.driving.frame[row]
        frames = frames[_strip_frames(len(frames))] if frames.ndim else frames[None]
        rows += [f"{source}:{first} > {driving}:{frame}" for frame in frames.tolist()]
    return rows


def describe_grid(pictures: Mapping[str, Tensor], rows: Sequence[str]) -> dict[str, str]:
    """Metadata of a grid, by which `reenact benchmark` puts the grids of several methods together."""
    return {"columns": json.dumps(list(pictures)), "rows": json.dumps(list(rows))}


def _strip_frames(length: int) -> Tensor:
    """Up to `STRIP` frames of a clip, evenly spaced from the first to the last."""
    return torch.linspace(0, length - 1, min(STRIP, length)).round().long()


def draw_grid(pictures: Mapping[str, Tensor], rows: int) -> NDArray[np.uint8]:
    """A labelled grid (H, W, 3): one row a sample, one column a name. Pictures of another size are resized.

    Args:
        pictures: The columns, (B, 3, h, w) in [-1, 1]; the first sets the size.
        rows: At most this many samples.
    """
    size = next(iter(pictures.values())).shape[-2:]
    columns = []
    for picture in pictures.values():
        levels = to_bytes(F.interpolate(picture[:rows].float(), size, mode="area"))
        columns.append(levels.permute(0, 2, 3, 1).reshape(-1, size[1], 3).cpu().numpy())
    return np.concatenate([_draw_labels(list(pictures), size[1]), np.concatenate(columns, axis=1)])


def measure_label(name: str) -> int:
    """Width in pixels that a column of a grid needs for its name, with a margin on either side."""
    return math.ceil(ImageFont.load_default(size=LABEL_SIZE).getlength(name)) + 2 * LABEL_MARGIN


class Pictures(pl.Callback):
    """Writes a grid of pictures every few steps, and one of held-out portraits at each validation and test.

    Files: `pictures/{train,val_self,val_cross,test_self,test_cross}_<step>.png` in the run folder.

    Args:
        every_n_steps: Training steps between grids; 0 for none while training.
        samples: Rows of a grid.
    """

    def __init__(self, every_n_steps: int = 500, samples: int = 4) -> None:
        self.every_n_steps = every_n_steps
        self.samples = samples
        self._last_step = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: PortraitPair, batch_idx: int
    ) -> None:
        """Write the grid of a training batch when one is due, as the network makes it in evaluation mode."""
        step = trainer.global_step
        if not self.every_n_steps or step % self.every_n_steps or step == self._last_step:
            return
        self._last_step = step
        if trainer.is_global_zero and isinstance(pl_module, ReenactmentModule):
            few = batch[: self.samples]
            training = {part: part.training for part in pl_module.network.modules()}
            pl_module.network.eval()
            with torch.no_grad():
                self._write(trainer, "train", few, pl_module.reenact(few))
            for part, was_training in training.items():
                part.training = was_training

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's union; the module returns a Reenactment
        batch: PortraitPair,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the grid of the first held-out batch of each loader."""
        if batch_idx == 0 and outputs is not None and not trainer.sanity_checking and trainer.is_global_zero:
            loader = loader_name(trainer.val_dataloaders, dataloader_idx)
            self._write(trainer, f"val_{loader}", batch, outputs)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - as above
        batch: PortraitPair,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the grid of the first test batch of each loader."""
        if batch_idx == 0 and outputs is not None and trainer.is_global_zero:
            loader = loader_name(trainer.test_dataloaders, dataloader_idx)
            self._write(trainer, f"test_{loader}", batch, outputs)

    def _write(self, trainer: pl.Trainer, name: str, pair: PortraitPair, result: Reenactment) -> None:
        columns = picture_columns(pair, result)
        rows = name_rows(pair)[: self.samples * (len(columns["source"]) // len(pair.source.image))]
        picture = draw_grid(columns, len(rows))
        path = Path(trainer.default_root_dir) / "pictures" / f"{name}_{trainer.global_step:07d}.png"
        write_picture(picture, path, metadata=describe_grid(columns, rows))
        log_picture(trainer, f"pictures/{name}", picture)


def log_picture(trainer: pl.Trainer, name: str, picture: NDArray[np.uint8]) -> None:
    """Give a picture (H, W, 3) to the loggers that show pictures."""
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image(name, [Image.fromarray(picture)])
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(name, picture, trainer.global_step, dataformats="HWC")


def send_rows(trainer: pl.Trainer, name: str, rows: Sequence[Mapping[str, str | int | float]]) -> None:
    """Give a table of rows with the same columns to Weights & Biases."""
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger) and rows:
            logger.log_table(name, columns=[*rows[0]], data=[[*row.values()] for row in rows])


def loader_name(loaders: object, index: int) -> str:
    """The name of a loader of several, `self` or `cross`; its number where they have no names."""
    return str(list(loaders)[index]) if isinstance(loaders, Mapping) else str(index)


def _draw_labels(names: list[str], width: int) -> NDArray[np.uint8]:
    strip = Image.new("RGB", (width * len(names), LABEL_HEIGHT), "white")
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(size=LABEL_SIZE)
    for column, name in enumerate(names):
        draw.text((column * width + LABEL_MARGIN, 1), name, fill="black", font=font)
    return np.asarray(strip)
