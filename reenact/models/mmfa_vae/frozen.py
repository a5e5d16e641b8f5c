"""The MMFA whose expression features a VAE is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.models.common.checkpoint import load_method, load_module, read_checkpoint
from reenact.models.mmfa_vae.network import ExpressionVAE
from reenact.nn.frozen import Frozen, hash_weights

ENCODER = "network.encoder."
"""Prefix of the names of the expression encoder's weights."""


@dataclass(frozen=True)
class FrozenMMFA:
    """A trained MMFA that reads expressions and learns nothing."""

    encoder: Frozen[nn.Module]
    """Network from images (B, 3, H, W) in [0, 1] to expression features."""
    length: int
    """Length of an expression feature."""
    image_size: int
    """Side in pixels of the images it was trained on."""
    digest: Tensor
    """(32) bytes, see `hash_encoder`."""

    def features(self, image: Tensor) -> Tensor:
        """Expression features (B, E) of images (B, 3, H, W) in [-1, 1].

        Raises:
            ReenactError: if the images are of another size than MMFA's.
        """
        if image.shape[-1] != self.image_size:
            raise ReenactError(
                f"the MMFA of this VAE reads images of {self.image_size} pixels, not {image.shape[-1]}: set --data.size"
                f" {self.image_size}"
            )
        with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
            features: Tensor = self.encoder.follow(image.float())((image.float() + 1) / 2)
        return features


def load_frozen(path: Path) -> FrozenMMFA:
    """The MMFA of a checkpoint or export.

    Raises:
        ReenactError: if there is no such file, or it is of another method.
    """
    module = load_method(path)
    if module.method != "mmfa":
        raise ReenactError(f"--model.mmfa {path} is of the method {module.method}: give the checkpoint of an mmfa")
    network: Any = module.network
    digest = hash_encoder(read_checkpoint(path)["state_dict"])
    encoder: nn.Module = network.encoder
    return FrozenMMFA(
        encoder=Frozen(lambda: encoder), length=network.config.expression, image_size=module.image_size, digest=digest
    )


def hash_encoder(weights: Mapping[str, Tensor]) -> Tensor:
    """(32) bytes that change with any weight of the expression encoder: the SHA-256 of all of them."""
    encoder = {name: value for name, value in weights.items() if name.startswith(ENCODER)}
    return torch.frombuffer(bytearray.fromhex(hash_weights(encoder)), dtype=torch.uint8)


def check_same(vae: ExpressionVAE, digest: Tensor, mmfa: Path) -> None:
    """Refuse an MMFA with another expression encoder than the one a VAE was trained on; raises `ReenactError`."""
    if not torch.equal(vae.digest.cpu(), digest):
        raise ReenactError(
            f"the expression VAE was trained on another MMFA than {mmfa}: train one on it with reenact fit --model"
            f" mmfa_vae --model.mmfa {mmfa}"
        )


def load_expression_codes(path: Path, mmfa: Path, device: torch.device) -> ExpressionVAE:
    """Load the VAE of a checkpoint, for a trained MMFA.

    Raises:
        ReenactError: if the checkpoint is of another method, or was trained on another MMFA.
    """
    vae = load_module(path).network
    if not isinstance(vae, ExpressionVAE):
        raise ReenactError(f"--expression-vae {path} is of another method: give a checkpoint of mmfa_vae")
    check_same(vae, hash_encoder(read_checkpoint(mmfa)["state_dict"]), mmfa)
    return vae.to(device)
