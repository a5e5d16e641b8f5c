"""Readings of LivePortrait in 2D landmarks: openings of eyes and lips, and the points that keypoints are guided to.

The official code measures 203 landmarks of its own network; the same places of the iBUG-68 layout are measured here,
since every estimator of the package gives those, and of MediaPipe's 478. Left and right are those of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

Pair = tuple[tuple[int, ...], tuple[int, ...]]
"""Two places, each the mean of some landmarks."""

_EYE_HEIGHTS: Final[dict[int, tuple[Pair, Pair]]] = {
    68: (((37, 38), (41, 40)), ((43, 44), (47, 46))),
    203: (((6,), (18,)), ((30,), (42,))),
    478: (((159,), (145,)), ((386,), (374,))),
}
_EYE_WIDTHS: Final[dict[int, tuple[Pair, Pair]]] = {
    68: (((36,), (39,)), ((42,), (45,))),
    203: (((0,), (12,)), ((24,), (36,))),
    478: (((33,), (133,)), ((362,), (263,))),
}
_LIPS: Final[dict[int, tuple[Pair, Pair]]] = {
    68: (((62,), (66,)), ((48,), (54,))),
    203: (((90,), (102,)), ((48,), (66,))),
    478: (((13,), (14,)), ((61,), (291,))),
}
"""The inner lips' height, and the width of the mouth."""
_LEAST: Final = 1e-6
"""Added to every width that is divided by."""

GUIDED: Final[dict[int, tuple[int, ...]]] = {
    11: (37, 38),
    13: (40, 41),
    15: (43, 44),
    16: (46, 47),
    18: (36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47),
    12: (48, 54, 62, 66),
    14: (48,),
    17: (62,),
    19: (66,),
    20: (54,),
}
"""Keypoints -> the iBUG-68 landmarks at whose mean the guide loss wants them.

The paper has ten, of eyes and lips, and does not say which is which. These follow the regions and sliders of the
official code: 11 and 13 are moved by a wink, 15 and 16 are the other eye's, 18 belongs to both; 17 and 19 part the
lips, 14 and 20 smile.
"""

OTHERS: Final[dict[int, tuple[int, ...]]] = {
    0: (30,),
    1: (17, 18, 19, 20, 21),
    2: (22, 23, 24, 25, 26),
    3: (3,),
    4: (13,),
    5: (27,),
    6: (57,),
    7: (8,),
    8: (0,),
    9: (16,),
    10: (33,),
}
"""Landmarks of the other keypoints, which the paper guides nowhere: nose, brows, lower lip, and the face's outline.

Where the sliders of the official code move one of these, its landmark is of the same feature: 1 and 2 are the brows, 6
belongs to the lips.
"""

FEATURES: Final = ((11, 13), (15, 16), (12, 14, 17, 19, 20))
"""Guided keypoints of the left eye, of the right eye and of the lips, without that of both eyes."""

LIDS_AND_LIPS: Final = ((11, 13), (15, 16), (17, 19))
"""Upper and lower guided keypoint of the left eye, of the right eye and of the lips."""


def measure_openings(landmarks: Tensor) -> Tensor:
    """Openings (..., 3) of the left eye, the right eye and the lips in landmarks (..., 68, 203 or 478, 2) of any unit.

    An opening is a height over a width: 0 is closed, an open eye has about 0.35.
    """
    layout = landmarks.shape[-2]
    eyes = [
        _distance(landmarks, high) / (_distance(landmarks, wide) + _LEAST)
        for high, wide in zip(_EYE_HEIGHTS[layout], _EYE_WIDTHS[layout], strict=True)
    ]
    high, wide = _LIPS[layout]
    return torch.stack((*eyes, _distance(landmarks, high) / (_distance(landmarks, wide) + _LEAST)), dim=-1)


def measure_guided_openings(points: Tensor, landmarks: Tensor, side: int) -> Tensor:
    """Openings (B, 3), as of `measure_openings`, by the heights of guided keypoints over widths in the landmarks.

    Args:
        points: keypoints (B, K, 3); a height is measured down the picture, and is negative where lids or lips cross.
        landmarks: (B, 68, 2) in pixels of the image.
        side: of the image.
    """
    layout = landmarks.shape[-2]
    widths = [_distance(landmarks, wide) for wide in (*_EYE_WIDTHS[layout], _LIPS[layout][1])]
    heights = [points[:, low, 1] - points[:, high, 1] for high, low in LIDS_AND_LIPS]
    return torch.stack(heights, 1) / (torch.stack(widths, 1) * (2 / side) + _LEAST)


def guide_points(landmarks: Tensor, guided: Mapping[int, tuple[int, ...]] = GUIDED) -> Tensor:
    """The places (..., N, 2) of the keypoints of `guided`, in the unit of the landmarks (..., 68, 2)."""
    return torch.stack([landmarks[..., points, :].mean(-2) for points in guided.values()], dim=-2)


def _distance(landmarks: Tensor, places: Pair) -> Tensor:
    start, end = (landmarks[..., points, :].mean(-2) for points in places)
    distance: Tensor = (end - start).norm(dim=-1)
    return distance
