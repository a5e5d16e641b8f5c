"""Training of LivePortrait in two stages: everything but stitching and retargeting, then these two alone.

The paper gives no weights and no code of training exists; `docs/methods/liveportrait.md` says what is chosen here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import torch.nn.functional as F
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.faces.portrait import PortraitPair
from reenact.models.common.adversarial import AdversarialTraining, head_groups
from reenact.models.common.keypoints import HEADS, DiscriminatorConfig, KeypointOptimisation
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses, Stage
from reenact.models.liveportrait.losses import guide_loss
from reenact.models.liveportrait.network import LivePortrait, LivePortraitConfig, LivePortraitReenactment
from reenact.models.liveportrait.regions import REDUCTIONS, cut_parts
from reenact.models.liveportrait.second_stage import (
    RetargetedPortraits,
    RetargetingLosses,
    compute_retargeting_losses,
    retarget_portraits,
)
from reenact.nn.euler import angles_of, rotation_of
from reenact.nn.head_pose import HeadPose, PoseKind
from reenact.nn.landmark_detector import DETECTOR_ASSETS, LandmarkDetector
from reenact.nn.losses import ImageLosses, ImageWeights, deformation_prior, keypoint_prior, to_unit
from reenact.nn.thin_plate import RandomWarp
from reenact.nn.whole_batch import BatchDraws

TrainedPart = Literal["portrait", "retargeting"]
"""Stage of the training: everything but stitching and retargeting (section 3.2), or these alone (section 3.3)."""
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
    teacher: PoseKind = "hopenet"
    """Network that tells the angles while training: Hopenet, or the shipped probe on the synthetic world."""


class LivePortraitModule(AdversarialTraining[LivePortraitReenactment | RetargetedPortraits], ReenactmentModule):
    """LivePortrait with its discriminators, losses and schedule.

    Args:
        network: widths, depths, and what is done beside the transfer of motion.
        discriminator: widths of each of the three discriminators.
        losses: weights of the losses of stage 1.
        optimisation: learning rates, milestones, accumulation, clipping.
        stage: the part that is trained; the rest of the network stays as it is.
        retargeting: weights of the losses of stage 2.
    """

    method = "liveportrait"
    training_arguments = frozenset({"losses", "optimisation", "stage", "retargeting"})
    network: LivePortrait
    image_losses: ImageLosses
    optimisation: KeypointOptimisation

    def __init__(
        self,
        network: LivePortraitConfig | None = None,
        discriminator: DiscriminatorConfig | None = None,
        losses: LivePortraitLosses | None = None,
        optimisation: KeypointOptimisation | None = None,
        stage: TrainedPart = "portrait",
        retargeting: RetargetingLosses | None = None,
    ) -> None:
        network = network or LivePortraitConfig()
        discriminator = discriminator or DiscriminatorConfig()
        losses = losses or LivePortraitLosses()
        optimisation = optimisation or KeypointOptimisation()
        retargeting = retargeting or RetargetingLosses()
        arguments = {
            "network": network,
            "discriminator": discriminator,
            "losses": losses,
            "optimisation": optimisation,
            "stage": stage,
            "retargeting": retargeting,
        }
        if discriminator.keypoints:
            raise ReenactError(
                "LivePortrait's discriminators see no keypoints: set model.discriminator.keypoints false"
            )
        discriminators = nn.ModuleDict({name: discriminator.build(0) for name in (WHOLE, *REDUCTIONS)})
        super().__init__(LivePortrait(network), discriminators, optimisation, arguments)
        self.stage = stage
        self.network.requires_grad_(not self.is_second)
        self.network.stitching.requires_grad_(self.is_second)
        self.losses = losses
        self.retargeting = retargeting
        self.image_losses = ImageLosses(losses, judged=bool(losses.gan))
        self._teacher: HeadPose | None = None
        self._detector: LandmarkDetector | None = None
        self.train()

    @property
    def is_second(self) -> bool:
        """True in stage 2."""
        return self.stage == "retargeting"

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; in stage 2 the frozen network stays in evaluation."""
        super().train(mode)
        self.network.train(mode and not self.is_second)
        return self

    def check_losses(self) -> None:
        """Check the weights of both stages; errors as of `PortraitModule`."""
        super().check_losses()
        for name, value in asdict(self.retargeting).items():
            if isinstance(value, float) and not value >= 0:
                raise ReenactError(f"--model.retargeting.{name} {value:g} is below 0: give 0 or more")

    def load_losses(self) -> None:
        """Load the networks of the losses of the stage; raises `ReenactError` if weights are missing."""
        if self.is_second:
            self._detector = LandmarkDetector(self.retargeting.landmarks)
            return
        super().load_losses()
        if self.losses.head_pose:
            self._teacher = HeadPose(self.losses.teacher)

    def assets(self, stage: Stage) -> tuple[str, ...]:
        """Return the names in `reenact.assets` without which training (`fit`) or use of the method can't start."""
        if self.is_second:
            return DETECTOR_ASSETS.get(self.retargeting.landmarks, ()) if stage == "fit" else ()
        taught = stage == "fit" and self.losses.head_pose and self.losses.teacher == "hopenet"
        return (*super().assets(stage), *(("hopenet",) if taught else ()))

    def check_image_size(self, size: int) -> None:
        """Check the size of images against that of the decoder; errors as of `PortraitModule`."""
        super().check_image_size(size)
        check_side(self.network.config, size)

    def generator_groups(self) -> list[dict[str, Any]]:
        """The dense motion's heads apart from the rest; in stage 2 the small networks."""
        if self.is_second:
            return super().generator_groups()
        return head_groups(self.network, HEADS, self.optimisation.generator_lr * self.optimisation.head_lr_factor)

    def run_network(self, batch: PortraitPair, random: BatchDraws) -> LivePortraitReenactment | RetargetedPortraits:
        """Reenact a batch; in stage 2, stitch it and open its eyes and lips."""
        if self.is_second:
            return retarget_portraits(self.network, batch, random, self.retargeting.largest_opening)
        return super().run_network(batch, random)

    def generator_losses(self, batch: PortraitPair, result: LivePortraitReenactment | RetargetedPortraits) -> Losses:
        """Perceptual, adversarial and feature terms of picture, face and lips, and those of keypoints, or stage 2's."""
        if isinstance(result, RetargetedPortraits):
            assert self._detector is not None
            return compute_retargeting_losses(batch, result, self.retargeting, self._detector)
        reals, fakes = _cut_pictures(batch, batch.driving.image), _cut_pictures(batch, result.image)
        losses: Losses = {}
        for name, fake in fakes.items():
            suffix = "" if name == WHOLE else f"_{name}"
            real = reals[name]
            losses |= self.image_losses.compare_images(fake, real, f"reconstruction{suffix}", LEAST_SIDE)
            losses |= self.image_losses.judge(self.discriminator.get_submodule(name), real, {suffix: fake})
        return losses | self.keypoint_losses(batch, result)

    def discriminator_losses(
        self, batch: PortraitPair, result: LivePortraitReenactment | RetargetedPortraits
    ) -> Losses:
        """The result against the driving image, as a whole and at face and lips; stage 2 has no such term."""
        if isinstance(result, RetargetedPortraits):
            return {}
        reals, fakes = _cut_pictures(batch, batch.driving.image), _cut_pictures(batch, result.image)
        losses: Losses = {}
        for name, fake in fakes.items():
            suffix = "" if name == WHOLE else f"_{name}"
            losses |= self.image_losses.tell_apart(self.discriminator.get_submodule(name), reals[name], {suffix: fake})
        return losses

    def keypoint_losses(self, batch: PortraitPair, result: LivePortraitReenactment) -> Losses:
        """Equivariance, priors of keypoints and expression, head pose, and guidance by landmarks."""
        weights, reading, side = self.losses, result.reading, batch.driving.image.shape[-1]
        crowded, depth = keypoint_prior(result.keypoints)
        losses = {
            "keypoint_prior": weights.keypoint_prior * (crowded + depth),
            "deformation": weights.deformation * deformation_prior(reading.expression),
        }
        if weights.guide:
            assert batch.source.landmarks is not None
            assert batch.driving.landmarks is not None
            guides = guide_loss(result.source_keypoints, batch.source.landmarks, side)
            losses["guide"] = weights.guide * (guides + guide_loss(result.keypoints, batch.driving.landmarks, side))
        if weights.equivariance:
            losses["equivariance"] = weights.equivariance * self._measure_equivariance(batch, result)
        if self._teacher is not None:
            error = (reading.angles - self._tell_angles(batch.driving.image)).abs().mean()
            losses["head_pose"] = weights.head_pose * error
        return losses

    def _measure_equivariance(self, batch: PortraitPair, result: LivePortraitReenactment) -> Tensor:
        network = self.network
        image = network.reduce_image(batch.driving.image)
        warp = RandomWarp.draw(image, self.random())
        reading = network.motion_extractor(warp.frame(image))
        points = network.build_motion(batch.driving, reading).keypoints(result.canonical)
        return F.l1_loss(warp.points(points[..., :2]), result.keypoints[..., :2])

    def _tell_angles(self, image: Tensor) -> Tensor:
        """Degrees (B, 3) of yaw, pitch and roll; the probe's rotation is taken apart in LivePortrait's order."""
        assert self._teacher is not None
        angles = self._teacher(image)
        return angles if self._teacher.kind == "hopenet" else angles_of(rotation_of(angles).mT, "rows")


def check_side(config: LivePortraitConfig, size: int) -> None:
    """Refuse data of another size than the decoder's.

    Raises:
        ReenactError: names both sizes.
    """
    if config.side is not None and size != config.side:
        raise ReenactError(
            f"LivePortrait makes pictures of {config.side} pixels, and the data has {size}: prepare them with --size"
            f" {config.side}, or set --data.size {config.side}; --model.network.side null trains at any size"
        )


def _cut_pictures(batch: PortraitPair, image: Tensor) -> Mapping[str, Tensor]:
    """The picture in [0, 1] and its face and lips, cut where the driving portrait has them."""
    assert batch.driving.landmarks is not None
    unit = to_unit(image)
    return {WHOLE: unit, **cut_parts(unit, batch.driving.landmarks)}
