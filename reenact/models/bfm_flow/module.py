"""Training of BFM flow: content and style losses, no discriminator (the paper's equations 8 to 10)."""

from __future__ import annotations

from dataclasses import dataclass

from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.models.bfm_flow.config import BFMFlowConfig
from reenact.models.bfm_flow.network import BFMFlow
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses
from reenact.models.common.training import Optimisation, PlainTraining
from reenact.nn.losses import PerceptualTerms, PlainWeights, to_unit


@dataclass(frozen=True, kw_only=True)
class BFMFlowLosses(PlainWeights):
    """Weights of the losses, equation (10)."""

    content: float = 1.0
    """Difference of the perceptual network's layers at four scales, equation (8)."""
    style: float = 250.0
    """Difference of their Gram matrices at full size, equation (9)."""
    both_directions: bool = False
    """Drive each picture of a pair by the other, which doubles the batch, as PIRenderer does."""


@dataclass(frozen=True, kw_only=True)
class BFMFlowOptimisation(Optimisation):
    """Adam; defaults are the paper's, and PIRenderer's where it gives none."""

    lr: float = 1e-4
    beta1: float = 0.5


class BFMFlowModule(PlainTraining, ReenactmentModule):
    """BFM flow with its losses and schedule.

    Args:
        face_model: the model in which the data's parameters live: `head`, `flame`, `bfm` or the path of a file.
        network: guidance and sizes.
        losses: weights of the losses.
        optimisation: learning rate and schedule.
    """

    method = "bfm_flow"
    network: BFMFlow
    image_losses: PerceptualTerms
    optimisation: BFMFlowOptimisation

    def __init__(
        self,
        face_model: str = "head",
        network: BFMFlowConfig | None = None,
        losses: BFMFlowLosses | None = None,
        optimisation: BFMFlowOptimisation | None = None,
    ) -> None:
        network = network or BFMFlowConfig()
        losses = losses or BFMFlowLosses()
        optimisation = optimisation or BFMFlowOptimisation()
        arguments = {"face_model": face_model, "network": network, "losses": losses, "optimisation": optimisation}
        super().__init__(BFMFlow(network, load_face_model(face_model)), optimisation, arguments)
        self.losses = losses
        self.image_losses = PerceptualTerms(losses.perceptual)

    def check_losses(self) -> None:
        """Raise `ReenactError` as the base class, and where nothing would be minimised."""
        super().check_losses()
        self.losses.check_terms()

    def compute_losses(self, batch: PortraitPair) -> Losses:
        """Content and style of the result against the driving image."""
        source, driving = batch.source, batch.driving
        if self.losses.both_directions:
            source, driving = Portrait.cat([source, driving]), Portrait.cat([driving, source])
        fake, real = to_unit(self(source, driving).image), to_unit(driving.image)
        weights = self.losses
        losses = self.image_losses.compare_scales(
            fake, real, "content", weight=weights.content, style_weight=weights.style
        )
        if weights.pixel:
            losses["pixel"] = weights.pixel * (fake - real).abs().mean()
        return losses
