"""Training of Export3D in two phases: reconstruction, then with a discriminator (section 3.5, eqs. 13 and 14)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.camera import mirror_camera, place_camera
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.portrait import PortraitPair
from reenact.faces.registry import load_face_model
from reenact.models.common.adversarial import AdversarialOptimisation, AdversarialTraining
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses
from reenact.models.export3d.discriminator import CameraDiscriminator, DiscriminatorConfig
from reenact.models.export3d.foundation import check_digest, load_expressions
from reenact.models.export3d.head_space import weigh_features
from reenact.models.export3d.network import Export3D, Export3DConfig
from reenact.models.export3d.results import Export3DReenactment
from reenact.nn.losses import ImageLosses, ImageWeights, to_unit
from reenact.nn.whole_batch import BatchDraws


@dataclass(frozen=True, kw_only=True)
class Export3DLosses(ImageWeights):
    """Weights of the losses (eqs. 13 and 14)."""

    reconstruction: float = 1.0
    """Perceptual distance, of the raw and of the full picture; the paper's is LPIPS."""
    pixel: float = 1.0
    """Mean squared error, of the raw and of the full picture."""
    depth: float = 0.0
    """Error of the depth where the mesh of the face parameters is seen, in sides of the cube, and share of the light
    that passes there. Not part of the paper."""
    background: float = 0.0
    """Distance in sides of the cube from what rays beside the head meet to the far wall of the cube: the background
    lies behind the head, not around it. Not part of the paper."""
    features: float = 0.0
    """Squared error about the eyes and the mouth, of the raw and of the full picture: in small pictures they are few
    pixels, and the mean over all of them hardly tells an expression. Not part of the paper."""
    gan: float = 0.01
    """Adversarial term of phase 2."""
    feature_matching: float = 0.0
    """Not part of the paper."""
    first_phase: int = 300_000
    """Iterations before the discriminator joins."""


@dataclass(frozen=True, kw_only=True)
class Export3DOptimisation(AdversarialOptimisation):
    """Adam at the paper's rates."""

    generator_lr: float = 1e-4
    discriminator_lr: float = 1e-5


