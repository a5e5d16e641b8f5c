"""Training of MMFA (sections 3.2 and 4.1); weights that the paper does not give are those of Face-vid2vid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.models.common.adversarial import AdversarialOptimisation, AdversarialTraining, head_groups
from reenact.models.common.keypoints import HEADS, DiscriminatorConfig
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses, Stage
from reenact.models.mmfa.estimators import MMFAConfig
from reenact.models.mmfa.losses import (
    GROUPS,
    GUIDES,
    InvarianceKind,
    LandmarkChoice,
    canonical_consistency,
    compute_equivariance,
    expression_invariance,
    guide_changes,
    guide_distance,
    landmark_distance,
    relative_invariance,
    shake_images,
)
from reenact.models.mmfa.network import MMFA, MMFAReenactment
from reenact.nn.discriminator import MultiScaleDiscriminator
from reenact.nn.frozen import Frozen
from reenact.nn.landmark_detector import DETECTOR_ASSETS, LandmarkDetector
from reenact.nn.losses import ImageLosses, ImageWeights, PerceptualLoss, deformation_prior, keypoint_prior, to_unit
from reenact.nn.resample import AntiAliasDown
from reenact.nn.thin_plate import RandomWarp

COARSEST = 32
"""Side below which a perceptual pyramid stops; the deepest layer needs 16 pixels."""


@dataclass(frozen=True, kw_only=True)
class MMFALosses(ImageWeights):
    """Weights of the losses of eq. (14), which prints them without weights."""

    reconstruction_face: float = 10.0
    """Distance of the result in the layers of VGG-Face, at full size alone."""
    equivariance: float = 20.0
    """Distance of keypoints from where a warp of the image says they are, summed over keypoints (eq. 15)."""
    keypoint_prior: float = 10.0
    """Keypoints apart from each other, at a mean depth."""
    deformation: float = 5.0
    """Weight of the size of the expression's deformations."""
    expression: float = 1.0
    """Expression features untouched by rotation, scale and shift (eq. 7)."""
    invariance: InvarianceKind = "cosine"
    """Measure of that invariance."""
    canonical: float = 10.0
    """Canonical keypoints of source and driving image alike (eq. 8)."""
    landmarks_face: float = 10.0
    """Landmarks of the result, but the mouth's (eq. 9)."""
    landmarks_mouth: float = 30.0
    """Landmarks of the result's mouth."""
    landmarks_pupils: float = 20.0
    """Landmarks of the result's irises."""
    guide: float = 0.0
    """The first 15 keypoints at landmarks, of source and driving image (not the paper's)."""
    guide_changes: float = 0.0
    """Distances between those keypoints, as they change from source to driving image (not the paper's)."""
    landmarks: LandmarkChoice = "mediapipe"
    """The detector of landmarks."""


@dataclass(frozen=True, kw_only=True)
class MMFAOptimisation(AdversarialOptimisation):
    """Adam for both networks (section 4.1)."""

    generator_lr: float = 5e-5
    discriminator_lr: float = 5e-5
    beta1: float = 0.5
    beta2: float = 0.9
    head_lr_factor: float = 1.0
    """Factor on the learning rate of the dense motion's mask and occlusion."""


