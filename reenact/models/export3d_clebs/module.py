"""Contrastive training of the expression encoder (section 3.2, eq. 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.models.common.portrait_module import Losses
from reenact.models.common.training import Optimisation, PlainTraining
from reenact.models.export3d_clebs.losses import ContrastForm, compare_codes, compute_contrast, count_matches
from reenact.models.export3d_clebs.network import CLeBSConfig, ContrastiveEncoders


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """The contrastive batch of a clip and its loss."""

    frames: int = 33
    """Frames of a clip: one positive and 32 negatives for each expression (section 4)."""
    stride: int = 3
    """Frames from one to the next, so that they are no near duplicates; the paper gives none."""
    temperature: float = 0.07
    """Divisor of the cosines (section 4)."""
    relative: bool = False
    """Compare codes less their means over the clip, so that what all of its frames share, such as the person, has no
    part. Not part of the paper."""
    form: ContrastForm = "infonce"
    """`infonce`, or `printed`: eq. (1) as it is printed, without the positive in the denominator."""


@dataclass(frozen=True, kw_only=True)
class CLeBSOptimisation(Optimisation):
    """Adam at the paper's rate."""

    lr: float = 1e-4


class CLeBSModule(PlainTraining):
    """Expression encoder and image encoder, trained so that each expression is most similar to its own picture.

    A sample is a clip; its source is not read. Every frame is once the positive, with the others as negatives.

    Args:
        face_model: face model of the data's parameters.
        network: sizes.
        contrast: frames and loss.
        optimisation: learning rate and schedule.

    Raises:
        ReenactError: if the contrast has no negatives, or a temperature that is not positive.
    """

    method = "export3d_clebs"
    network: ContrastiveEncoders

    def __init__(
        self,
        face_model: str = "head",
        network: CLeBSConfig | None = None,
        contrast: Contrast | None = None,
        optimisation: CLeBSOptimisation | None = None,
    ) -> None:
        config = network or CLeBSConfig()
        contrast = contrast or Contrast()
        optimisation = optimisation or CLeBSOptimisation()
        check_contrast(contrast)
        encoders = ContrastiveEncoders(load_face_model(face_model), config)
        arguments = {"face_model": face_model, "network": config, "contrast": contrast, "optimisation": optimisation}
        super().__init__(encoders, optimisation, arguments)
        self.contrast = contrast

    @property
    def needs(self) -> Contents:
        """Face parameters as numbers, of frames of one clip."""
        contrast = self.contrast
        return Contents(
            params=True,
            clip_length=contrast.frames,
            clip_stride=contrast.stride,
            test_stride=max(1, contrast.stride),
            mirrors=False,
        )

    def compute_losses(self, batch: PortraitPair) -> Losses:
        """Contrast of the frames of each clip; both forms and the share of matches are logged."""
        cosines, contrast = self.compare_frames(batch.driving), self.contrast
        size = len(batch.driving.image)
        self.log("train/matches", count_matches(cosines), batch_size=size, prog_bar=True)
        values = {form: compute_contrast(cosines, contrast.temperature, form) for form in ("infonce", "printed")}
        self.log_dict({f"train/{form}": value.detach() for form, value in values.items()}, batch_size=size)
        return {"contrast": values[contrast.form]}

    def compare_frames(self, clip: Portrait) -> Tensor:
        """Cosines (B, T, T) of the expressions (rows) and pictures (columns) of clips (B, T)."""
        assert clip.params is not None
        frames = clip.merged()
        assert frames.params is not None
        pictures = self.network.encode_pictures(frames.image, frames.params).view(*clip.image.shape[:2], -1)
        expressions = self.network.expression(clip.params)
        if self.contrast.relative:
            expressions, pictures = (codes - codes.mean(1, keepdim=True) for codes in (expressions, pictures))
        return compare_codes(expressions, pictures)

    def validation_step(self, batch: PortraitPair, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log contrast and matches of held-out people, of clips with all frames; `cross` shows the same ones."""
        if not dataloader_idx:
            self._evaluate(batch, f"val/{self.loader_name('val', dataloader_idx)}")

    def test_step(self, batch: PortraitPair, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Evaluate a batch of the first test loader."""
        if not dataloader_idx:
            self._evaluate(batch, f"test/{self.loader_name('test', dataloader_idx)}")

    @torch.no_grad()
    def _evaluate(self, batch: PortraitPair, stage: str) -> None:
        cosines = self.compare_frames(batch.driving if batch.around is None else batch.around)
        if cosines.shape[-1] < self.contrast.frames:  # fewer frames are easier to tell apart
            return
        values = {
            "matches": count_matches(cosines),
            "contrast": compute_contrast(cosines, self.contrast.temperature, self.contrast.form),
        }
        self.log_dict(
            {f"{stage}/{name}": value for name, value in values.items()},
            batch_size=len(cosines),
            add_dataloader_idx=False,
            sync_dist=True,
            prog_bar=True,
        )


def check_contrast(contrast: Contrast) -> None:
    """Refuse a contrast that has no negatives or no finite loss; raises `ReenactError`."""
    if contrast.frames < 2:
        raise ReenactError(f"--model.contrast.frames {contrast.frames} leaves no negatives: set 2 or more")
    if contrast.stride < 0:
        raise ReenactError(f"--model.contrast.stride {contrast.stride} goes backwards: set 0 or more")
    if contrast.temperature <= 0:
        raise ReenactError(f"--model.contrast.temperature {contrast.temperature} is not positive: set 0.07")
