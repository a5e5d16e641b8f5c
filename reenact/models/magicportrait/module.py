"""Training of MagicPortrait: first the image model, then its motion modules alone.

The authors released no code of training; what the paper leaves open is Champ's, of which the released code is a fork
(`docs/methods/magicportrait.md`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.models.common.base import Reenactment
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses, Stage
from reenact.models.common.training import Optimisation, PlainTraining
from reenact.models.magicportrait.autoencoder import VAE_ASSET, StableDiffusionAutoencoder
from reenact.models.magicportrait.config import TIMESTEPS, Betas, MagicPortraitConfig
from reenact.models.magicportrait.network import MagicPortrait, list_stages
from reenact.models.magicportrait.sampler import build_scheduler, draw_noise
from reenact.models.magicportrait.training import weigh_velocities
from reenact.nn.frozen import Frozen

Trained = Literal["image", "temporal", "all"]
"""Part that is trained: everything but the motion modules, these alone, or both."""
CHECKED_TIMESTEPS = (99, 299, 499, 699, 899)
"""Timesteps of the loss in validation."""
LEVELS = 4
"""Levels of the released UNets, and of any whose motion modules may start fresh."""


@dataclass(frozen=True, kw_only=True)
class MagicPortraitLosses:
    """The objective; the paper gives none of these numbers."""

    betas: Betas = "scaled_linear"
    """Noise of the timesteps in training."""
    gamma: float = 5.0
    """Largest weight of a timestep by its ratio of signal to noise (min-SNR)."""
    noise_offset: float = 0.05
    """Standard deviation of noise that is the same at all places and frames of a channel."""
    drop: float = 0.1
    """Share of the batches without a reference, for classifier-free guidance."""


@dataclass(frozen=True, kw_only=True)
class MagicPortraitOptimisation(Optimisation):
    """AdamW; the learning rate is the paper's, the rest Champ's."""

    lr: float = 1e-5
    weight_decay: float = 1e-2
    clip_norm: float | None = 1.0
    trained: Trained = "temporal"
    """Part that is trained."""
    checkpointing: bool = False
    """Compute the activations of the UNets again in the backward pass, which saves memory."""


class MagicPortraitModule(PlainTraining, ReenactmentModule):
    """MagicPortrait with its objective and schedule.

    Args:
        face_model: the model in which the data's parameters live: `head`, `flame`, `bfm` or the path of a file.
        network: sizes and sampler.
        losses: settings of the objective.
        optimisation: learning rate, schedule, and the part that is trained.
    """

    method = "magicportrait"
    may_start_fresh = tuple(
        f"network.denoiser.unet.{block}.motion_modules."
        for block in (
            *(f"{direction}_blocks.{level}" for direction in ("down", "up") for level in range(LEVELS)),
            "mid_block",
        )
    )
    network: MagicPortrait
    optimisation: MagicPortraitOptimisation

    def __init__(
        self,
        face_model: str = "head",
        network: MagicPortraitConfig | None = None,
        losses: MagicPortraitLosses | None = None,
        optimisation: MagicPortraitOptimisation | None = None,
    ) -> None:
        network = network or MagicPortraitConfig()
        losses = losses or MagicPortraitLosses()
        optimisation = optimisation or MagicPortraitOptimisation()
        arguments = {"face_model": face_model, "network": network, "losses": losses, "optimisation": optimisation}
        super().__init__(MagicPortrait(network, load_face_model(face_model)), optimisation, arguments)
        self.losses = losses
        self._scheduler = build_scheduler(losses.betas)
        for stage, parameters in list_stages(self.network).items():
            for parameter in parameters:
                parameter.requires_grad_(optimisation.trained in (stage, "all"))
        if optimisation.checkpointing:
            self.network.denoiser.unet.enable_gradient_checkpointing()
            self.network.appearance.unet.enable_gradient_checkpointing()

    @property
    def reaches_all(self) -> bool:
        """True for the motion modules alone: batches without a reference leave AppearanceNet out."""
        return self.optimisation.trained == "temporal" or not self.losses.drop

    def assets(self, stage: Stage) -> tuple[str, ...]:
        """Return the autoencoder's name, where it is a file."""
        return (*super().assets(stage), *((VAE_ASSET,) if self.frozen_parts() else ()))

    def frozen_parts(self) -> dict[str, Frozen[Any]]:
        """Return the autoencoder, where it is a network."""
        autoencoder = self.network.autoencoder
        return {"autoencoder": autoencoder.frozen} if isinstance(autoencoder, StableDiffusionAutoencoder) else {}

    def compute_losses(self, batch: PortraitPair) -> Losses:
        """Weighed squared error of velocities at drawn timesteps."""
        draws, settings = self.random(), self.losses
        images, params = _take_clip(batch.driving)
        count, frames = images.shape[:2]
        side, channels = images.shape[-1] // self.network.config.factor, self.network.config.unet.latent
        shape = (channels, frames, side, side)
        timesteps = (TIMESTEPS * draws.uniform(count)).long().to(self.device)
        noise = draws.normal(count, *shape) + settings.noise_offset * draws.normal(count, channels, 1, 1, 1)
        sampled = draws.normal(count, *shape), draws.normal(count, channels, side, side)
        is_dropped = bool(torch.rand((), generator=draws.generator) < settings.drop)
        errors = self.measure_errors(
            batch.source, images, params, timesteps, noise.to(self.device), is_dropped=is_dropped, sampled=sampled
        )
        weights = weigh_velocities(self._scheduler.alphas_cumprod, timesteps, settings.gamma)
        return {"velocity": (weights * errors).mean()}

    def measure_errors(
        self,
        source: Portrait,
        images: Tensor,
        params: FaceParams,
        timesteps: Tensor,
        noise: Tensor,
        *,
        is_dropped: bool = False,
        sampled: tuple[Tensor, Tensor] | tuple[None, None] = (None, None),
    ) -> Tensor:
        """Squared errors (B) of the velocities of clips.

        Args:
            source: B references.
            images: (B, T, 3, H, W) target frames.
            params: (B, T) their face parameters.
            timesteps: (B,) from 0 to 999.
            noise: (B, C, T, h, w).
            is_dropped: leave the reference out.
            sampled: numbers by which the autoencoder's latents of targets and reference are drawn; none for the mean.
        """
        network = self.network
        network.check_size(source.image)
        count, frames = images.shape[:2]
        targets, references = sampled
        flat = None if targets is None else targets.transpose(1, 2).flatten(0, 1).to(self.device)
        latents = network.autoencoder.encode(images.flatten(0, 1), flat)
        latents = latents.view(count, frames, *latents.shape[1:]).transpose(1, 2)
        bank = None
        if not is_dropped:
            bank = network.appearance(network.autoencoder.encode(source.image, references), network.prompt)
        _, features = network.guide_from(network.read(source), params, source.image.shape[-1])
        noisy = self._scheduler.add_noise(latents, noise, timesteps)
        target = self._scheduler.get_velocity(latents, noise, timesteps)
        velocity = network.denoiser(noisy, timesteps, network.prompt, features, bank)
        errors: Tensor = (velocity - target).square().mean((1, 2, 3, 4))
        return errors

    def validation_step(self, batch: PortraitPair, batch_idx: int, dataloader_idx: int = 0) -> Reenactment:  # type: ignore[override]
        """Log the loss at fixed timesteps and noise where the target is known, and sample."""
        if batch.same_identity:
            name = f"val/{self.loader_name('val', dataloader_idx)}/velocity"
            loss = self.check_velocities(batch)
            self.log(name, loss, batch_size=len(batch.source.image), add_dataloader_idx=False, sync_dist=True)
        return super().validation_step(batch, batch_idx, dataloader_idx)

    @torch.no_grad()
    def check_velocities(self, batch: PortraitPair) -> Tensor:
        """Mean squared error of velocities at fixed timesteps and noise."""
        images, params = _take_clip(batch.driving if batch.around is None else batch.around)
        length = self.network.needs.clip_length
        images, params = images[:, :length], params[:, :length]
        count, frames = images.shape[:2]
        side, channels = images.shape[-1] // self.network.config.factor, self.network.config.unet.latent
        noise = draw_noise(0, range(frames), (channels, side, side)).to(self.device).expand(count, -1, -1, -1, -1)
        errors = [
            self.measure_errors(batch.source, images, params, timesteps, noise).mean()
            for timesteps in torch.tensor(CHECKED_TIMESTEPS, device=self.device)[:, None].expand(-1, count)
        ]
        return torch.stack(errors).mean()


def _take_clip(portrait: Portrait) -> tuple[Tensor, FaceParams]:
    """Return images (B, T, 3, H, W) and face parameters (B, T); pictures (B) are clips of one frame."""
    assert portrait.params is not None
    if portrait.image.ndim == 5:
        return portrait.image, portrait.params
    return portrait.image[:, None], portrait.params.split(1)
