"""Training of PIRenderer: `trainers/face_trainer.py` and `config/face.yaml` of the released code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EMAWeightAveraging

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses
from reenact.models.common.training import Optimisation, PlainTraining, check_phase, is_in_phase
from reenact.models.pirenderer.mouth import compare_mouths, locate_mouths
from reenact.models.pirenderer.network import PIRenderer, PIRendererConfig
from reenact.nn.losses import PerceptualTerms, PlainWeights, to_unit


@dataclass(frozen=True, kw_only=True)
class PIRendererLosses(PlainWeights):
    """Weights and kinds of the losses."""

    final: float = 4.0
    """Perceptual distance of the result, summed over four scales and the network's layers."""
    style: float = 250.0
    """Factor on the distance of the result's Gram matrices beside `final`, which multiplies it, too."""
    warped: float = 2.5
    """Perceptual distance of the warped source."""
    pixel: float = 0.0
    """Mean absolute error of the result, and of the warped source before there is one; not in the released code."""
    mouth: float = 0.0
    """Mean absolute error in the square around the mouth, of the warped source and of the result; not in the released
    code."""


@dataclass(frozen=True, kw_only=True)
class PIRendererOptimisation(Optimisation):
    """Adam, the stages, and the average of the weights, which is what is validated, saved and used."""

    lr: float = 1e-4
    beta1: float = 0.5
    average: float = 0.5 ** (32 / 10_000)
    """Share of the old average at each iteration; 0 for the weights as they are."""
    warp_steps: float = 200_000
    """Iterations from the start in which the warp alone is trained; below 1 their share of `trainer.max_steps`."""

    def __post_init__(self) -> None:
        """Raise `ReenactError` for an average that never takes a new weight, or a stage of less than no iteration."""
        if not 0 <= self.average < 1:
            raise ReenactError(f"--model.optimisation.average {self.average} must be at least 0 and less than 1")
        if not self.warp_steps >= 0:
            raise ReenactError(f"--model.optimisation.warp_steps {self.warp_steps} must be at least 0")


class PIRendererModule(PlainTraining, ReenactmentModule):
    """PIRenderer with its losses and schedule.

    Args:
        face_model: the model in which the data's parameters live: `head`, `flame`, `bfm` or the path of a file.
        network: sizes of the three networks.
        losses: weights of the losses.
        optimisation: learning rate, milestones, first stage, average of the weights.
    """

    method = "pirenderer"
    network: PIRenderer
    image_losses: PerceptualTerms
    optimisation: PIRendererOptimisation

    def __init__(
        self,
        face_model: str = "head",
        network: PIRendererConfig | None = None,
        losses: PIRendererLosses | None = None,
        optimisation: PIRendererOptimisation | None = None,
    ) -> None:
        network = network or PIRendererConfig()
        losses = losses or PIRendererLosses()
        optimisation = optimisation or PIRendererOptimisation()
        arguments = {"face_model": face_model, "network": network, "losses": losses, "optimisation": optimisation}
        super().__init__(PIRenderer(network, load_face_model(face_model)), optimisation, arguments)
        self.losses = losses
        self.image_losses = PerceptualTerms(losses.perceptual)

    @property
    def reaches_all(self) -> bool:
        """False where the warp is trained alone at first."""
        return self.optimisation.warp_steps == 0

    def check_losses(self) -> None:
        """Raise `ReenactError` as the base class, and where nothing would be minimised."""
        super().check_losses()
        self.losses.check_terms()

    def on_fit_start(self) -> None:
        """Check as the base class, and that the first stage has a length.

        Raises:
            ReenactError: as the base class, and if the stage is a share of a number of iterations that is not named.
        """
        super().on_fit_start()
        check_phase(self.optimisation.warp_steps, "warp_steps", self.trainer.max_steps)

    def configure_callbacks(self) -> Sequence[Callback] | Callback:
        """Average the weights while training."""
        average = self.optimisation.average
        return [EMAWeightAveraging(decay=average, use_buffers=False)] if average else []

    def compute_losses(self, batch: PortraitPair) -> Losses:
        """Terms of the warped source, and of the result after the first stage."""
        source, driving = batch.source, batch.driving
        if self.losses.both_directions:
            source, driving = Portrait.cat([source, driving]), Portrait.cat([driving, source])
        real = to_unit(driving.image)
        state, motion = self.network.encode(source), self.network.read_window(driving)
        compare, weights = self.image_losses.compare_scales, self.losses
        if self._trains_the_warp_alone():
            result, warped = None, to_unit(self.network.warp_source(state, motion))
        else:
            reenactment = self.network.perform(state, motion)
            result, warped = to_unit(reenactment.image), to_unit(reenactment.warped)
        losses = compare(warped, real, "warped", weight=weights.warped)
        if result is not None:
            style = weights.final * weights.style
            losses |= compare(result, real, "final", weight=weights.final, style_weight=style)
        if weights.pixel:
            losses["pixel"] = weights.pixel * ((warped if result is None else result) - real).abs().mean()
        if weights.mouth:
            mouths = locate_mouths(self.network.face_model, self.network.read(driving))
            images = [warped] if result is None else [warped, result]
            differences = [compare_mouths(image, real, mouths) for image in images]
            losses["mouth"] = weights.mouth * torch.stack(differences).sum()
        return losses

    def _trains_the_warp_alone(self) -> bool:
        """Return True in the first stage."""
        return is_in_phase(self.optimisation.warp_steps, self.global_step, self.trainer.max_steps)
