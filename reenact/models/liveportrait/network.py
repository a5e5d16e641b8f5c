"""LivePortrait as a `Reenactor`: keypoints of the source, moved by the driving head, stitched and retargeted."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Reenactment, ReportProgress, Transfer, ignore_progress
from reenact.models.common.controls import Control, ControlError, check_value, find_control
from reenact.models.common.head_driven import HeadDriven
from reenact.models.common.retarget import align_leading
from reenact.models.common.volume import VolumeReenactment
from reenact.models.liveportrait.config import LivePortraitConfig
from reenact.models.liveportrait.controls import OPENINGS, SLIDER_CONTROLS, UNTRAINED, list_openings
from reenact.models.liveportrait.expressions import SLIDERS
from reenact.models.liveportrait.landmarks import measure_openings
from reenact.models.liveportrait.motion import (
    KEYPOINTS,
    OPTIONAL_PARTS,
    PARTS,
    LivePortraitState,
    PortraitMotion,
    transfer_motion,
)
from reenact.models.liveportrait.motion_extractor import HeadReading, MotionExtractor
from reenact.models.liveportrait.painting import SourcePainter
from reenact.models.liveportrait.paste import build_paste_mask
from reenact.models.liveportrait.retargeting import StitchingNetworks
from reenact.models.liveportrait.source_video import keep_first_eyes, smooth_frames
from reenact.models.liveportrait.warping import WarpingModule
from reenact.nn.fold import fold_blocks
from reenact.nn.hourglass import list_widths
from reenact.nn.spade import SpadeDecoder
from reenact.nn.volume import AppearanceExtractor
from reenact.nn.whole_batch import BatchDraws

CALM_LIPS = 0.03
"""Opening of the source's lips from which they are closed first, where that is set."""


@dataclass
class LivePortraitReenactment(VolumeReenactment):
    """A result with what the losses of training read."""

    moved: Tensor | None
    """(B, 3, H, W) the source with its pixels moved, in [-1, 1]; None where the picture was drawn anew."""
    reading: HeadReading | None = None
    """Everything that was read in the driving portrait; None where only its motion is known."""


