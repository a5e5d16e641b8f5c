"""Training of Face-vid2vid: `train.py` and `modules/model.py` of its reimplementation."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from reenact.faces.portrait import PortraitPair
from reenact.models.common.base import Reenactment
from reenact.models.common.keypoint_training import (
    DiscriminatorConfig,
    KeypointLosses,
    KeypointModule,
    KeypointOptimisation,
)
from reenact.models.common.module import Losses, Stage
from reenact.models.face_vid2vid.losses import deformation_prior, head_pose_error, keypoint_prior
from reenact.models.face_vid2vid.network import (
    FaceVid2Vid,
    FaceVid2VidConfig,
    FaceVid2VidReenactment,
    VolumeReenactment,
)
from reenact.nn.head_pose import HeadPose, PoseKind
from reenact.nn.losses import GanKind
from reenact.nn.thin_plate import RandomWarp


@dataclass(frozen=True, kw_only=True)
class FaceVid2VidLosses(KeypointLosses):
    """Weights of the losses; defaults are `config/vox-256.yaml` of the reimplementation."""

    gan_kind: GanKind = "hinge"
    keypoint_prior: float = 10.0
    """Keypoints apart from each other, at a mean depth."""
    head_pose: float = 20.0
    """Angles as the teacher says, in degrees."""
    deformation: float = 5.0
    """Weight of the size of the expression's deformations."""
    teacher: PoseKind = "hopenet"
    """Network that tells the angles while training: Hopenet, or the shipped probe on the synthetic world."""


class FaceVid2VidModule(KeypointModule):
    """Face-vid2vid with its discriminator, losses and schedule.

    Args:
        network: widths and depths.
        discriminator: its widths, and whether it sees keypoints.
        losses: weights of the losses.
        optimisation: learning rates, milestones, accumulation, clipping.
    """

    method = "face_vid2vid"
    network: FaceVid2Vid

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
        super().__init__(FaceVid2Vid(network), discriminator, network.keypoints, losses, optimisation, arguments)
        self.losses = losses
        self._teacher: HeadPose | None = None

    def setup(self, stage: str) -> None:
        """Load the perceptual network and the teacher when training is about to start.

        Raises:
            ReenactError: if weights are missing.
        """
        super().setup(stage)
        if stage == "fit" and self.losses.head_pose:
            self._teacher = HeadPose(self.losses.teacher)

    def assets(self, stage: Stage) -> tuple[str, ...]:
        """Return the names in `reenact.assets` without which training (`fit`) or use of the method can't start."""
        taught = stage == "fit" and self.losses.head_pose and self.losses.teacher == "hopenet"
        return (*super().assets(stage), *(("hopenet",) if taught else ()))

    def driving_points(self, result: Reenactment) -> Tensor:
        """The driving keypoints."""
        assert isinstance(result, VolumeReenactment)
        return result.keypoints

    def keypoint_losses(self, batch: PortraitPair, result: Reenactment) -> Losses:
        """Equivariance, priors of keypoints and deformation, and head pose."""
        assert isinstance(result, FaceVid2VidReenactment)
        weights, estimator = self.losses, self.network.estimator
        image = (batch.driving.image + 1) / 2
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
