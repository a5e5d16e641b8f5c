"""Choice of the picture of a result that is written, and its form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reenact.errors import ReenactError
from reenact.faces.portrait import to_image
from reenact.models.common.base import RESULT, Reenactment


def take_pictures(result: Reenactment, name: str, checkpoint: Path, method: str) -> NDArray[np.uint8]:
    """Take the pictures (B, size, size, 3) of a name out of results.

    Args:
        result: The results (B).
        name: `RESULT`, or one of `Reenactment.pictures`.
        checkpoint: Names the weights in errors.
        method: Names the method in errors.

    Raises:
        ReenactError: if there is no such picture, or its pixels are not numbers.
    """
    picture = result.image
    if name != RESULT:
        pictures = result.pictures()
        if name not in pictures:
            raise ReenactError(f"--show {name}: {method} has no such picture; use one of {', '.join(pictures)}")
        picture = pictures[name]
    if not picture.isfinite().all():
        raise ReenactError(
            f"{checkpoint} gives pixels that are not numbers: use an earlier checkpoint or less --strength"
        )
    return to_image(picture)
