"""The crop of EG3D, which Export3D takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.faces.alignment import five_points, template_place
from reenact.faces.crop import Crop


def crop_template(landmarks: NDArray[np.float64], size: int) -> Crop:
    """Cut a square around the origin of Deep3D's template, near the nose.

    Its side is 700 of the pixels of which 300 make a unit of the template, so 2.33 units. Each frame has its own there;
    here a clip has the median.

    Args:
        landmarks: (T, 68, 2) in frame pixels.
        size: side of the crop image in pixels.
    """
    scale, x, y = np.median([template_place(five_points(frame)) for frame in landmarks], axis=0)
    side = scale * 700 / 300
    return Crop(float(x - side / 2), float(y - side / 2), float(side), size)