class LivePortrait(HeadDriven[LivePortraitState, PortraitMotion]):
    """LivePortrait (Guo et al., 2024): efficient portrait animation with stitching and retargeting control.

    Args:
        config: widths, depths, and what is done beside the transfer of motion.
    """

    needs = Contents(landmarks=True)
    parts: ClassVar = PARTS
    optional_parts: ClassVar = OPTIONAL_PARTS
    places: ClassVar = ("translation", "scale")
    transfer: ClassVar = Transfer(mode="relative")
    composition = "rows"

    def __init__(self, config: LivePortraitConfig) -> None:
        super().__init__()
        if config.keypoints != KEYPOINTS:
            raise ReenactError(f"LivePortrait has {KEYPOINTS} keypoints, not {config.keypoints}: leave the option out")
        if not 0 <= config.smoothing < float("inf"):
            raise ReenactError(f"network.smoothing {config.smoothing:g} is no variance: give a number from 0 on")
        if config.painting and config.upscale != 1:
            raise ReenactError(
                f"network.painting {config.painting} paints on pictures of the size that the networks read: set"
                f" network.upscale 1, not {config.upscale}, or network.painting 0"
            )
        self.config = config
        width = [config.width, *list_widths(config.width, config.largest, config.halvings)][-1]
        self.appearance = AppearanceExtractor(
            config.width, config.largest, config.halvings, config.channels, config.depth, config.blocks, kernel=3
        )
        self.motion_extractor = MotionExtractor(
            config.keypoints,
            config.depths,
            config.widths,
            places=config.places,
            place_channels=config.place_channels,
        )
        self.warping = WarpingModule(config.channels, config.depth, width, config.dense_motion())
        self.decoder = SpadeDecoder(width, config.decoder_width, config.spade_hidden, config.upscale)
        self.stitching = StitchingNetworks(config.keypoints)
        self.painter = None
        if config.painting:
            features = self.warping.dense_motion_network.hourglass.channels_out * config.depth
            self.painter = SourcePainter(config.keypoints, features, config.decoder_width, config.painting)

    def encode(self, source: Portrait) -> LivePortraitState:
        """Canonical keypoints, motion and appearance of the source.

        Raises:
            ReenactError: as `read`.
        """
        reading, image = self.observe(source), self.reduce_image(source.image)
        motion = self.build_motion(source, reading)
        volume = self.appearance(image)
        return LivePortraitState(
            motion=motion,
            image=source.image,
            canonical=reading.canonical,
            keypoints=motion.keypoints(reading.canonical),
            volume=volume,
            compressed=self.warping.compressed(volume),
        )

    def read(self, driving: Portrait) -> PortraitMotion:
        """Pose, scale and expression in the image, and openings in the landmarks.

        Raises:
            ReenactError: if its sides are not multiples of the stride.
        """
        return self.build_motion(driving, self.observe(driving))

    def observe(self, portrait: Portrait) -> HeadReading:
        """Read a portrait's image by the motion extractor; raises `ReenactError` as `read`."""
        self.config.check(portrait.image, "LivePortrait")
        reading: HeadReading = self.motion_extractor(self.reduce_image(portrait.image))
        return reading

    def reduce_image(self, image: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] as the networks read them: in [0, 1], reduced by the factor of the decoder."""
        return (F.avg_pool2d(image, self.config.upscale) + 1) / 2

    def build_motion(self, portrait: Portrait, reading: HeadReading) -> PortraitMotion:
        """The motion of a portrait that was read."""
        assert portrait.landmarks is not None
        return PortraitMotion.of(reading, measure_openings(portrait.landmarks.to(reading.scale)), len(SLIDERS))

    def build_canonical_motion(self, state: LivePortraitState) -> PortraitMotion:
        """Return the motion that leaves the canonical keypoints in place."""
        motion = state.motion.map(torch.zeros_like)
        turn = torch.eye(3, device=motion.rotation.device, dtype=motion.rotation.dtype).expand_as(motion.rotation)
        openings = state.motion.openings
        return replace(motion, rotation=turn, scale=torch.ones_like(motion.scale), openings=openings)

    def forward(self, source: Portrait, driving: Portrait, random: BatchDraws | None = None) -> LivePortraitReenactment:
        """Encode and drive in one call; in training mode without stitching, which is trained on its own."""
        state, reading = self.encode(source), self.observe(driving)
        motion = self.build_motion(driving, reading)
        places = motion.keypoints(state.canonical) if self.training else self.place_keypoints(state, motion)
        return replace(self.render(state, places), reading=reading)

    def retarget(
        self,
        state: LivePortraitState,
        driving: PortraitMotion,
        transfer: Transfer,
        reference: PortraitMotion | None = None,
    ) -> PortraitMotion:
        """Transfer the driving face's motion by `transfer_motion`, and open eyes and lips as the settings say."""
        self.check_transfer(transfer)
        motion, config = transfer_motion(state.motion, driving, transfer, reference), self.config
        self._check_followed()
        source = align_leading(state.motion, driving)
        places = state.keypoints.reshape(
            len(state.keypoints), *(1,) * (driving.scale.ndim - 2), *state.keypoints.shape[1:]
        )
        eyes, lips, network = source.openings[..., :2], source.openings[..., 2:], self.stitching
        if config.follow_eyes:
            motion = replace(motion, eye_offsets=network.eye_offsets(places, eyes, driving.openings[..., :1]))
        if config.follow_lips:
            motion = replace(motion, lip_offsets=network.lip_offsets(places, lips, driving.openings[..., 2:]))
        if config.calm_lips and transfer.mode == "relative" and not (config.follow_eyes or config.follow_lips):
            closed = network.lip_offsets(places, lips, torch.zeros_like(lips))
            calm = torch.where(lips[..., None] >= CALM_LIPS, closed, 0.0)
            motion = replace(motion, calm_offsets=calm.expand_as(motion.expression))
        return motion

    def _check_followed(self) -> None:
        config, small = self.config, self.stitching
        eyes, lips = small.eyes, small.lips
        networks = {"follow_eyes": eyes, "first_eyes": eyes, "follow_lips": lips, "calm_lips": lips}
        for setting, network in networks.items():
            if getattr(config, setting) and not network.is_trained:
                raise ReenactError(f"network.{setting}{UNTRAINED}")

    def place_keypoints(self, state: LivePortraitState, motion: PortraitMotion) -> Tensor:
        """Places (B, K, 3) of the driving keypoints, stitched."""
        source = state.keypoints
        places = motion.keypoints(state.canonical) + motion.eye_offsets + motion.lip_offsets
        if self.config.stitching:
            places = places + self.stitching.stitch_offsets(source, places)
        places = places + motion.calm_offsets
        return places if self.config.multiplier == 1 else source + self.config.multiplier * (places - source)

    def perform(
        self, state: LivePortraitState, motion: PortraitMotion, random: BatchDraws | None = None
    ) -> LivePortraitReenactment:
        """The source with its keypoints moved and stitched."""
        return self.render(state, self.place_keypoints(state, motion))

    def play(
        self,
        frames: Iterable[tuple[LivePortraitState, PortraitMotion]],
        progress: ReportProgress = ignore_progress,
        work: Path | None = None,
    ) -> Iterator[Reenactment]:
        """Perform the frames of one video, as `Reenactor.play`; a moving source is treated as the settings say."""
        config = self.config
        if config.smoothing:
            frames = smooth_frames(frames, config.smoothing)
        if config.first_eyes and not (config.follow_eyes or config.follow_lips):
            frames = keep_first_eyes(frames, self.stitching)
        return super().play(frames, progress, work)

    def render(self, state: LivePortraitState, places: Tensor) -> LivePortraitReenactment:
        """The source with its keypoints at places (B, K, 3)."""
        style, dense = self.warping(state.volume, state.compressed, state.keypoints, places)
        moved = None
        if self.painter is None:
            image = 2 * self.decoder(style) - 1
        else:
            moved = self.painter.move(state.image, dense.features, state.keypoints, places)
            image = self.painter.paint(self.decoder.draw_maps(style), moved, state.keypoints, places)
        return LivePortraitReenactment(
            image=image,
            moved=moved,
            source=state.image,
            canonical=state.canonical,
            source_keypoints=state.keypoints,
            keypoints=places,
            position=dense.position,
            mask=dense.mask,
            occlusion=dense.occlusion,
        )

    def weigh_pasted(self, size: int) -> NDArray[np.float32]:
        """The official mask: the whole crop, with a narrow rim."""
        return build_paste_mask(size)

    def controls(self) -> Mapping[str, Control]:
        """Angles, place, scale and expression of the head, openings of eyes and lips, and sliders of the expression."""
        openings = list_openings(eyes=self.stitching.eyes.is_trained, lips=self.stitching.lips.is_trained)
        return {**super().controls(), **openings, **SLIDER_CONTROLS}

    def set_control(self, state: LivePortraitState, motion: PortraitMotion, name: str, value: float) -> PortraitMotion:
        """Set one control; values out of range are refused, never clamped."""
        if name not in OPENINGS and name not in SLIDER_CONTROLS:
            return super().set_control(state, motion, name, value)
        check_value(name, find_control(name, self.controls(), type(self).__name__), value)
        if name in SLIDER_CONTROLS:
            sliders = motion.sliders.clone()
            sliders[..., list(SLIDER_CONTROLS).index(name)] = value
            return replace(motion, sliders=sliders)
        return self._set_opening(state, motion, name, value)

    def _set_opening(self, state: LivePortraitState, motion: PortraitMotion, name: str, value: float) -> PortraitMotion:
        small, openings = self.stitching, state.motion.openings
        target = torch.full_like(openings[..., :1], value)
        if not (small.eyes if name == "eyes.opening" else small.lips).is_trained:
            raise ControlError(name, UNTRAINED)
        if name == "eyes.opening":
            offsets = small.eye_offsets(state.keypoints, openings[..., :2], target)
            return replace(motion, eye_offsets=offsets.expand_as(motion.expression))
        offsets = small.lip_offsets(state.keypoints, openings[..., 2:], target)
        return replace(motion, lip_offsets=offsets.expand_as(motion.expression))

    def folded(self) -> Self:
        """A copy for inference, with norms inside convolutions."""
        return fold_blocks(copy.deepcopy(self).eval())
