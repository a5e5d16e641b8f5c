"""A forward pass that shows if the parts of a converted method fit each other."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.models.common.module import ReenactmentModule

SIDE = 128
"""Pixels of the image of a check, rounded up to what the method reads."""


def build_portrait(stride: int, params: FaceParams | None = None) -> Portrait:
    """Return a picture of grey ramps whose side is a multiple of `stride`, with face parameters where they are read."""
    side = stride * -(-SIDE // stride)
    ramp = torch.linspace(-1, 1, side)
    across, down = ramp.expand(side, side), ramp[:, None].expand(side, side)
    return Portrait(torch.stack((across, down, -across))[None], params=params)


@torch.no_grad()
def check_forward(module: ReenactmentModule, portrait: Portrait, path: Path) -> None:
    """Drive a portrait by itself.

    Raises:
        ReenactError: if the parts don't fit, the result has another shape than the portrait, or any tensor of it is not
            finite.
    """
    try:
        result = module.network.eval()(portrait, portrait)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ReenactError(
            f"{path} does not run as {module.method}, its parts do not fit each other: {reason}"
        ) from error
    if result.image.shape != portrait.image.shape:
        shapes = [" x ".join(map(str, image.shape)) for image in (result.image, portrait.image)]
        raise ReenactError(f"{path} does not run as {module.method}: its result is {shapes[0]}, its source {shapes[1]}")
    finite: list[bool] = []

    def note(tensor: Tensor) -> Tensor:
        finite.append(bool(torch.isfinite(tensor).all()))
        return tensor

    result.map(note)
    if not all(finite):
        raise ReenactError(f"{path} does not run as {module.method}: its result is not finite")
