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

_CLIP_PAGE = "https://huggingface.co/openai/clip-vit-large-patch14"

CLIP = Asset(
    name="clip-vit-large-patch14",
    purpose="CLIP's image encoder, which takes the place of MagicPortrait's guidance encoders in an ablation",
    files=tuple(
        File(f"clip-vit-large-patch14/{name}", url=f"{_CLIP_PAGE}/resolve/main/{name}")
        for name in ("config.json", "model.safetensors")
    ),
    licence="MIT",
    source="reenact weights get clip-vit-large-patch14",
    free=True,
    url=_CLIP_PAGE,
    pack=True,
)
