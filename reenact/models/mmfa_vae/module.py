"""Training of the expression VAE on the features of a frozen MMFA (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.regression import R2Score

from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.portrait import PortraitPair
from reenact.models.common.adversarial import AdversarialOptimisation, AdversarialTraining
from reenact.models.common.portrait_module import Losses
from reenact.models.mmfa_vae.frozen import FrozenMMFA, check_same, load_frozen
from reenact.models.mmfa_vae.network import ExpressionDiscriminator, ExpressionVAE, Reconstruction, VAEConfig
from reenact.nn.whole_batch import BatchDraws


@dataclass(frozen=True, kw_only=True)
class VAELosses:
    """Weights of the losses, which the paper does not give; those of the source it cites, 3DFaceShop."""

    reconstruction: float = 1.0
    """Mean squared difference of standardised features."""
    kl: float = 0.0025
    """Divergence of codes from the standard normal distribution, summed over dimensions."""
    adversarial: float = 5.0
    """Non-saturating term, which keeps codes from collapsing."""


@dataclass(frozen=True, kw_only=True)
class VAEOptimisation(AdversarialOptimisation):
    """Adam as MMFA's; a network of linear layers alone learns at higher rates."""

    generator_lr: float = 1e-3
    discriminator_lr: float = 5e-4
    beta1: float = 0.5
    beta2: float = 0.9


class MMFAVAEModule(AdversarialTraining[Reconstruction]):
    """The expression VAE with its discriminator, losses and schedule. Both portraits of a pair are samples.

    Args:
        mmfa: checkpoint of the MMFA whose features it learns; only a VAE that is loaded to be used needs none.
        network: sizes.
        losses: weights of the losses.
        optimisation: learning rates, milestones, accumulation, clipping.
    """

    method = "mmfa_vae"
    unrecorded = frozenset({"mmfa"})
    network: ExpressionVAE

    def __init__(
        self,
        mmfa: Path | None = None,
        network: VAEConfig | None = None,
        losses: VAELosses | None = None,
        optimisation: VAEOptimisation | None = None,
    ) -> None:
        config = network or VAEConfig()
        losses = losses or VAELosses()
        optimisation = optimisation or VAEOptimisation()
        # Where the MMFA lies is left out: it says nothing on the machine of whoever gets the checkpoint.
        arguments = {"network": config, "losses": losses, "optimisation": optimisation}
        super().__init__(ExpressionVAE(config), ExpressionDiscriminator(config), optimisation, arguments)
        self.config = config
        self.mmfa = mmfa
        self.losses = losses
        self.kept = R2Score(multioutput="variance_weighted")
        self._frozen: FrozenMMFA | None = None

    @property
    def needs(self) -> Contents:
        """Requirements on portraits: images alone."""
        return Contents()

    def setup(self, stage: str) -> None:
        """Load the frozen MMFA.

        Raises:
            ReenactError: if none is named, or it is not the one that the VAE is of.
        """
        super().setup(stage)
        if self.mmfa is None:
            raise ReenactError(
                "mmfa_vae reads the expressions of a trained MMFA: name its checkpoint with --model.mmfa"
            )
        self._frozen = load_frozen(self.mmfa)
        size = self._frozen.length
        if size != self.config.expression:
            raise ReenactError(
                f"--model.mmfa {self.mmfa} has expressions of {size} numbers, not {self.config.expression}: set"
                f" --model.network.expression {size}"
            )
        if not self.network.digest.any():
            self.network.digest.copy_(self._frozen.digest)
        check_same(self.network, self._frozen.digest, self.mmfa)

    def on_fit_start(self) -> None:
        """Check again: by now a run that goes on has its checkpoint's weights."""
        assert self._frozen is not None
        assert self.mmfa is not None
        check_same(self.network, self._frozen.digest, self.mmfa)

    def run_network(self, batch: PortraitPair, random: BatchDraws) -> Reconstruction:
        """Rebuild the expressions of both portraits of B pairs, (2 B), from drawn codes."""
        features = self._features(torch.cat((batch.source.image, batch.driving.image)))
        noise = random.normal(len(features), self.config.latent).to(features.device)
        result: Reconstruction = self.network(features, noise)
        return result

    def generator_losses(self, batch: PortraitPair, result: Reconstruction) -> Losses:
        """Reconstruction, divergence and the discriminator's view."""
        weights = self.losses
        logits = self.discriminator(result.rebuilt)
        return {
            "reconstruction": weights.reconstruction * F.mse_loss(result.rebuilt, result.features),
            "kl": weights.kl * result.divergence().sum(1).mean(),
            "adversarial": weights.adversarial * F.softplus(-logits).mean(),
        }

    def discriminator_losses(self, batch: PortraitPair, result: Reconstruction) -> Losses:
        """Features against rebuilt ones."""
        real, fake = self.discriminator(result.features), self.discriminator(result.rebuilt)
        return {"adversarial": F.softplus(-real).mean() + F.softplus(fake).mean()}

    def validation_step(self, batch: PortraitPair, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log what the VAE keeps of held-out expressions; the pairs of `cross` show no others than those of `self`."""
        if not dataloader_idx:
            self._evaluate(batch, f"val/{self.loader_name('val', dataloader_idx)}")

    def test_step(self, batch: PortraitPair, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Evaluate a batch of the first test loader."""
        if not dataloader_idx:
            self._evaluate(batch, f"test/{self.loader_name('test', dataloader_idx)}")

    def _evaluate(self, batch: PortraitPair, stage: str) -> None:
        features = self._features(torch.cat((batch.source.image, batch.driving.image)))
        result: Reconstruction = self.network(features, features.new_zeros(len(features), self.config.latent))
        self.kept.update(self.network.restored(result.rebuilt), features)
        self.log(f"{stage}/variance_kept", self.kept, prog_bar=True, add_dataloader_idx=False)
        kl = result.divergence().mean()
        self.log(f"{stage}/kl_per_dimension", kl, add_dataloader_idx=False, batch_size=len(features), sync_dist=True)

    def _features(self, image: Tensor) -> Tensor:
        assert self._frozen is not None
        return self._frozen.features(image)