class MMFAModule(AdversarialTraining[MMFAReenactment], ReenactmentModule):
    """MMFA with its discriminator, losses and schedule.

    Args:
        network: widths and depths, and the pose network.
        discriminator: its widths, and whether it sees keypoints.
        losses: weights of the losses.
        optimisation: learning rates, milestones, accumulation, clipping.

    Raises:
        ReenactError: if keypoints are guided without a detector of 68 landmarks or without 15 keypoints.
    """

    method = "mmfa"
    network: MMFA
    discriminator: MultiScaleDiscriminator
    image_losses: ImageLosses
    optimisation: MMFAOptimisation

    def __init__(
        self,
        network: MMFAConfig | None = None,
        discriminator: DiscriminatorConfig | None = None,
        losses: MMFALosses | None = None,
        optimisation: MMFAOptimisation | None = None,
    ) -> None:
        network = network or MMFAConfig()
        discriminator = discriminator or DiscriminatorConfig()
        losses = losses or MMFALosses()
        if losses.guide or losses.guide_changes:
            _check_guide(losses.landmarks, network.keypoints)
        optimisation = optimisation or MMFAOptimisation()
        arguments = {
            "network": network,
            "discriminator": discriminator,
            "losses": losses,
            "optimisation": optimisation,
        }
        super().__init__(MMFA(network), discriminator.build(network.keypoints), optimisation, arguments)
        self.losses = losses
        self.image_losses = ImageLosses(losses, judged=bool(losses.gan))
        self._faces: PerceptualLoss | None = None
        self._detector: LandmarkDetector | None = None

    def load_losses(self) -> None:
        """Load the frozen networks of the losses; raises `ReenactError` if weights are missing."""
        super().load_losses()
        if self.losses.reconstruction_face:
            self._faces = PerceptualLoss("vggface")
        if self._reads_landmarks:
            assert self.losses.landmarks != "none"
            self._detector = LandmarkDetector(self.losses.landmarks)

    def check_losses(self) -> None:
        """Check that the landmark terms have a detector.

        Raises:
            ReenactError: as the base class, and if they are weighed and there is none: the run would be that of
                `mmfa_exp_c`.
        """
        super().check_losses()
        if self.losses.landmarks == "none" and any(self._landmark_weights):
            raise ReenactError(
                "the landmark loss (eq. 9) is weighed and has no detector: set --model.losses.landmarks mediapipe "
                "(or fan, or probe for the synthetic world), or set landmarks_face, landmarks_mouth and "
                "landmarks_pupils to 0, which is the preset mmfa_exp_c"
            )

    @property
    def idle_losses(self) -> dict[str, str]:
        """Losses that are weighed and can't be computed, with the reason."""
        idle = super().idle_losses
        kind = self.losses.landmarks
        if self.losses.landmarks_pupils and kind != "none" and not GROUPS[kind].pupils:
            idle["landmarks_pupils"] = f"the detector {kind} sees no pupils"
        return idle

    @property
    def _landmark_weights(self) -> tuple[float, float, float]:
        return self.losses.landmarks_face, self.losses.landmarks_mouth, self.losses.landmarks_pupils

    @property
    def _reads_landmarks(self) -> bool:
        looks = (*self._landmark_weights, self.losses.guide, self.losses.guide_changes)
        return self.losses.landmarks != "none" and any(looks)

    def assets(self, stage: Stage) -> tuple[str, ...]:
        """Return the names in `reenact.assets` without which training (`fit`) or use of the method can't start."""
        pose = ("hopenet",) if self.network.config.pose == "hopenet" else ()
        if stage == "use":
            return pose
        faces = ("vggface",) if self.losses.reconstruction_face else ()
        points = DETECTOR_ASSETS.get(self.losses.landmarks, ()) if self._reads_landmarks else ()
        return (*super().assets(stage), *faces, *pose, *points)

    def frozen_parts(self) -> dict[str, Frozen[Any]]:
        """Return the network of head poses."""
        return {"head_pose": self.network.load_head_pose().frozen}

    def generator_groups(self) -> list[dict[str, Any]]:
        """The dense motion's heads apart from the rest."""
        return head_groups(self.network, HEADS, self.optimisation.generator_lr * self.optimisation.head_lr_factor)

    def generator_losses(self, batch: PortraitPair, result: MMFAReenactment) -> Losses:
        """Perceptual, adversarial, feature and keypoint terms; the perceptual ones of faces and of the lower sizes."""
        real, fake = to_unit(batch.driving.image), to_unit(result.image)
        look = partial(self.discriminator, points=result.keypoints)
        losses = {
            **self.image_losses.compare_images(fake, real),
            **self.image_losses.judge(look, real, {"": fake}),
            **self.keypoint_losses(batch, result),
        }
        if self._faces is not None:
            losses["reconstruction_face"] = self.losses.reconstruction_face * self._faces.distance(fake, real)
        for image in result.coarse:
            side = image.shape[-1]
            target = AntiAliasDown(real.shape[-1] // side).to(real.device)(real)
            losses |= self.image_losses.compare_images(to_unit(image), target, f"reconstruction_{side}", COARSEST)
        return losses

    def discriminator_losses(self, batch: PortraitPair, result: MMFAReenactment) -> Losses:
        """The result against the driving image."""
        look = partial(self.discriminator, points=result.keypoints)
        return self.image_losses.tell_apart(look, to_unit(batch.driving.image), {"": to_unit(result.image)})

    def keypoint_losses(self, batch: PortraitPair, result: MMFAReenactment) -> Losses:
        """Equivariance, priors, invariance of expressions, consistency of canonical keypoints, landmarks."""
        weights, network = self.losses, self.network
        driving = to_unit(batch.driving.image)
        random = self.random()
        crowded, depth = keypoint_prior(result.keypoints)
        losses = {
            "keypoint_prior": weights.keypoint_prior * (crowded + depth),
            "deformation": weights.deformation * deformation_prior(result.deformation),
        }
        if weights.equivariance:
            warp = RandomWarp.draw(driving, random)
            warped = self._keypoints(warp.frame(driving))
            distance = compute_equivariance(warp.points(warped[..., :2]), result.keypoints)
            losses["equivariance"] = weights.equivariance * distance
        if weights.expression:
            other = network.encoder(shake_images(driving, random))
            losses["expression"] = weights.expression * self._invariance(result, other)
        if weights.canonical:
            losses["canonical"] = weights.canonical * canonical_consistency(result.canonical, network.detector(driving))
        if self._detector is not None:
            losses |= self._landmark_losses(self._detector, batch, result)
        return losses

    def _invariance(self, result: MMFAReenactment, shaken_feature: Tensor) -> Tensor:
        if self.losses.invariance == "cosine":
            return expression_invariance(result.expression, shaken_feature)
        return relative_invariance(result.expression, shaken_feature, result.source_expression)

    def _landmark_losses(self, detector: LandmarkDetector, batch: PortraitPair, result: MMFAReenactment) -> Losses:
        """Terms of the result (eq. 9), and of the keypoints."""
        weights = self.losses
        region = detector.locate(batch.driving.image)
        real = detector.read(batch.driving.image, region)
        losses: Losses = {}
        if any(self._landmark_weights):
            fake = detector.read(result.image, region)
            losses["landmarks"] = landmark_distance(fake, real, GROUPS[weights.landmarks], self._landmark_weights)
        if weights.guide or weights.guide_changes:
            source = batch.source.image
            sides = detector.read(source, detector.locate(source)), real
            points = result.source_keypoints, result.keypoints
            losses["guide"] = weights.guide * guide_distance(torch.cat(points), torch.cat(sides))
            losses["guide_changes"] = weights.guide_changes * guide_changes(*points, *sides)
        return losses

    def _keypoints(self, image: Tensor) -> Tensor:
        """Keypoints of images in [0, 1] by their own canonical ones, as the paper's equivariance takes them."""
        motion = self.network.read(Portrait(2 * image - 1))
        canonical = self.network.detector(image)
        return motion.keypoints(canonical, self.network.decoder(motion.expression, canonical))


def _check_guide(kind: LandmarkChoice, keypoints: int) -> None:
    if kind not in ("probe", "fan"):
        raise ReenactError(
            f"keypoints are guided by 68 landmarks, and the detector is {kind}: set --model.losses.landmarks probe or "
            "fan, or set guide and guide_changes to 0"
        )
    if keypoints < len(GUIDES):
        raise ReenactError(f"there are {len(GUIDES)} landmarks to guide keypoints, and {keypoints} keypoints: too few")
