"""The files of other projects that MagicPortrait is used with."""

from __future__ import annotations

from reenact.assets.model import Asset, File

_PAGE = "https://huggingface.co/stabilityai/sd-vae-ft-mse"

AUTOENCODER = Asset(
    name="sd-vae-ft-mse",
    purpose="Stable Diffusion's autoencoder with a finer decoder, which MagicPortrait's released weights work with",
    files=tuple(
        File(f"sd-vae-ft-mse/{name}", url=f"{_PAGE}/resolve/main/{name}")
        for name in ("config.json", "diffusion_pytorch_model.safetensors")
    ),
    licence="MIT",
    source="reenact weights get sd-vae-ft-mse",
    free=True,
    url=_PAGE,
    pack=True,
)
