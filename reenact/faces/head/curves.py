"""Frontal outlines of the features: lid margins and lip contours, as curves around their opening.

Every outline is sampled from the corner towards the subject's left, counter-clockwise seen by a viewer in front of
the subject whose x axis points to the subject's left (so: over the upper lid or lip first). Metres.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float64]

EYE_CENTRE = np.array([0.03185, 0.0309, 0.0695])
"""Centre of rotation of the left eyeball."""
EYE_RADIUS = 0.0125
EYE_POINTS = 40
"""Vertices around the eye opening."""
EYE_OUTER = np.array([0.0450, 0.0308])
EYE_INNER = np.array([0.0186, 0.0290])
MOUTH_Y = -0.0422
MOUTH_HALF_WIDTH = 0.0258
MOUTH_POINTS = 56
"""Vertices around the mouth opening (both halves together)."""

# Height above the line of the corners, by the fraction of the way from the inner to the outer corner.
_UPPER_LID = PchipInterpolator([0, 0.08, 0.25, 0.45, 0.65, 0.85, 1], np.array([0, 1.5, 4.35, 5.9, 5.65, 3.2, 0]) * 1e-3)
_LOWER_LID = PchipInterpolator([0, 0.1, 0.3, 0.5, 0.7, 0.88, 1], np.array([0, -1.1, -2.9, -3.9, -4.1, -2.5, 0]) * 1e-3)
# Lip outlines over |x| / half width: the line between the lips, the borders of upper and lower vermilion.
_FRACTIONS = [0, 0.12, 0.25, 0.5, 0.75, 0.92, 1]
_LIP_LINE = PchipInterpolator(_FRACTIONS, np.array([-0.8, -0.5, 0.1, 0.35, -0.1, -0.5, -0.5]) * 1e-3)
_UPPER_LIP = PchipInterpolator(_FRACTIONS, np.array([6.3, 7.1, 7.35, 5.3, 2.6, 0.6, -0.1]) * 1e-3)
_LOWER_LIP = PchipInterpolator(_FRACTIONS, np.array([-10.1, -10.1, -9.7, -7.7, -4.2, -1.5, -0.8]) * 1e-3)


def _sample_circle(count: int) -> tuple[Array, Array]:
    angle = 2 * np.pi * np.arange(count) / count
    return np.cos(angle), np.sin(angle)


def lid_outline() -> Array:
    """(EYE_POINTS, 2) left eye opening from the outer corner over the upper lid."""
    cosine, sine = _sample_circle(EYE_POINTS)
    fraction = (1 + cosine) / 2
    line = EYE_INNER + fraction[:, None] * (EYE_OUTER - EYE_INNER)
    line[:, 1] += np.where(sine >= 0, _UPPER_LID(fraction), _LOWER_LID(fraction))
    return np.asarray(line)


def lip_outline(which: str) -> Array:
    """(MOUTH_POINTS, 2) outline `line` (where the lips meet) or `border` (of the vermilion)."""
    cosine, sine = _sample_circle(MOUTH_POINTS)
    part = np.abs(cosine)
    if which == "line":
        return np.stack([MOUTH_HALF_WIDTH * cosine, MOUTH_Y + _LIP_LINE(part)], -1)
    height = np.where(sine > 1e-9, _UPPER_LIP(part), np.where(sine < -1e-9, _LOWER_LIP(part), _LIP_LINE(part)))
    return np.stack([(MOUTH_HALF_WIDTH + 0.0008) * cosine, MOUTH_Y + height], -1)


def sample_ellipse(count: int, centre: tuple[float, float], axes: tuple[float, float]) -> Array:
    """(count, 2) ellipse from its point towards the subject's left."""
    cosine, sine = _sample_circle(count)
    return np.stack([centre[0] + axes[0] * cosine, centre[1] + axes[1] * sine], -1)
