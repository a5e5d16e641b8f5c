"""The expression encoder of a trained foundation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    gain, right_gain = _read_gain(header.arguments), network.config.basis.gain
    if gain != right_gain:
        raise ReenactError(
            f"--model.clebs {path} was trained with --model.network.gain {gain:g}, and this network has"
            f" --model.network.basis.gain {right_gain:g}: give both the same"
        )
    return weights, torch.frombuffer(bytearray.fromhex(hash_weights(weights)), dtype=torch.uint8)


def _read_gain(arguments: Mapping[str, Any]) -> float:
    """Return the factor `network.gain` of a foundation; 1 for one that was trained before there was a factor."""
    network = arguments.get("network")
    return float(network.get("gain", 1.0)) if isinstance(network, Mapping) else 1.0


def check_digest(network: Export3D, digest: Tensor, path: Path) -> None:
    """Refuse another expression encoder than the one that a network was trained with; raises `ReenactError`."""
    if not torch.equal(network.digest.cpu(), digest):
        raise ReenactError(
            f"this export3d was trained with another export3d_clebs than {path}: name that one with --model.clebs, or"
            " start a new training"
        )
