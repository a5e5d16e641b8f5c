"""The expression encoder of a trained foundation."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.models.common.checkpoint_file import read_checkpoint
from reenact.models.common.header import check_header
from reenact.models.export3d.network import Export3D
from reenact.nn.frozen import hash_weights

METHOD = "export3d_clebs"
PREFIX = "network.expression."
"""Beginning of the names of the encoder's weights in a checkpoint of the foundation."""


def load_expressions(path: Path, network: Export3D) -> tuple[dict[str, Tensor], Tensor]:
    """Load the weights of the expression encoder of a foundation, and their digest (32) of bytes.

    Args:
        path: checkpoint or export.
        network: the network that takes them.

    Raises:
        ReenactError: if it is of another method, or its encoder has other sizes.
    """
    checkpoint = read_checkpoint(path)
    header = check_header(checkpoint, str(path))
    if header.method != METHOD:
        raise ReenactError(
            f"--model.clebs {path} is of the method {header.method}: give a checkpoint of {METHOD}, or leave the option"
            " out to have one trained"
        )
    state = checkpoint["state_dict"]
    weights = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    for name, value in network.expression.state_dict().items():
        shape, right_shape = tuple(weights[name].shape) if name in weights else None, tuple(value.shape)
        if shape != right_shape:
            raise ReenactError(
                f"--model.clebs {path} has {name} of the shape {shape}, and this network {right_shape}: give both"
                " the same components, width and hidden of --model.network.basis, and data of one face model"
            )
    return weights, torch.frombuffer(bytearray.fromhex(hash_weights(weights)), dtype=torch.uint8)


def check_digest(network: Export3D, digest: Tensor, path: Path) -> None:
    """Refuse another expression encoder than the one that a network was trained with; raises `ReenactError`."""
    if not torch.equal(network.digest.cpu(), digest):
        raise ReenactError(
            f"this export3d was trained with another export3d_clebs than {path}: name that one with --model.clebs, or"
            " start a new training"
        )
