"""Files that users bring: where each is looked for, what licence it has, how to get it. Nothing is downloaded here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from reenact.errors import ReenactError


@dataclass(frozen=True)
class Asset:
    """One file: `files` are its known names, newest first; it may also lie in torch's own cache (`torch_hub`)."""

    name: str
    purpose: str
    files: tuple[str, ...]
    licence: str
    source: str
    torch_hub: bool = False


ASSETS = {
    asset.name: asset
    for asset in (
        Asset(
            "flame",
            "FLAME head model (generic_model.pkl or .npz of 2017, 2019, 2020 or 2023)",
            ("flame/generic_model.pkl", "flame/generic_model.npz", "flame/flame2023.pkl", "flame/FLAME2023.pkl"),
            "non-commercial research (2017-2020), CC BY 4.0 (2023 Open)",
            "register at flame.is.tue.mpg.de and download the model",
        ),
        Asset(
            "flame_landmarks",
            "FLAME landmark embedding (landmark_embedding.npy of DECA)",
            ("flame/landmark_embedding.npy",),
            "as FLAME",
            "part of the DECA repository's data folder",
        ),
        Asset(
            "vgg19",
            "ImageNet VGG-19 of torchvision, for the perceptual loss",
            ("vgg19-dcbb9e9d.pth",),
            "BSD-3-Clause (torchvision); trained on ImageNet",
            "python -c \"import torchvision; torchvision.models.vgg19(weights='IMAGENET1K_V1')\"",
            torch_hub=True,
        ),
        Asset(
            "fan2d",
            "face-alignment's 2D landmark network",
            ("2DFAN4-11f355bf06.pth.tar",),
            "BSD-3-Clause (face-alignment)",
            "download the release file named so of face-alignment",
            torch_hub=True,
        ),
        Asset(
            "s3fd",
            "face-alignment's face detector",
            ("s3fd-619a316812.pth",),
            "BSD-3-Clause (face-alignment)",
            "download the release file named so of face-alignment",
            torch_hub=True,
        ),
        Asset(
            "deca",
            "DECA's trained model (deca_model.tar)",
            ("deca/deca_model.tar",),
            "non-commercial research (Max Planck Society)",
            "follow the DECA repository's data instructions: the released model",
        ),
        Asset(
            "emoca",
            "EMOCA's trained model (a .ckpt named after the model)",
            (
                "emoca/EMOCA_v2_lr_mse_20.ckpt",
                "emoca/EMOCA_v2_lr_cos_1.5.ckpt",
                "emoca/EMOCA_v2_mp.ckpt",
                "emoca/EMOCA.ckpt",
            ),
            "non-commercial research (Max Planck Society)",
            "register at emoca.is.tue.mpg.de, download a model, and name the .ckpt of its detail/checkpoints after it",
        ),
        Asset(
            "smirk",
            "SMIRK's trained model (SMIRK_em1.pt)",
            ("smirk/SMIRK_em1.pt",),
            "MIT (SMIRK); built on FLAME, which is for non-commercial research",
            "follow the SMIRK repository's quick_install.sh",
        ),
    )
}


def cache_dir() -> Path:
    """The folder of user-supplied files: `$REENACT_HOME`, else `~/.cache/reenact`."""
    return Path(os.environ.get("REENACT_HOME", Path.home() / ".cache" / "reenact"))


def torch_hub_dir() -> Path:
    """The folder in which torch keeps downloaded checkpoints, found without importing torch."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "torch"
    return Path(os.environ.get("TORCH_HOME", default)) / "hub" / "checkpoints"


def locate(name: str) -> Path | None:
    """The path of an asset, or None where it is absent."""
    asset = ASSETS[name]
    folders = [cache_dir(), *([torch_hub_dir()] if asset.torch_hub else [])]
    return next((folder / file for folder in folders for file in asset.files if (folder / file).is_file()), None)


def require(name: str) -> Path:
    """The path of an asset.

    Raises:
        ReenactError: if it is absent; the message says which file, where to put it and how to get it.
    """
    path = locate(name)
    if path is None:
        asset = ASSETS[name]
        raise ReenactError(
            f"{asset.purpose} is missing: put {asset.files[0]} under {cache_dir()} ({asset.licence}; {asset.source})"
        )
    return path
