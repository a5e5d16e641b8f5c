"""Training of Face-vid2vid: `train.py` and `modules/model.py` of its reimplementation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from reenact.faces.portrait import PortraitPair
from reenact.models.common.adversarial import AdversarialTraining, head_groups
from reenact.models.common.keypoints import HEADS, DiscriminatorConfig, KeypointOptimisation
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses, Stage
from reenact.models.face_vid2vid.network import FaceVid2Vid, FaceVid2VidConfig, FaceVid2VidReenactment
from reenact.nn.discriminator import MultiScaleDiscriminator
from reenact.nn.head_pose import HeadPose, PoseKind
from reenact.nn.losses import GanKind, ImageLosses, ImageWeights, deformation_prior, keypoint_prior, to_unit
from reenact.nn.thin_plate import RandomWarp


@dataclass(frozen=True, kw_only=True)
class FaceVid2VidLosses(ImageWeights):
    """Weights of the losses; defaults are `config/vox-256.yaml` of the reimplementation."""

    gan_kind: GanKind = "hinge"
    equivariance: float = 10.0
    """Distance of keypoints from where a warp of the image says they are."""
    keypoint_prior: float = 10.0
    """Keypoints apart from each other, at a mean depth."""
    head_pose: float = 20.0
    """Angles as the teacher says, in degrees."""
    deformation: float = 5.0
    """Weight of the size of the expression's deformations."""
    teacher: PoseKind = "hopenet"
    """Network that tells the angles while training: Hopenet, or the shipped probe on the synthetic world."""


class FaceVid2VidModule(AdversarialTraining[FaceVid2VidReenactment], ReenactmentModule):
    """Face-vid2vid with its discriminator, losses and schedule.

    Args:
        network: widths and depths.
        discriminator: its widths, and whether it sees keypoints.
        losses: weights of the losses.
        optimisation: learning rates, milestones, accumulation, clipping.
    """

    method = "face_vid2vid"
    network: FaceVid2Vid
    discriminator: MultiScaleDiscriminator
    image_losses: ImageLosses
    optimisation: KeypointOptimisation

    def __init__(
        self,
        network: FaceVid2VidConfig | None = None,
        discriminator: DiscriminatorConfig | None = None,
        losses: FaceVid2VidLosses | None = None,
        optimisation: KeypointOptimisation | None = None,
    ) -> None:
        network = network or FaceVid2VidConfig()
        discriminator = discriminator or DiscriminatorConfig()
        losses = losses or FaceVid2VidLosses()
        optimisation = optimisation or KeypointOptimisation()
        arguments = {
            "network": network,
            "discriminator": discriminator,
            "losses": losses,
            "optimisation": optimisation,
        }
        super().__init__(FaceVid2Vid(network), discriminator.build(network.keypoints), optimisation, arguments)
        self.losses = losses
        self.image_losses = ImageLosses(losses, judged=bool(losses.gan))
        self._teacher: HeadPose | None = None

    def load_losses(self) -> None:
        """Load the perceptual network and the teacher; raises `ReenactError` if weights are missing."""
        super().load_losses()
        if self.losses.head_pose:
            self._teacher = HeadPose(self.losses.teacher)

    def assets(self, stage: Stage) -> tuple[str, ...]:
        """Return the names in `reenact.assets` without which training (`fit`) or use of the method can't start."""
        taught = stage == "fit" and self.losses.head_pose and self.losses.teacher == "hopenet"
        return (*super().assets(stage), *(("hopenet",) if taught else ()))

    def generator_groups(self) -> list[dict[str, Any]]:
        """The dense motion's heads apart from the rest."""
        return head_groups(self.network, HEADS, self.optimisation.generator_lr * self.optimisation.head_lr_factor)

    def generator_losses(self, batch: PortraitPair, result: FaceVid2VidReenactment) -> Losses:
        """Perceptual, adversarial, feature and keypoint terms."""
        real, fake = to_unit(batch.driving.image), to_unit(result.image)
        look = partial(self.discriminator, points=result.keypoints)
        return {
            **self.image_losses.compare_images(fake, real),
            **self.image_losses.judge(look, real, {"": fake}),
            **self.keypoint_losses(batch, result),
        }

    def discriminator_losses(self, batch: PortraitPair, result: FaceVid2VidReenactment) -> Losses:
        """The result against the driving image."""
        look = partial(self.discriminator, points=result.keypoints)
        return self.image_losses.tell_apart(look, to_unit(batch.driving.image), {"": to_unit(result.image)})

    def keypoint_losses(self, batch: PortraitPair, result: FaceVid2VidReenactment) -> Losses:
        """Equivariance, priors of keypoints and deformation, and head pose."""
        weights, estimator = self.losses, self.network.estimator
        image = to_unit(batch.driving.image)
        crowded, depth = keypoint_prior(result.keypoints)
        estimate = result.estimate
        losses = {
            "keypoint_prior": weights.keypoint_prior * (crowded + depth),
            "deformation": weights.deformation * deformation_prior(estimate.motion.deformation),
        }
        if weights.equivariance:
            warp = RandomWarp.draw(image, self.random())
            warped = estimator(warp.frame(image)).motion.keypoints(result.canonical)
            distance = F.l1_loss(warp.points(warped[..., :2]), result.keypoints[..., :2])
            losses["equivariance"] = weights.equivariance * distance
        if self._teacher is not None:
            error = head_pose_error(estimate.angles, self._teacher(batch.driving.image))
            losses["head_pose"] = weights.head_pose * error
        return losses


def head_pose_error(angles: Tensor, target: Tensor) -> Tensor:
    """Sum over yaw, pitch and roll (B, 3) in degrees of the mean absolute difference."""
    return (angles - target).abs().mean(0).sum()
