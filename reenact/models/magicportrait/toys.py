"""MagicPortrait at its smallest, for the common tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from reenact.models.common.module import ReenactmentModule
from reenact.models.magicportrait.config import EncoderKind, GuidanceConfig, MagicPortraitConfig, Sampling, UNetConfig
from reenact.models.magicportrait.module import MagicPortraitModule
from reenact.models.magicportrait.training import MagicPortraitLosses, MagicPortraitOptimisation


def list_toys() -> dict[str, Callable[[], ReenactmentModule]]:
    """Return the makers of the first stage, by either encoder of the guidance: the second makes no frame by itself."""
    return {
        "magicportrait": build_toy,
        "magicportrait_clip": partial(build_toy, encoder="small_clip"),
        "magicportrait_carried": partial(build_toy, carried=True),
    }


def build_toy(
    *, temporal: bool = False, encoder: EncoderKind = "convolutions", carried: bool = False
) -> MagicPortraitModule:
    """Build one of the stages, in which nothing is zero any more."""
    module = MagicPortraitModule(
        face_model="head",
        network=MagicPortraitConfig(
            temporal=temporal,
            clip_length=4,
            clip_stride=1,
            autoencoder="cosines",
            frequencies=[4, 4],
            carried=carried,
            clean=carried,
            prompt_tokens=1,
            unet=UNetConfig(channels=[16, 16], layers=1, heads=2, groups=4, latent=48, prompt_width=8),
            guidance=GuidanceConfig(encoder=encoder, widths=[4, 8, 8], heads=2, groups=4),
            sampling=Sampling(steps=1, guidance=1.0, window=4, betas="scaled_linear"),
        ),
        losses=MagicPortraitLosses(drop=0.0, noise_offset=0.0),
        optimisation=MagicPortraitOptimisation(lr=1e-2, trained="temporal" if temporal else "image"),
    )
    for parameter in module.network.parameters():
        if parameter.ndim > 1 and not parameter.is_meta and not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return module
