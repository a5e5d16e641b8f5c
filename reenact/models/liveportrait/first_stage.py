"""Stage 1 of LivePortrait's training: everything but stitching and retargeting (section 3.2 of the paper).

The paper gives no weights and no code of training exists; `docs/methods/liveportrait.md` says what is chosen here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from reenact.faces.fields import TensorFields
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.models.common.adversarial import head_groups
from reenact.models.common.keypoints import HEADS
from reenact.models.common.portrait_module import Losses
from reenact.models.liveportrait.landmarks import OTHERS
from reenact.models.liveportrait.losses import guide_loss, place_loss, shape_loss
from reenact.models.liveportrait.motion_extractor import HeadReading
from reenact.models.liveportrait.network import LivePortrait, LivePortraitReenactment
from reenact.models.liveportrait.optimisation import LivePortraitOptimisation
from reenact.models.liveportrait.regions import cut_eyes, cut_parts
from reenact.models.liveportrait.training_stage import TrainingStage
from reenact.nn.euler import angles_of, rotation_of
from reenact.nn.head_pose import HeadPose, PoseKind
from reenact.nn.losses import ImageLosses, ImageWeights, deformation_prior, keypoint_prior, to_unit
from reenact.nn.thin_plate import RandomWarp
from reenact.nn.whole_batch import BatchDraws

WHOLE = "whole"
"""Name of the discriminator of whole pictures, beside those of face and lips."""
LEAST_SIDE = 16
"""Side in pixels below which no picture is reduced for the perceptual network."""


@dataclass(frozen=True, kw_only=True)
class LivePortraitLosses(ImageWeights):
    """Weights of the losses, each for the whole picture, the face and the lips where it is of pictures."""

    equivariance: float = 20.0
    """Distance of keypoints from where a warp of the image says they are."""
    keypoint_prior: float = 10.0
    """Keypoints apart from each other, at a mean depth."""
    head_pose: float = 20.0 / 3
    """Mean over the angles as the teacher says, in degrees."""
    deformation: float = 5.0
    """Weight of the size of the expression's deformations."""
    guide: float = 1.0
    """Distance of ten keypoints from landmarks of eyes and lips."""
    guide_others: float = 0.0
    """Distance of the other eleven from landmarks of nose, brows and the face's outline (not the paper's)."""
    guide_places: float = 0.0
    """Distance of the learned places of the motion extractor, one for each keypoint, from the same landmarks."""
    guide_shape: float = 0.0
    """Distance of the same keypoints from the landmarks about the middle of each feature (not the paper's)."""
    lips: float = 1.0
    """Factor on the perceptual term of the lips."""
    eyes: float = 0.0
    """Mean absolute error of the squares around the eyes (not the paper's)."""
    moved: float = 0.0
    """Factor on the same perceptual terms of the moved source that is painted on (not the paper's)."""
    teacher: PoseKind = "hopenet"
    """Network that tells the angles while training: Hopenet, or the shipped probe on the synthetic world."""


@dataclass
class PlacedKeypoints(TensorFields):
    """Keypoints of a batch's pairs, of which no picture is drawn."""

    canonical: Tensor
    """(B, K, 3) canonical keypoints of the source."""
    source_keypoints: Tensor
    """(B, K, 3) keypoints of the source."""
    keypoints: Tensor
    """(B, K, 3) the same in the driving portrait's places."""
    reading: HeadReading
    """Everything that was read in the driving portrait."""


