"""Regions of a portrait by 68 landmarks, for the losses that look at them: squares of face and lips, masks."""

from __future__ import annotations

import torch
from torch import Tensor

from reenact.nn.regions import cut_region, turned_region

FACE_ROOM = 1.1
"""Side of the square of the face over the longer side of the landmarks' box."""
LIP_ROOM = 1.3
"""Side of the square of the lips over the width of the mouth."""
REDUCTIONS = {"face": 2, "lip": 4}
"""Regions -> side of the image over that of the region's picture."""
EYES = (slice(36, 42), slice(42, 48))
"""Lids of either eye among the 68 landmarks."""
LID_ROOM = 1.3
"""Side of the square of an eye over its width."""
EYE_REDUCTION = 4
"""Side of the image over that of the picture of an eye."""
Room = tuple[float, float]
"""Room on either side of a box across and down, in its widths and heights."""
EYE_ROOM: Room = (0.1, 0.3)
"""Room around eyes and brows in the mask of the eyes."""
MOUTH_ROOM: Room = (0.2, 0.4)
"""Room around the lips in the mask of the lips."""


def cut_parts(image: Tensor, landmarks: Tensor) -> dict[str, Tensor]:
    """Pictures (B, 3, h, h) of face and lips, by the names of `REDUCTIONS`, of images (B, 3, H, H).

    Args:
        image: the images.
        landmarks: (B, 68, 2) in their pixels.
    """
    side = image.shape[-1]
    points = (landmarks * (2 / side) - 1).to(image.dtype)
    regions = {"face": _square_around(points, FACE_ROOM), "lip": _square_around(points[:, 48:], LIP_ROOM)}
    return {name: cut_region(image, region, max(1, side // REDUCTIONS[name])) for name, region in regions.items()}


def cut_eyes(image: Tensor, landmarks: Tensor) -> Tensor:
    """Pictures (2 B, 3, h, h) of the eyes on the left and then of those on the right; arguments as of `cut_parts`."""
    side = image.shape[-1]
    points = (landmarks * (2 / side) - 1).to(image.dtype)
    regions = [_square_around(points[:, eye], LID_ROOM) for eye in EYES]
    return torch.cat([cut_region(image, region, max(1, side // EYE_REDUCTION)) for region in regions])


def _square_around(points: Tensor, room: float) -> Tensor:
    low, high = points.amin(1), points.amax(1)
    upright = torch.tensor([[1.0, 0.0]], device=points.device).expand(len(points), 2)
    return turned_region((low + high) / 2, room / 2 * (high - low).amax(1), upright)


def mask_features(landmarks: Tensor, side: int) -> dict[str, Tensor]:
    """Masks (B, 1, H, H) of the boxes around `eyes` with their brows and around `lips`, True inside.

    Args:
        landmarks: (B, 68, 2) in pixels.
        side: H.
    """
    eyes = torch.cat((landmarks[:, 17:27], landmarks[:, 36:48]), 1)
    return {"eyes": _mask_box(eyes, EYE_ROOM, side), "lips": _mask_box(landmarks[:, 48:], MOUTH_ROOM, side)}


def mask_shoulders(landmarks: tuple[Tensor, ...], gap: float, side: int) -> Tensor:
    """Mask (B, 1, H, H) of the rows below every one of some faces, True there.

    Args:
        landmarks: (B, 68, 2) of each face, in pixels.
        gap: distance from the lowest landmark to the first row, in heights of the face.
        side: H.
    """
    starts = [points[..., 1].amax(1) + gap * (points[..., 1].amax(1) - points[..., 1].amin(1)) for points in landmarks]
    start = torch.stack(starts).amax(0).view(-1, 1, 1, 1)
    mask: Tensor = _centres(side, start) >= start
    return mask.expand(-1, 1, -1, side)


def _mask_box(points: Tensor, room: Room, side: int) -> Tensor:
    low, high = points.amin(1), points.amax(1)
    margin = (high - low) * points.new_tensor(room)
    (left, top), (right, bottom) = (low - margin).T, (high + margin).T
    rows, columns = _centres(side, points), _centres(side, points).transpose(2, 3)
    corners = [edge.view(-1, 1, 1, 1) for edge in (left, right, top, bottom)]
    mask: Tensor = (columns >= corners[0]) & (columns <= corners[1]) & (rows >= corners[2]) & (rows <= corners[3])
    return mask


def _centres(side: int, like: Tensor) -> Tensor:
    """Heights (1, 1, H, 1) of the centres of the pixels of each row."""
    return torch.arange(side, device=like.device, dtype=like.dtype).view(1, 1, -1, 1) + 0.5
