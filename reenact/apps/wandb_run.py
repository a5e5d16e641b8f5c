"""Settings and videos of a run for Weights & Biases, beside losses, numbers, picture grids and rows.

A callback, but not among the others: it reads clips of the data set, which they know nothing of.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.loggers import WandbLogger
from torch import Tensor

from reenact.data.clips import ClipSource
from reenact.data.datamodules.base import ReenactmentDataModule
from reenact.faces.portrait import PortraitPair, to_image
from reenact.media.video import Image
from reenact.media.video_writer import VideoWriter
from reenact.models.common.module import ReenactmentModule
from reenact.provenance import mark_words
from reenact.watermark import choose_crf, embed_watermark


class WandbRun(pl.Callback):
    """Sends a run's settings at its start, and at each validation and test videos of held-out people.

    A video shows source, driving frame and result side by side, for a person driven by another frame of the same clip
    (`self`) and by another person (`cross`); it stays in `videos/` of the run folder as well. `--logger wandb` adds
    this callback.

    Args:
        frames: Frames of a video.
        fps: Frames of it per second.
    """

    def __init__(self, frames: int = 25, fps: int = 25) -> None:
        self.frames = frames
        self.fps = fps

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send the settings."""
        self._send_settings("fit", trainer, pl_module)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send the settings."""
        self._send_settings("test", trainer, pl_module)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send the videos."""
        if not trainer.sanity_checking:
            self._film("val", trainer, pl_module)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send the videos."""
        self._film("test", trainer, pl_module)

    def _send_settings(self, stage: str, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send the settings in `config.yaml` of the run folder."""
        file = Path(trainer.default_root_dir) / "config.yaml"
        if not trainer.is_global_zero or not file.is_file():
            return
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
        method = getattr(pl_module, "method", type(pl_module).__name__)
        for logger in _wandb_loggers(trainer):
            logger.experiment.config.update({**settings, "method": method, "stage": stage}, allow_val_change=True)

    def _film(self, stage: str, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        data = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, ReenactmentModule) or not isinstance(data, ReenactmentDataModule):
            return
        if not trainer.is_global_zero or not _wandb_loggers(trainer):
            return
        for loader, pair in self._pairs(data.test_clips()).items():
            path = Path(trainer.default_root_dir) / "videos" / f"{stage}_{loader}_{trainer.global_step:07d}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            frames = list(_render_frames(pl_module, pair, data.batch_size))
            size = frames[0].shape[1], frames[0].shape[0]
            mark = mark_words(pl_module.method)
            with VideoWriter(path, Fraction(self.fps), size, metadata=mark, crf=choose_crf(*size)) as video:
                for frame in frames:
                    video.write(embed_watermark(frame))
            for logger in _wandb_loggers(trainer):
                logger.log_video(f"videos/{stage}_{loader}", [str(path)], format=["mp4"])

    def _pairs(self, clips: ClipSource) -> dict[str, PortraitPair]:
        """The first held-out portrait (batch 1) and the frames of its own clip, and those of the first other person."""
        index = clips.index
        others = np.flatnonzero(index.identities != index.identities[0])
        chosen = {"self": 0, **({"cross": int(others[0])} if len(others) else {})}
        source = clips.read(int(index.ids[0]), [0])
        pairs = {}
        for loader, place in chosen.items():
            count = min(self.frames, int(index.num_frames[place]))
            driving = clips.read(int(index.ids[place]), list(range(count)))
            pairs[loader] = PortraitPair(source, driving).normalised()
        return pairs


@torch.no_grad()
def _render_frames(module: ReenactmentModule, pair: PortraitPair, batch_size: int) -> Iterator[Image]:
    """Source, driving frame and result side by side."""
    source, driving = pair.to(module.device).source, pair.driving
    starts = range(0, len(driving.clip), batch_size)
    drivings = (driving[start : start + batch_size].to(module.device) for start in starts)
    number = 0
    for result in module.play(source, drivings):
        count = len(result.image)
        driving_images = driving.image[number : number + count].to(result.image)
        row = torch.cat([source.image.expand(count, -1, -1, -1), driving_images, result.image], dim=3)
        yield from _images_to_bytes(row)
        number += count


def _images_to_bytes(images: Tensor) -> Image:
    """(B, H, W, 3) bytes of even height and width, as video codecs want them."""
    height, width = (side // 2 * 2 for side in images.shape[-2:])
    return np.ascontiguousarray(to_image(images[..., :height, :width]))


def _wandb_loggers(trainer: pl.Trainer) -> list[WandbLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]