class Export3DModule(AdversarialTraining[Export3DReenactment], ReenactmentModule):
    """Export3D with its discriminator, losses and schedule.

    Args:
        face_model: face model of the data's parameters.
        clebs: checkpoint of the export3d_clebs whose expression encoder it takes; only for a new training.
        network: sizes.
        discriminator: sizes of the discriminator.
        losses: weights of the losses, and the length of phase 1.
        optimisation: learning rates, milestones, accumulation, clipping.
    """

    method = "export3d"
    unrecorded = frozenset({"clebs"})
    network: Export3D
    discriminator: CameraDiscriminator
    image_losses: ImageLosses

    def __init__(
        self,
        face_model: str = "head",
        clebs: Path | None = None,
        network: Export3DConfig | None = None,
        discriminator: DiscriminatorConfig | None = None,
        losses: Export3DLosses | None = None,
        optimisation: Export3DOptimisation | None = None,
    ) -> None:
        config = network or Export3DConfig()
        discriminator = discriminator or DiscriminatorConfig()
        losses = losses or Export3DLosses()
        optimisation = optimisation or Export3DOptimisation()
        arguments = {
            "face_model": face_model,
            "network": config,
            "discriminator": discriminator,
            "losses": losses,
            "optimisation": optimisation,
        }
        model = load_face_model(face_model)
        judge = CameraDiscriminator(discriminator, config.size, count_label(model))
        super().__init__(Export3D(config, model), judge, optimisation, arguments)
        self.clebs = clebs
        self.losses = losses
        self._is_judged = False
        self.image_losses = ImageLosses(losses, judged=losses.gan > 0, coarsest=max(1, config.size // config.rays))

    def on_fit_start(self) -> None:
        """Take the expression encoder of the foundation, unless the weights of a run that goes on have one.

        Raises:
            ReenactError: if no foundation is named for a new training, or it is not the one of the run.
        """
        super().on_fit_start()
        if self.network.config.expression != "clebs":
            return
        if self.clebs is not None:
            weights, digest = load_expressions(self.clebs, self.network)
            if not self.network.digest.any():
                self.network.expression.load_state_dict(weights)
                self.network.digest.copy_(digest)
            check_digest(self.network, digest, self.clebs)
        elif not self.network.digest.any():
            raise ReenactError(
                "export3d reads expressions as a trained export3d_clebs does: name it with --model.clebs"
            )

    def run_network(self, batch: PortraitPair, random: BatchDraws) -> Export3DReenactment:
        """Compute the result, and decide the phase of the iteration: the generator's step raises `global_step`."""
        self._is_judged = self.losses.gan > 0 and self.global_step >= self.losses.first_phase
        return super().run_network(batch, random)

    def generator_losses(self, batch: PortraitPair, result: Export3DReenactment) -> Losses:
        """Reconstruction of the raw and the full picture, and in phase 2 the discriminator's view."""
        target = batch.driving.image
        small = F.interpolate(target, result.raw.shape[-2:], mode="bilinear", align_corners=False, antialias=True)
        weights, images = self.losses, self.image_losses
        pairs = {"raw": (result.raw, small), "full": (result.image, target)}
        if result.enlarged is not None:  # a blend that leaves it out early would never come back to it
            pairs["enlarged"] = (result.enlarged, target)
        losses = {name: weights.pixel * F.mse_loss(*pair) for name, pair in pairs.items()}
        for name, (fake, real) in pairs.items():
            losses |= images.compare_levels([to_unit(fake)], [to_unit(real)], f"{name}_perceptual")
        if weights.features:
            losses |= {
                f"{name}_features": weights.features * self._compare_features(batch, *pairs[name]) for name in pairs
            }
        if weights.depth:
            losses["depth"] = weights.depth * self._compare_depth(batch, result)
        if weights.background:
            losses["background"] = weights.background * self._measure_background(batch, result)
        if self._is_judged:
            logits = self.discriminator(result.image, self._label_cameras(batch))
            losses["gan"] = weights.gan * F.softplus(-logits).mean()
        return losses

    def _compare_features(self, batch: PortraitPair, fake: Tensor, real: Tensor) -> Tensor:
        """Mean squared error about the eyes and the mouth of the driving face."""
        params = batch.driving.params
        assert params is not None
        with torch.no_grad():
            near = weigh_features(self.network.face_model, params, fake.shape[-1])
        return ((fake - real).square().mean(1, keepdim=True) * near).sum() / near.sum()

    def _compare_depth(self, batch: PortraitPair, result: Export3DReenactment) -> Tensor:
        """Mean error of depth and opacity where the mesh is seen; 0 where it is seen nowhere."""
        params = batch.driving.params
        assert params is not None
        with torch.no_grad():
            depth, visible = self.network.draw_mesh_depth(params)
        errors = (result.depth - depth).abs() + (1 - result.opacity)
        return (errors * visible).sum() / visible.sum().clamp_min(1)

    def _measure_background(self, batch: PortraitPair, result: Export3DReenactment) -> Tensor:
        """Mean distance of the surface to the end of the rays that miss the head."""
        params = batch.driving.params
        assert params is not None
        with torch.no_grad():
            ahead, beside = self.network.measure_room(params)
        return ((ahead - result.depth).clamp_min(0) * beside).sum() / beside.sum().clamp_min(1)

    def discriminator_losses(self, batch: PortraitPair, result: Export3DReenactment) -> Losses:
        """Real pictures against results, with the camera of both, in phase 2."""
        if not self._is_judged:
            return {}
        label = self._label_cameras(batch)
        real, fake = self.discriminator(batch.driving.image, label), self.discriminator(result.image, label)
        return {"gan": F.softplus(-real).mean() + F.softplus(fake).mean()}

    def _label_cameras(self, batch: PortraitPair) -> Tensor:
        params = batch.driving.params
        assert params is not None
        return label_cameras(self.network.face_model, params)


def count_label(face_model: FaceModel) -> int:
    """Length of `label_cameras`."""
    return 12 + (3 if face_model.camera_type == "orthographic" else 7)


def label_cameras(face_model: FaceModel, params: FaceParams) -> Tensor:
    """Pose (B, 12) of the camera relative to the head, by rows, and the camera (B, 3 or 7) itself.

    EG3D's label of 25 numbers cannot hold an orthographic camera, nor the size of the face in its crop.
    """
    camera = params.camera
    if params.mirrored is not None:
        camera = torch.where(params.mirrored[:, None], mirror_camera(camera), camera)
    return torch.cat((place_camera(face_model.skull(params), camera)[:, :3].flatten(1), camera), 1)
