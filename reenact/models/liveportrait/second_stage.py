"""Stage 2 of LivePortrait's training: stitching and the openings of eyes and lips (eqs. 5 and 6 of the paper).

Everything else is frozen. The source as it is, `I_recon`, is drawn from its own keypoints; stitching must leave the
shoulders as they are there while another person's motion moves the head, and the openings everything but eyes or lips.
The paper gives no weights and does not say how shoulders are found; `docs/methods/liveportrait.md` says what is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from reenact.faces.fields import TensorFields
from reenact.faces.portrait import PortraitPair
from reenact.models.common.portrait_module import Losses
from reenact.models.liveportrait.landmarks import measure_guided_openings, measure_openings
from reenact.models.liveportrait.network import LivePortrait
from reenact.models.liveportrait.optimisation import LivePortraitOptimisation
from reenact.models.liveportrait.regions import mask_features, mask_shoulders
from reenact.models.liveportrait.training_stage import TrainingStage
from reenact.nn.landmark_detector import DETECTOR_ASSETS, LandmarkDetector, LandmarkKind
from reenact.nn.whole_batch import BatchDraws


@dataclass(frozen=True, kw_only=True)
class RetargetingLosses:
    """Weights of the losses of stage 2, and what they measure by."""

    shoulders: float = 1.0
    """Change of the shoulders that stitching leaves."""
    stitched_face: float = 0.0
    """Squared change of the picture above the shoulders by stitching (not the paper's); small changes are free."""
    rest: float = 1.0
    """Change of the picture outside the eyes, or outside the lips, when these open or close."""
    opening: float = 1.0
    """Distance of the openings of the result from those that were asked for."""
    guided_opening: float = 0.0
    """Distance of the openings that guided keypoints show from those that were asked for (not the paper's)."""
    offsets: float = 0.01
    """Mean size of all offsets of keypoints."""
    landmarks: LandmarkKind = "mediapipe"
    """Network that measures openings in results; the paper names none."""
    own_motion: float = 0.0
    """Share of the pairs whose head moves as its own person's does (not the paper's), and not as another's."""
    shoulder_gap: float = 0.2
    """Distance from the chin to the rows that count as shoulders, in heights of the face."""
    largest_opening: float = 0.8
    """Largest opening that is asked for; they are drawn evenly from 0 on."""


@dataclass
class RetargetedPortraits(TensorFields):
    """Results of the three small networks for B sources, and what led to them."""

    image: Tensor
    """(B, 3, H, W) in [-1, 1]: the source with another person's motion, stitched."""
    rebuilt: Tensor
    """(B, 3, H, W) the source as it is."""
    eyes: Tensor
    """(B, 3, H, W) the source with its eyes opened or closed."""
    lips: Tensor
    """(B, 3, H, W) the source with its lips opened or closed."""
    keypoints: Tensor
    """(B, K, 3) of the source as it is."""
    stitch_offsets: Tensor
    """(B, K, 3) of stitching."""
    eye_offsets: Tensor
    """(B, K, 3) of the eyes."""
    lip_offsets: Tensor
    """(B, K, 3) of the lips."""
    eye_target: Tensor
    """(B, 1) opening of both eyes that was asked for."""
    lip_target: Tensor
    """(B, 1) opening of the lips that was asked for."""
    unstitched: Tensor | None = None
    """(B, 3, H, W) the source with another person's motion, not stitched, where a loss reads it."""


class RetargetingStage(TrainingStage[RetargetedPortraits]):
    """Training of stitching and of the openings of eyes and lips.

    Args:
        weights: of the losses.
    """

    trains_retargeting = True

    def __init__(self, weights: RetargetingLosses) -> None:
        self.weights = weights
        self.detector_assets = DETECTOR_ASSETS.get(weights.landmarks, ())
        self._detector: LandmarkDetector | None = None

    def load(self) -> None:
        """Load the network of the landmarks."""
        self._detector = LandmarkDetector(self.weights.landmarks)

    def list_groups(self, network: LivePortrait, optimisation: LivePortraitOptimisation) -> list[dict[str, Any]]:
        """The three small networks."""
        return [{"params": list(network.stitching.parameters())}]

    def run(self, network: LivePortrait, batch: PortraitPair, random: BatchDraws) -> RetargetedPortraits:
        """Stitch the sources of a batch and open their eyes and lips."""
        return retarget_portraits(network, batch, random, self.weights)

    def generator_losses(
        self,
        network: LivePortrait,
        judges: nn.Module,
        batch: PortraitPair,
        result: RetargetedPortraits,
        random: BatchDraws,
    ) -> Losses:
        """Terms of the three small networks."""
        assert self._detector is not None
        return compute_retargeting_losses(batch, result, self.weights, self._detector)

    def discriminator_losses(self, judges: nn.Module, batch: PortraitPair, result: RetargetedPortraits) -> Losses:
        """No terms: stage 2 has no discriminator."""
        return {}


def retarget_portraits(
    network: LivePortrait, batch: PortraitPair, random: BatchDraws, weights: RetargetingLosses
) -> RetargetedPortraits:
    """Run the small networks on the sources of a batch, with gradients to them alone.

    Rotation, place and expression of a driving head are those of the pair that `choose_drivers` names; the scale stays
    the source's, as in absolute motion.

    Args:
        network: in evaluation mode.
        batch: B pairs.
        random: draws the openings.
        weights: name the largest opening to draw, the share of pairs that move as they do, and what is compared.
    """
    with torch.no_grad():
        state = network.encode(batch.source)
        driving = network.read(batch.driving)[choose_drivers(len(batch.source.image), weights.own_motion)]
        rebuilt = network.render(state, state.keypoints).image
        places = replace(driving, scale=state.motion.scale).keypoints(state.canonical)
        unstitched = network.render(state, places).image if weights.stitched_face else None
    source, small = state.keypoints, network.stitching
    openings = state.motion.openings.to(source.dtype)
    targets = weights.largest_opening * random.uniform(len(source), 2, 1).to(openings)
    offsets = (
        small.stitch_offsets(source, places),
        small.eye_offsets(source, openings[:, :2], targets[:, 0]),
        small.lip_offsets(source, openings[:, 2:], targets[:, 1]),
    )
    starts = torch.cat((places, source, source))
    image, eyes, lips = network.render(type(state).cat([state] * 3), starts + torch.cat(offsets)).image.chunk(3)
    return RetargetedPortraits(
        image=image, rebuilt=rebuilt, eyes=eyes, lips=lips,
        keypoints=source, stitch_offsets=offsets[0], eye_offsets=offsets[1], lip_offsets=offsets[2],
        eye_target=targets[:, 0], lip_target=targets[:, 1], unstitched=unstitched,
    )  # fmt: skip


def choose_drivers(count: int, own_share: float) -> Tensor:
    """For each of `count` pairs, the pair whose driving head moves it.

    The last pairs are moved by the pair before, of another person in nearly every batch, and the first ones, a share
    `own_share` of them, by their own.
    """
    pairs = torch.arange(count)
    return torch.where(pairs < round(own_share * count), pairs, pairs.roll(1))


def compute_retargeting_losses(
    batch: PortraitPair, result: RetargetedPortraits, weights: RetargetingLosses, detector: LandmarkDetector
) -> Losses:
    """Weighted terms of the three networks."""
    source, driving = batch.source.landmarks, batch.driving.landmarks
    assert source is not None
    assert driving is not None
    side = result.image.shape[-1]
    moving = driving[choose_drivers(len(driving), weights.own_motion)]
    shoulders = mask_shoulders((source, moving), weights.shoulder_gap, side)
    features = mask_features(source, side)
    region = detector.locate(result.rebuilt)
    openings = {
        "eyes": measure_openings(detector.read(result.eyes, region))[:, :2].mean(1, keepdim=True) - result.eye_target,
        "lips": measure_openings(detector.read(result.lips, region))[:, 2:] - result.lip_target,
    }
    offsets = {"stitching": result.stitch_offsets, "eyes": result.eye_offsets, "lips": result.lip_offsets}
    losses = {"shoulders": weights.shoulders * _measure_change(result.image, result.rebuilt, shoulders)}
    if result.unstitched is not None:
        change = ((result.image - result.unstitched) / 2).square().mean(1, keepdim=True)
        losses["stitched_face"] = weights.stitched_face * _average_inside(change, ~shoulders)
    for name, image in (("eyes", result.eyes), ("lips", result.lips)):
        losses[f"rest_{name}"] = weights.rest * _measure_change(image, result.rebuilt, ~features[name])
        losses[f"opening_{name}"] = weights.opening * openings[name].abs().mean()
    if weights.guided_opening:
        losses["guided_opening"] = weights.guided_opening * _measure_guided_error(result, source)
    return losses | {f"offsets_{name}": weights.offsets * value.abs().mean() for name, value in offsets.items()}


def _measure_guided_error(result: RetargetedPortraits, landmarks: Tensor) -> Tensor:
    """Mean distance of the openings that guided keypoints show from those that were asked for, of eyes and lips."""
    side = result.image.shape[-1]
    eyes = measure_guided_openings(result.keypoints + result.eye_offsets, landmarks, side)[:, :2] - result.eye_target
    lips = measure_guided_openings(result.keypoints + result.lip_offsets, landmarks, side)[:, 2:] - result.lip_target
    return eyes.abs().mean() + lips.abs().mean()


def _measure_change(image: Tensor, rebuilt: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference under masks (B, 1, H, W), in units of the range of colours; 0 where a mask is empty."""
    return _average_inside((image - rebuilt).abs().mean(1, keepdim=True) / 2, mask)


def _average_inside(change: Tensor, mask: Tensor) -> Tensor:
    """Mean of a map (B, 1, H, W) under masks (B, 1, H, W); 0 where a mask is empty."""
    return ((change * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp(min=1)).mean()
