"""The region of a crop in which a result's head replaces the source's."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ROOM = 1.2
"""Size of the region over that of the head that landmarks outline: hair, ears and a rim."""
SOFTNESS = 0.06
"""Standard deviation of the rim, as a fraction of the distance across the jaw line."""


def head_mask(faces: NDArray[np.floating[Any]], size: int) -> NDArray[np.float32]:
    """Weights (size, size) in [0, 1] of a region around heads, with a soft rim.

    A head is outlined by the jaw line and its mirror image at the eyes, which stands for the forehead. Source and
    result together leave no second chin line where the head has moved.

    Args:
        faces: (N, 68, 2) landmarks in crop pixels.
        size: side of the crop in pixels.
    """
    mask = np.zeros((size, size), np.uint8)
    for points in faces:
        jaw = points[:17]
        eyes = points[36:48].mean(0)
        outline = np.concatenate([jaw, 2 * eyes - jaw])
        outline = eyes + ROOM * (outline - eyes)
        cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(outline).astype(np.int32)), 255)
    across = float(np.linalg.norm(faces[:, 0] - faces[:, 16], axis=-1).max())
    soft = cv2.GaussianBlur(mask, (0, 0), max(SOFTNESS * across, 0.5), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft / np.float32(255), np.float32)
