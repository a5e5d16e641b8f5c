"""Training of MagicPortrait: first the image model, then its motion modules alone.

The authors released no code of training; what the paper leaves open is Champ's, of which the released code is a fork
(`docs/methods/magicportrait.md`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.models.common.base import Reenactment
from reenact.models.common.half_frozen import HalfFrozen
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses, Stage
from reenact.models.common.training import PlainTraining
from reenact.models.magicportrait.autoencoder import VAE_ASSET, StableDiffusionAutoencoder
from reenact.models.magicportrait.clip_encoder import CLIP_ASSET
from reenact.models.magicportrait.config import TIMESTEPS, MagicPortraitConfig
from reenact.models.magicportrait.distillation import Teacher, Trajectory, build_teacher, load_teacher
from reenact.models.magicportrait.latent_cache import LatentCache
from reenact.models.magicportrait.network import MagicPortrait, choose_trained
from reenact.models.magicportrait.reference import Bank
from reenact.models.magicportrait.sampler import build_scheduler, combine_predictions, draw_noise, mix_noise
from reenact.models.magicportrait.training import MagicPortraitLosses, MagicPortraitOptimisation, weigh_velocities
from reenact.nn.frozen import Frozen

CHECKED_TIMESTEPS = (99, 299, 499, 699, 899)
"""Timesteps of the loss in validation."""
LEVELS = 4
"""Levels of the released UNets, and of any whose motion modules may start fresh."""


class MagicPortraitModule(HalfFrozen, PlainTraining, ReenactmentModule):
    """MagicPortrait with its objective and schedule.

    Args:
        face_model: the model in which the data's parameters live: `head`, `flame`, `bfm` or the path of a file.
        network: sizes and sampler.
        losses: settings of the objective.
        optimisation: learning rate, schedule, and the part that is trained.
        teacher: checkpoint of the second stage that a network of few steps starts and learns from; for `fit` alone.
        latents: folder in which `fit` keeps the latents of Stable Diffusion's autoencoder, so that it encodes each
            picture once; 64 KiB a picture of 512 pixels.
    """

    method = "magicportrait"
    unrecorded = frozenset({"teacher", "latents"})
    memory_options = ("--model.optimisation.checkpointing true", "--model.optimisation.eight_bit true")
    memory_settings = ("network.sampling.decode_chunk=1", "network.sampling.window=8")
    may_start_fresh = tuple(
        f"network.denoiser.unet.{block}.motion_modules."
        for block in (
            *(f"{direction}_blocks.{level}" for direction in ("down", "up") for level in range(LEVELS)),
            "mid_block",
        )
    )
    network: MagicPortrait
    teacher_digest: Tensor
    optimisation: MagicPortraitOptimisation

    def __init__(
        self,
        face_model: str = "head",
        network: MagicPortraitConfig | None = None,
        losses: MagicPortraitLosses | None = None,
        optimisation: MagicPortraitOptimisation | None = None,
        *,
        teacher: Path | None = None,
        latents: Path | None = None,
    ) -> None:
        network = network or MagicPortraitConfig()
        losses = losses or MagicPortraitLosses()
        optimisation = optimisation or MagicPortraitOptimisation()
        arguments = {"face_model": face_model, "network": network, "losses": losses, "optimisation": optimisation}
        super().__init__(MagicPortrait(network, load_face_model(face_model)), optimisation, arguments)
        self.losses = losses
        self.teacher = teacher
        self.latents = latents
        self._teacher: Teacher | None = None
        self._trajectory: Trajectory | None = None
        betas, sampling = losses.betas, network.sampling
        if losses.teacher_steps:
            betas = sampling.betas
            self._trajectory = Trajectory(betas, sampling.steps, losses.teacher_steps)
            self.register_buffer("teacher_digest", torch.zeros(32, dtype=torch.uint8))
        if network.clean and betas != sampling.betas:
            raise ReenactError(
                f"--model.losses.betas {betas} must be those of --model.network.sampling.betas {sampling.betas}, by"
                " which the denoiser computes velocities from clean latents (--model.network.clean true)"
            )
        self._scheduler = build_scheduler(betas)
        choose_trained(self.network, optimisation.trained)
        if optimisation.checkpointing:
            self.network.denoiser.unet.enable_gradient_checkpointing()
            self.network.appearance.unet.enable_gradient_checkpointing()

    @property
    def reaches_all(self) -> bool:
        """True for the motion modules alone: batches without a reference leave AppearanceNet out."""
        return self.optimisation.trained in ("temporal", "denoiser") or not self.losses.drop

    def assets(self, stage: Stage) -> tuple[str, ...]:
        """Return the names of the networks that are read from files."""
        names = {"autoencoder": VAE_ASSET, "clip": CLIP_ASSET}
        return (*super().assets(stage), *(names[part] for part in self.frozen_parts()))

    def frozen_parts(self) -> dict[str, Frozen[Any]]:
        """Return the autoencoder, where it is a network, and CLIP's image encoder, where it guides."""
        autoencoder, clip = self.network.autoencoder, self.network.guidance.clip
        parts: dict[str, Frozen[Any]] = {}
        if isinstance(autoencoder, StableDiffusionAutoencoder):
            parts["autoencoder"] = autoencoder.frozen
        if clip is not None:
            parts["clip"] = clip
        return parts

    def on_fit_start(self) -> None:
        """Start from the teacher where there is one, and keep what is not trained in the precision of autocast.

        Raises:
            ReenactError: if no teacher is named, or it is not this network's; if latents are to be kept of an
                autoencoder that is no network, or in a folder that cannot be written.
        """
        super().on_fit_start()
        if self.latents is not None:
            self._keep_latents(self.latents)
        if self._trajectory is not None:
            self._start_from_teacher()
        if self.optimisation.trained in ("temporal", "denoiser"):
            self.halve_frozen([*self.frozen_parts().values(), *(() if self._teacher is None else (self._teacher,))])

    def _keep_latents(self, folder: Path) -> None:
        autoencoder = self.network.autoencoder
        if not isinstance(autoencoder, StableDiffusionAutoencoder):
            raise ReenactError(
                "--model.latents keeps what Stable Diffusion's autoencoder says of pictures, and this network has none:"
                " leave it out"
            )
        autoencoder.cache = LatentCache(folder / autoencoder.frozen.digest[:16])

    def on_fit_end(self) -> None:
        """Take the whole weights back, and encode every picture again."""
        super().on_fit_end()
        if isinstance(self.network.autoencoder, StableDiffusionAutoencoder):
            self.network.autoencoder.cache = None

    def _start_from_teacher(self) -> None:
        """Start from the teacher, unless the training goes on, and keep its denoiser; errors as of `on_fit_start`."""
        if self.teacher is None:
            raise ReenactError(
                "a sampler of few steps learns from a trained magicportrait: name it with --model.teacher"
            )
        weights, digest = load_teacher(self.teacher, self.network)
        if not self.teacher_digest.any():
            self.network.load_state_dict(weights)
            self.teacher_digest.copy_(digest)
        elif not torch.equal(self.teacher_digest.cpu(), digest):
            raise ReenactError(
                f"this training began with another teacher than {self.teacher}: name that one with --model.teacher, or"
                " start a new training"
            )
        self._teacher = build_teacher(self.network, weights)

    def compute_losses(self, batch: PortraitPair) -> Losses:
        """Weighed squared error of velocities at drawn timesteps."""
        draws, settings = self.random(), self.losses
        images, params = _take_clip(batch.driving)
        count, frames = images.shape[:2]
        side, channels = images.shape[-1] // self.network.config.factor, self.network.config.unet.latent
        shape = (channels, frames, side, side)
        possible = torch.arange(TIMESTEPS) if self._trajectory is None else self._trajectory.list_starts()
        timesteps = possible[(len(possible) * draws.uniform(count)).long()].to(self.device)
        noise, shared = draws.normal(count, *shape), self.network.config.sampling.shared_noise
        if shared:
            noise = mix_noise(noise, draws.normal(count, channels, 1, side, side), shared)
        noise = noise + settings.noise_offset * draws.normal(count, channels, 1, 1, 1)
        sampled = draws.normal(count, *shape), draws.normal(count, channels, side, side)
        is_dropped = bool(torch.rand((), generator=draws.generator) < settings.drop)
        errors = self.measure_errors(
            batch.source, images, params, timesteps, noise.to(self.device), is_dropped=is_dropped, sampled=sampled
        )
        if self._trajectory is not None:
            return {"trajectory": errors.mean()}
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
        guidance = network.guide_from(source.image, network.read(source), params)
        features, latents = guidance.features, latents - guidance.carried
        noisy = self._scheduler.add_noise(latents, noise, timesteps)
        if self._trajectory is None:
            target = self._scheduler.get_velocity(latents, noise, timesteps)
        else:
            target = self._follow_teacher(noisy, timesteps, features, bank)
        velocity = network.denoiser(noisy, timesteps, network.prompt, features, bank)
        errors: Tensor = (velocity - target).square().mean((1, 2, 3, 4))
        return errors

    @torch.no_grad()
    def _follow_teacher(self, noisy: Tensor, timesteps: Tensor, features: Tensor, bank: Bank | None) -> Tensor:
        """Return the velocities by which the sampler's steps end where the teacher's do."""
        assert self._teacher is not None
        assert self._trajectory is not None
        teacher, scale, prompt = self._teacher.follow(noisy), self.losses.teacher_guidance, self.network.prompt

        def predict(latents: Tensor, steps: Tensor) -> Tensor:
            guided: Tensor = teacher(latents, steps, prompt, features, bank)
            if scale == 1:
                return guided
            return combine_predictions(teacher(latents, steps, prompt, features, None), guided, scale)

        return self._trajectory.find_target(predict, noisy, timesteps)

    def validation_step(self, batch: PortraitPair, batch_idx: int, dataloader_idx: int = 0) -> Reenactment:  # type: ignore[override]
        """Log the loss at fixed timesteps and noise where the target is known, and sample.

        Without its teacher, which `fit` alone has, a network of few steps has no loss.
        """
        if batch.same_identity and (self._trajectory is None or self._teacher is not None):
            name = f"val/{self.loader_name('val', dataloader_idx)}/velocity"
            loss = self.check_velocities(batch)
            self.log(name, loss, batch_size=len(batch.source.image), add_dataloader_idx=False, sync_dist=True)
        return super().validation_step(batch, batch_idx, dataloader_idx)

    def _list_checked(self) -> Tensor:
        """Return the timesteps of the loss in validation."""
        return torch.tensor(CHECKED_TIMESTEPS) if self._trajectory is None else self._trajectory.list_starts()

    @torch.no_grad()
    def check_velocities(self, batch: PortraitPair) -> Tensor:
        """Mean squared error of velocities at fixed timesteps and noise; of few steps, at all of them."""
        images, params = _take_clip(batch.driving if batch.around is None else batch.around)
        length = self.network.needs.clip_length
        images, params = images[:, :length], params[:, :length]
        count, frames = images.shape[:2]
        side, channels = images.shape[-1] // self.network.config.factor, self.network.config.unet.latent
        noise = draw_noise(0, range(frames), (channels, side, side), self.network.config.sampling.shared_noise)
        noise = noise.to(self.device).expand(count, -1, -1, -1, -1)
        errors = [
            self.measure_errors(batch.source, images, params, timesteps, noise).mean()
            for timesteps in self._list_checked().to(self.device)[:, None].expand(-1, count)
        ]
        return torch.stack(errors).mean()


def _take_clip(portrait: Portrait) -> tuple[Tensor, FaceParams]:
    """Return images (B, T, 3, H, W) and face parameters (B, T); pictures (B) are clips of one frame."""
    assert portrait.params is not None
    if portrait.image.ndim == 5:
        return portrait.image, portrait.params
    return portrait.image[:, None], portrait.params.split(1)
