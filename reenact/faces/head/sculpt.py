"""The face sculpted on the mannequin: a depth added over frontal coordinates `(x, y)`. Metres throughout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from reenact.faces.head.curves import EYE_CENTRE, EYE_RADIUS

Array = NDArray[np.float64]


def bump(x: Array, y: Array, centre: tuple[float, float], size: tuple[float, float], turn: float = 0.0) -> Array:
    """Gaussian of height 1; `size` in metres (standard deviations), turned by `turn` radians."""
    u, v = x - centre[0], y - centre[1]
    c, s = np.cos(turn), np.sin(turn)
    return np.exp(-0.5 * (((c * u + s * v) / size[0]) ** 2 + ((c * v - s * u) / size[1]) ** 2))


def smooth_max(a: Array, b: Array, softness: float) -> Array:
    """Maximum with a rounded seam of about `softness` metres."""
    return (a + b + np.sqrt((a - b) ** 2 + softness**2)) / 2


def _mm(heights: list[float], values: list[float]) -> PchipInterpolator:
    return PchipInterpolator(np.array(heights) * 1e-3, np.array(values) * 1e-3, extrapolate=True)


# By height (mm): how far the ridge of the nose stands out, and half widths of its top and of its foot.
_RIDGE = _mm(
    [-40, -24.5, -22.5, -20.5, -18.0, -15.5, -12.5, -9.0, -4, 6, 16, 26, 33, 40, 48, 60],
    [0, 0, 0.8, 5.5, 14.0, 22.0, 26.8, 27.3, 25.2, 18.6, 12.6, 7.0, 4.6, 3.6, 2.0, 0],
)
_TOP = _mm([-30, -21, -17, -12, -8, -2, 8, 20, 30, 40, 60], [3.5, 3.6, 4.6, 5.4, 5.0, 3.6, 3.0, 2.6, 2.8, 5.0, 7.0])
_FOOT = _mm([-30, -21, -17, -12, -6, 2, 12, 22, 32, 42, 60], [8, 8.5, 10.0, 11.0, 10.5, 9.5, 9.0, 8.2, 7.6, 11.0, 16.0])


def nose(x: Array, y: Array) -> Array:
    """Ridge, tip and alae."""
    top, foot = _TOP(y), _FOOT(y)
    edge = np.clip((np.abs(x) - top * 0.35) / (foot + 0.004 - top * 0.35), 0, 1)
    section = 0.5 * (1 + np.cos(np.pi * edge**0.9))
    wing = bump(np.abs(x), y, (0.0118, -0.0148), (0.0036, 0.0050), 0.25)
    crease = bump(np.abs(x), y, (0.0160, -0.0085), (0.0022, 0.0050), 0.35)
    return _RIDGE(y) * section + 0.0095 * wing - 0.0012 * crease


def nostril_shift(x: Array, y: Array) -> Array:
    """(..., 3) displacement that hollows the nostrils."""
    hole = bump(np.abs(x), y, (0.0062, -0.0190), (0.0026, 0.0014), -0.15 * 0)
    return hole[..., None] * np.stack([np.zeros_like(x), np.full_like(x, 0.0032), np.full_like(x, -0.0065)], -1)


def relief(x: Array, y: Array) -> Array:
    """Bones and soft tissue, without nose, lips and lids."""
    a = np.abs(x)
    z = -0.0135 * bump(a, y, (0.0290, 0.0300), (0.0105, 0.0088))  # orbit
    z -= 0.0075 * bump(a, y, (0.0165, 0.0300), (0.0060, 0.0110))  # beside the bridge
    z += 0.0030 * bump(a, y, (0.0290, 0.0510), (0.0150, 0.0058), -0.08)  # brow ridge
    z += 0.0020 * bump(a, y, (0.0000, 0.0480), (0.0100, 0.0080))  # glabella
    z += 0.0030 * bump(a, y, (0.0480, 0.0030), (0.0130, 0.0105), 0.35)  # cheek bone
    z += 0.0022 * bump(a, y, (0.0340, 0.0040), (0.0120, 0.0120))  # apple of the cheek
    z -= 0.0028 * bump(a, y, (0.0470, -0.0400), (0.0120, 0.0190))  # hollow of the cheek
    z -= 0.0022 * bump(a, y, (0.0215, -0.0130), (0.0040, 0.0080), 0.45)  # nasolabial fold
    z += 0.0050 * bump(a, y, (0.0000, -0.0380), (0.0240, 0.0160))  # muzzle over the teeth
    z -= 0.0014 * bump(a, y, (0.0000, -0.0290), (0.0024, 0.0055))  # philtrum
    z += 0.0006 * bump(a, y, (0.0050, -0.0290), (0.0018, 0.0060))  # its ridges
    z -= 0.0048 * bump(a, y, (0.0000, -0.0590), (0.0160, 0.0045))  # fold under the lip
    z += 0.0038 * bump(a, y, (0.0000, -0.0770), (0.0130, 0.0085))  # chin
    z -= 0.0020 * bump(a, y, (0.0300, -0.0490), (0.0040, 0.0080))  # below the mouth's corner
    z -= 0.0030 * bump(a, y, (0.0640, 0.0560), (0.0100, 0.0160))  # temple
    return z


def eyeball_cover(x: Array, y: Array, thickness: float) -> Array:
    """Depth of the lids' outer surface where they wrap the eyeball; far behind the face elsewhere."""
    radius = EYE_RADIUS + thickness
    flat = ((np.abs(x) - EYE_CENTRE[0]) ** 2 + (y - EYE_CENTRE[1]) ** 2) / radius**2
    return EYE_CENTRE[2] + radius * np.where(
        flat < 0.9, np.sqrt(np.maximum(1 - flat, 0.1)), 0.316 - 1.58 * (flat - 0.9)
    )


def face_depth(x: Array, y: Array, base_z: Array) -> Array:
    """Depth of the skin at frontal `(x, y)` over the mannequin's depth `base_z`; lips and lids' rims excepted."""
    fade = np.clip((base_z - 0.015) / 0.03, 0, 1)
    fade = fade * fade * (3 - 2 * fade)
    skin = base_z + fade * (relief(x, y) + nose(x, y))
    lids = eyeball_cover(x, y, 0.0013)
    return np.where(np.hypot(np.abs(x) - EYE_CENTRE[0], y - EYE_CENTRE[1]) < 0.03, smooth_max(skin, lids, 0.003), skin)