class PortraitStage(TrainingStage[LivePortraitReenactment | PlacedKeypoints]):
    """Training of appearance, motion extractor, warping and decoder.

    Args:
        weights: of the losses.
    """

    trains_retargeting = False
    image_losses: ImageLosses

    def __init__(self, weights: LivePortraitLosses) -> None:
        self.weights = weights
        self.image_losses = ImageLosses(weights, judged=bool(weights.gan))
        self.detector_assets = ("hopenet",) if weights.head_pose and weights.teacher == "hopenet" else ()
        self._teacher: HeadPose | None = None

    def load(self) -> None:
        """Load the teacher of angles."""
        if self.weights.head_pose:
            self._teacher = HeadPose(self.weights.teacher)

    def list_groups(self, network: LivePortrait, optimisation: LivePortraitOptimisation) -> list[dict[str, Any]]:
        """The dense motion's heads apart from the rest."""
        return head_groups(network, HEADS, optimisation.generator_lr * optimisation.head_lr_factor)

    def run(self, network: LivePortrait, batch: PortraitPair, random: BatchDraws) -> LivePortraitReenactment:
        """Reenact the batch."""
        result: LivePortraitReenactment = network(batch.source, batch.driving, random)
        return result

    def run_extractor(self, network: LivePortrait, batch: PortraitPair) -> PlacedKeypoints:
        """Place the keypoints of the batch, with gradients to the motion extractor; nothing is drawn."""
        both = Portrait.cat([batch.source, batch.driving])
        readings = network.observe(both)
        count = len(batch.source.image)
        canonical = readings.canonical[:count]
        places = network.build_motion(both, readings).keypoints(canonical.repeat(2, 1, 1))
        return PlacedKeypoints(canonical, places[:count], places[count:], readings[count:])

    def generator_losses(
        self,
        network: LivePortrait,
        judges: nn.Module,
        batch: PortraitPair,
        result: LivePortraitReenactment | PlacedKeypoints,
        random: BatchDraws,
    ) -> Losses:
        """Terms of keypoints, and of a picture that was drawn its perceptual, adversarial and feature ones."""
        losses = self._keypoint_losses(network, batch, result, random)
        return losses if isinstance(result, PlacedKeypoints) else losses | self._picture_losses(judges, batch, result)

    def _picture_losses(self, judges: nn.Module, batch: PortraitPair, result: LivePortraitReenactment) -> Losses:
        """Perceptual, adversarial and feature terms of picture, face and lips."""
        reals, fakes = _cut_pictures(batch, batch.driving.image), _cut_pictures(batch, result.image)
        losses: Losses = {}
        for name, fake in fakes.items():
            losses |= self._compare_parts(fake, reals[name], name, "reconstruction")
            losses |= self.image_losses.judge(judges.get_submodule(name), reals[name], {_suffix_of(name): fake})
        if self.weights.eyes:
            losses["reconstruction_eyes"] = self.weights.eyes * _compare_eyes(batch, result.image)
        if self.weights.moved and result.moved is not None:
            losses |= self._moved_losses(batch, result.moved, reals)
        return losses

    def _moved_losses(self, batch: PortraitPair, moved: Tensor, reals: Mapping[str, Tensor]) -> Losses:
        """The terms of the result, without the adversarial ones, of the picture that it was painted on."""
        losses: Losses = {}
        for name, fake in _cut_pictures(batch, moved).items():
            losses |= self._compare_parts(fake, reals[name], name, "moved")
        if self.weights.eyes:
            losses["moved_eyes"] = self.weights.eyes * _compare_eyes(batch, moved)
        return {name: self.weights.moved * term for name, term in losses.items()}

    def _compare_parts(self, fake: Tensor, real: Tensor, part: str, term: str) -> Losses:
        """The perceptual term of the picture or of a part of it."""
        factor = self.weights.lips if part == "lip" else 1.0
        terms = self.image_losses.compare_images(fake, real, term + _suffix_of(part), LEAST_SIDE)
        return {name: factor * value for name, value in terms.items()}

    def discriminator_losses(
        self, judges: nn.Module, batch: PortraitPair, result: LivePortraitReenactment | PlacedKeypoints
    ) -> Losses:
        """The result against the driving image, as a whole and at face and lips; no terms where nothing is drawn."""
        if isinstance(result, PlacedKeypoints):
            return {}
        reals, fakes = _cut_pictures(batch, batch.driving.image), _cut_pictures(batch, result.image)
        losses: Losses = {}
        for name, fake in fakes.items():
            losses |= self.image_losses.tell_apart(judges.get_submodule(name), reals[name], {_suffix_of(name): fake})
        return losses

    def _keypoint_losses(
        self,
        network: LivePortrait,
        batch: PortraitPair,
        result: LivePortraitReenactment | PlacedKeypoints,
        random: BatchDraws,
    ) -> Losses:
        """Equivariance, priors of keypoints and expression, head pose, and guidance by landmarks."""
        weights, reading, side = self.weights, result.reading, batch.driving.image.shape[-1]
        assert reading is not None
        crowded, depth = keypoint_prior(result.keypoints)
        losses = {
            "keypoint_prior": weights.keypoint_prior * (crowded + depth),
            "deformation": weights.deformation * deformation_prior(reading.expression),
        }
        for name, weight, measure in (
            ("guide", weights.guide, guide_loss),
            ("guide_others", weights.guide_others, partial(guide_loss, guided=OTHERS)),
            ("guide_shape", weights.guide_shape, shape_loss),
        ):
            if weight:
                assert batch.source.landmarks is not None
                assert batch.driving.landmarks is not None
                source = measure(result.source_keypoints, batch.source.landmarks, side)
                losses[name] = weight * (source + measure(result.keypoints, batch.driving.landmarks, side))
        if weights.guide_places:
            assert batch.driving.landmarks is not None
            assert reading.places is not None
            losses["guide_places"] = weights.guide_places * place_loss(reading.places, batch.driving.landmarks, side)
        if weights.equivariance:
            losses["equivariance"] = weights.equivariance * _measure_equivariance(network, batch, result, random)
        if self._teacher is not None:
            error = (reading.angles - _tell_angles(self._teacher, batch.driving.image)).abs().mean()
            losses["head_pose"] = weights.head_pose * error
        return losses


def _measure_equivariance(
    network: LivePortrait, batch: PortraitPair, result: LivePortraitReenactment | PlacedKeypoints, random: BatchDraws
) -> Tensor:
    image = network.reduce_image(batch.driving.image)
    warp = RandomWarp.draw(image, random)
    reading = network.motion_extractor(warp.frame(image))
    points = network.build_motion(batch.driving, reading).keypoints(result.canonical)
    return F.l1_loss(warp.points(points[..., :2]), result.keypoints[..., :2])


def _tell_angles(teacher: HeadPose, image: Tensor) -> Tensor:
    """Degrees (B, 3) of yaw, pitch and roll; the probe's rotation is taken apart in LivePortrait's order."""
    angles = teacher(image)
    return angles if teacher.kind == "hopenet" else angles_of(rotation_of(angles).mT, "rows")


def _compare_eyes(batch: PortraitPair, image: Tensor) -> Tensor:
    """Mean absolute difference of images in [-1, 1] from the driving ones at the driving eyes, in units of [0, 1]."""
    assert batch.driving.landmarks is not None
    fake, real = (cut_eyes(to_unit(picture), batch.driving.landmarks) for picture in (image, batch.driving.image))
    return (fake - real).abs().mean()


def _suffix_of(name: str) -> str:
    return "" if name == WHOLE else f"_{name}"


def _cut_pictures(batch: PortraitPair, image: Tensor) -> Mapping[str, Tensor]:
    """The picture in [0, 1] and its face and lips, cut where the driving portrait has them."""
    assert batch.driving.landmarks is not None
    unit = to_unit(image)
    return {WHOLE: unit, **cut_parts(unit, batch.driving.landmarks)}
