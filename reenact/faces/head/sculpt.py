"""The face sculpted on the mannequin: a depth added over frontal coordinates `(x, y)`. Metres throughout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from reenact.faces.head.curves import EYE_CENTRE, EYE_RADIUS

Array = NDArray[np.float64]


def evaluate_bump(
    x: Array, y: Array, centre: tuple[float, float], size: tuple[float, float], turn: float = 0.0
) -> Array:
    """Gaussian of height 1; `size` in metres (standard deviations), turned by `turn` radians."""
    u, v = x - centre[0], y - centre[1]
    c, s = np.cos(turn), np.sin(turn)
    return np.asarray(np.exp(-0.5 * (((c * u + s * v) / size[0]) ** 2 + ((c * v - s * u) / size[1]) ** 2)))


def smooth_max(a: Array, b: Array, softness: float) -> Array:
    """Maximum with a rounded seam of about `softness` metres."""
    return (a + b + np.sqrt((a - b) ** 2 + softness**2)) / 2


def _interpolate_millimetres(heights: list[float], values: list[float]) -> PchipInterpolator:
    return PchipInterpolator(np.array(heights) * 1e-3, np.array(values) * 1e-3)


# By height (mm): how far the ridge of the nose stands out, and half widths of its top and of its foot.
_RIDGE = _interpolate_millimetres(
    [-40, -26, -24.0, -22, -19.5, -17, -14.5, -12, -9, -4, 6, 16, 26, 33, 40, 48, 60],
    [0, 0, 0.6, 3.2, 8.4, 14.0, 19.5, 23.6, 25.6, 24.2, 18.4, 12.8, 7.4, 4.9, 3.8, 2.0, 0],
)
_FOOT = _interpolate_millimetres(
    [-30, -22, -18, -13, -8, -2, 6, 14, 22, 32, 42, 60],
    [8.5, 8.5, 9.5, 11.5, 12.5, 13.0, 13.0, 12.6, 12.0, 11.0, 14.0, 20.0],
)


def _evaluate_dome(
    x: Array, y: Array, centre: tuple[float, float], size: tuple[float, float], turn: float = 0.0
) -> Array:
    """A bump with a fuller top and steeper sides than a Gaussian's."""
    return np.exp(-((-np.log(np.maximum(evaluate_bump(x, y, centre, size, turn), 1e-30))) ** 1.7))


def nose_relief(x: Array, y: Array) -> Array:
    """Height of the nose over the face: ridge, tip and alae."""
    a = np.abs(x)
    level = np.clip(y, -0.030, 0.060)
    ridge = _RIDGE(level) * np.exp(-((a / (0.62 * _FOOT(level))) ** 1.9))
    tip = 0.0265 * _evaluate_dome(a, y, (0.0, -0.0088), (0.0066, 0.0064)) - 0.0012
    wing = 0.0130 * _evaluate_dome(a, y, (0.0112, -0.0134), (0.0050, 0.0049), 0.10)
    crease = evaluate_bump(a, y, (0.0172, -0.0100), (0.0020, 0.0046), 0.45)
    return smooth_max(smooth_max(ridge, tip, 0.0030), wing, 0.0050) - 0.0016 - 0.0012 * crease


def nostril_shift(x: Array, y: Array) -> Array:
    """(..., 3) displacement that hollows the nostrils."""
    hole = evaluate_bump(np.abs(x), y, (0.0066, -0.0182), (0.0026, 0.0017), 0.20)
    return hole[..., None] * np.stack([np.zeros_like(x), np.full_like(x, 0.0014), np.full_like(x, -0.0050)], -1)


def face_relief(x: Array, y: Array) -> Array:
    """Bones and soft tissue, without nose, lips and lids."""
    a = np.abs(x)
    z = -0.0135 * evaluate_bump(a, y, (0.0290, 0.0300), (0.0105, 0.0088))  # orbit
    z -= 0.0075 * evaluate_bump(a, y, (0.0165, 0.0300), (0.0060, 0.0110))  # beside the bridge
    z += 0.0030 * evaluate_bump(a, y, (0.0290, 0.0510), (0.0150, 0.0058), -0.08)  # brow ridge
    z += 0.0020 * evaluate_bump(a, y, (0.0000, 0.0480), (0.0100, 0.0080))  # glabella
    z += 0.0030 * evaluate_bump(a, y, (0.0480, 0.0030), (0.0130, 0.0105), 0.35)  # cheek bone
    z += 0.0022 * evaluate_bump(a, y, (0.0340, 0.0040), (0.0120, 0.0120))  # apple of the cheek
    z -= 0.0036 * evaluate_bump(a, y, (0.0470, -0.0380), (0.0120, 0.0180))  # hollow of the cheek
    z -= 0.0022 * evaluate_bump(a, y, (0.0215, -0.0130), (0.0040, 0.0080), 0.45)  # nasolabial fold
    z += 0.0050 * evaluate_bump(a, y, (0.0000, -0.0380), (0.0240, 0.0160))  # muzzle over the teeth
    z -= 0.0014 * evaluate_bump(a, y, (0.0000, -0.0290), (0.0024, 0.0055))  # philtrum
    z += 0.0006 * evaluate_bump(a, y, (0.0050, -0.0290), (0.0018, 0.0060))  # its ridges
    z -= 0.0048 * evaluate_bump(a, y, (0.0000, -0.0590), (0.0160, 0.0045))  # fold under the lip
    z += 0.0038 * evaluate_bump(a, y, (0.0000, -0.0770), (0.0130, 0.0085))  # chin
    z -= 0.0020 * evaluate_bump(a, y, (0.0300, -0.0490), (0.0040, 0.0080))  # below the mouth's corner
    z -= 0.0030 * evaluate_bump(a, y, (0.0640, 0.0560), (0.0100, 0.0160))  # temple
    return z


def eyeball_cover(x: Array, y: Array, thickness: float) -> Array:
    """Depth of the lids' outer surface where they wrap the eyeball; far behind the face elsewhere."""
    radius = EYE_RADIUS + thickness
    flat = ((np.abs(x) - EYE_CENTRE[0]) ** 2 + (y - EYE_CENTRE[1]) ** 2) / radius**2
    height = np.where(flat < 0.9, np.sqrt(np.maximum(1 - flat, 0.1)), 0.316 - 1.58 * (flat - 0.9))
    return np.asarray(EYE_CENTRE[2] + radius * height)


def _lid_crease(x: Array, y: Array) -> Array:
    """The fold above the upper lid, which follows its rim."""
    across = (np.abs(x) - EYE_CENTRE[0] - 0.0008) / 0.0135
    height = EYE_CENTRE[1] + 0.0028 + 0.0068 * np.sqrt(np.maximum(1 - (0.82 * across) ** 2, 0.0))
    return np.asarray(np.exp(-(((y - height) / 0.0014) ** 2) - np.abs(across) ** 6))


def face_depth(x: Array, y: Array, base_z: Array) -> Array:
    """Depth of the skin at frontal `(x, y)` over the mannequin's depth `base_z`; lips and lids' rims excepted."""
    fade = np.clip((base_z - 0.015) / 0.03, 0, 1)
    fade = fade * fade * (3 - 2 * fade)
    skin = base_z + fade * (face_relief(x, y) + nose_relief(x, y))
    lids = eyeball_cover(x, y, 0.0013)
    near = np.hypot(np.abs(x) - EYE_CENTRE[0], y - EYE_CENTRE[1]) < 0.03
    return np.where(near, smooth_max(skin, lids, 0.0025) - 0.0009 * _lid_crease(x, y), skin)
