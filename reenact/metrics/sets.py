"""Features for distances between sets: Inception's of pictures, I3D's of clips."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Final

import torch
from torch import Tensor, nn

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.weights import read_weights
from reenact.faces.portrait import to_bytes
from reenact.install import install_hint
from reenact.paths import hash_file

INCEPTION_SIZE: Final = 2048
I3D_SIZE: Final = 400
"""Logits of Kinetics-400, without softmax, as in google-research's `frechet_video_distance.py`."""
CLIP_LENGTH: Final = 16
"""Consecutive frames of a clip (StyleGAN-V's `fvd2048_16f`)."""


@dataclass(frozen=True, eq=False)
class Inception:
    """The 2048 features before the last layer of the Inception of 2015-12-05, as torch-fidelity computes them.

    Pictures are shown as bytes; torch-fidelity enlarges them as TensorFlow 1 did, to 299 x 299 with the origin at a
    corner. torchmetrics smooths them as well, pytorch-fid keeps the middle: other numbers (`docs/metrics.md`).
    """

    name: str = "inception"

    def __call__(self, image: Tensor) -> Tensor:
        """(B, 2048) of pictures (B, 3, H, W) in [-1, 1]."""
        features: Tensor = _load_inception().to(image.device)(to_bytes(image))[0]
        return features


@dataclass(frozen=True, eq=False)
class I3D:
    """The 400 logits of StyleGAN-V's `i3d_torchscript.pt`, the network of the FVD of google-research.

    The file itself scales bytes to [-1, 1] and frames to 224 x 224, whatever their shape.
    """

    name: str = "i3d"

    def __call__(self, clips: Tensor) -> Tensor:
        """(B, 400) of clips (B, T, 3, H, W) in [-1, 1]."""
        frames = to_bytes(clips).transpose(1, 2).float()
        features: Tensor = _load_i3d().to(clips.device)(frames, rescale=True, resize=True, return_features=True)
        return features


@cache
def inception_reader() -> Inception:
    """The reader that all share."""
    return Inception()


@cache
def i3d_reader() -> I3D:
    """The reader that all share."""
    return I3D()


@cache
def _load_inception() -> nn.Module:
    """torch-fidelity's network with the weights of the file; never downloads.

    Raises:
        ReenactError: if the package or the file is missing, or the file is damaged.
    """
    path = assets.require_asset("inception")
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise ReenactError(f"FID and KID need torch-fidelity: {install_hint('metrics')}") from error

    weights = io.BytesIO()
    torch.save(read_weights(path), weights)  # the package unpickles what it is given, so it is given tensors alone
    weights.seek(0)
    try:
        network: nn.Module = FeatureExtractorInceptionV3(
            "inception", [str(INCEPTION_SIZE)], feature_extractor_weights_path=weights
        )
    except RuntimeError as error:
        raise ReenactError(
            f"{path} is not the official file, its names or shapes are others: get it again from its official source"
        ) from error
    return network


@cache
def _load_i3d() -> nn.Module:
    """The network of the file, which is a program too: it is run only if it is the official one to the bit.

    Raises:
        ReenactError: if the file is missing, damaged or another.
    """
    path = assets.require_asset("i3d")
    digest = hash_file(path)
    if digest != assets.ASSETS["i3d"].files[0].sha256:
        raise ReenactError(f"{path} is damaged or another file (SHA-256 {digest[:8]}...): get it again")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is on its way out of torch, but this is the form of the file
        network: nn.Module = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    for weights in network.parameters():  # programs have no `requires_grad_`
        weights.requires_grad_(False)
    return network
