"""The denoiser: a UNet of Stable Diffusion, alone or with AnimateDiff's motion modules, with guidance and reference.

diffusers normalises a motion module over all frames, and AnimateDiff, whose weights these are, each frame by itself:
`FrameNorm` does.
"""

from __future__ import annotations

from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D, UNetMotionModel
from torch import Tensor, nn

from reenact.models.magicportrait.config import Betas, Fusion, MagicPortraitConfig, UNetConfig
from reenact.models.magicportrait.reference import Bank, BankReader, build_image_unet, find_self_attentions
from reenact.models.magicportrait.sampler import build_scheduler

MOTION = "motion_modules"
"""Part of the names of the weights that know of time."""


class Denoiser(nn.Module):
    """Predicts the velocity of noisy latents.

    Args:
        config: sizes.
        temporal: True with motion modules.
        fusion: rule by which it reads the reference.
        clean: noise of the timesteps, where the UNet predicts clean latents, at first zeros, from which velocities are
            computed; None where it predicts velocities.
    """

    def __init__(
        self, config: UNetConfig, *, temporal: bool, fusion: Fusion = "concatenate", clean: Betas | None = None
    ) -> None:
        super().__init__()
        self._alphas = None if clean is None else build_scheduler(clean).alphas_cumprod
        self.temporal = temporal
        self.unet = build_video_unet(config) if temporal else build_image_unet(config)
        self.unet.conv_in = GuidedConv(config.latent, config.channels[0], 3, padding=1)
        if clean is not None:
            nn.init.zeros_(self.unet.conv_out.weight)
            nn.init.zeros_(self.unet.conv_out.bias)
        self._readers = [BankReader(fusion) for _ in find_self_attentions(self.unet)]
        for attention, reader in zip(find_self_attentions(self.unet), self._readers, strict=True):
            attention.set_processor(reader)

    def forward(
        self, latents: Tensor, timestep: Tensor, prompt: Tensor, guidance: Tensor | None, bank: Bank | None
    ) -> Tensor:
        """Predict the velocity (B, C, F, h, w).

        Args:
            latents: (B, C, F, h, w) noisy latents.
            timestep: (B,) from 0 to 999.
            prompt: (1, L, D) embedding of the prompt.
            guidance: (B, C0, F, h, w) features of the maps, added to the first convolution's; None for none.
            bank: features of B references, or of one for all; None for none.
        """
        count, _, frames = latents.shape[:3]
        # Both stay in place until the next call: gradient checkpointing reads them again.
        self.unet.conv_in.guidance = None if guidance is None else guidance.transpose(1, 2).flatten(0, 1)
        for number, reader in enumerate(self._readers):
            reader.bank = None if bank is None else bank[number].expand(count, -1, -1)
        tokens = prompt.to(latents.dtype).expand(count * frames, -1, -1)
        if self.temporal:
            predicted: Tensor = self.unet(latents, timestep, tokens, return_dict=False)[0]
        else:
            merged = latents.transpose(1, 2).flatten(0, 1)
            flat: Tensor = self.unet(merged, timestep.repeat_interleave(frames), tokens, return_dict=False)[0]
            predicted = flat.view(count, frames, *flat.shape[1:]).transpose(1, 2)
        if self._alphas is None:
            return predicted
        signal = self._alphas.to(latents)[timestep][:, None, None, None, None]
        velocity: Tensor = (signal.sqrt() * latents - predicted) / (1 - signal).sqrt()
        return velocity


def build_denoiser(config: MagicPortraitConfig) -> Denoiser:
    """Return the denoiser of a network's settings."""
    clean = config.sampling.betas if config.clean else None
    return Denoiser(config.unet, temporal=config.temporal, fusion=config.fusion, clean=clean)


class GuidedConv(nn.Conv2d):
    """A convolution to which features of its result's shape are added."""

    guidance: Tensor | None = None
    """(N, C, H, W), or None."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C', H, W) and add the guidance."""
        result = super().forward(input)
        return result if self.guidance is None else result + self.guidance.to(result.dtype)


class FrameNorm(nn.GroupNorm):
    """Group normalisation of videos (B, C, F, H, W), each frame by itself."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise the frames."""
        frames = super().forward(input.transpose(1, 2).flatten(0, 1))
        return frames.view(len(input), -1, *frames.shape[1:]).transpose(1, 2)


def build_video_unet(config: UNetConfig) -> UNetMotionModel:
    """Return the same UNet with motion modules, which change nothing before they are trained."""
    attended = len(config.channels) - 1
    unet = UNetMotionModel(
        in_channels=config.latent,
        out_channels=config.latent,
        block_out_channels=tuple(config.channels),
        down_block_types=("CrossAttnDownBlockMotion",) * attended + ("DownBlockMotion",),
        up_block_types=("UpBlockMotion",) + ("CrossAttnUpBlockMotion",) * attended,
        layers_per_block=config.layers,
        num_attention_heads=config.heads,
        norm_num_groups=config.groups,
        cross_attention_dim=config.prompt_width,
        motion_num_attention_heads=config.heads,
        motion_max_seq_length=config.motion_length,
    )
    for module in unet.modules():
        if isinstance(module, AnimateDiffTransformer3D):
            norm = module.norm
            module.norm = FrameNorm(norm.num_groups, norm.num_channels, norm.eps)
            nn.init.zeros_(module.proj_out.weight)
            nn.init.zeros_(module.proj_out.bias)
    return unet
