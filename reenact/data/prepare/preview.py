"""The overlay picture by which a person judges a prepared clip: crop, landmarks and fitted mesh on a few frames."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from reenact.faces.crop import Crop
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.raster import rasterize
from reenact.media.video import Image

COLUMNS = 4
SIDE = 320
"""Pixels of a tile."""
CROP_COLOUR, LANDMARK_COLOUR, MESH_COLOUR = (255, 200, 0), (0, 255, 90), (90, 200, 255)
SHIFT = 4
"""OpenCV draws in 1/2**SHIFT of a pixel, and counts from pixel centres."""
FIXED = 1 << SHIFT


def preview_rows(count: int) -> list[int]:
    """Return the numbers of the frames that a preview shows."""
    return sorted({round(row) for row in np.linspace(0, count - 1, COLUMNS)})


def preview_tiles(frame: Image, crop: Crop) -> NDArray[np.uint8]:
    """(2, SIDE, SIDE, 3): the whole frame, letterboxed, with the crop drawn; the crop."""
    return np.stack([_frame_tile(frame, crop), crop.resized(SIDE).warp_to_crop(frame, outside="edge")])


def draw_preview(
    tiles: NDArray[np.uint8], points: NDArray[np.floating], face_model: FaceModel, params: FaceParams, title: str
) -> Image:
    """A picture of three rows: whole frames with the crop, crops with the landmarks, crops with the mesh.

    Args:
        tiles: (N, 2, SIDE, SIDE, 3) of N frames, see `preview_tiles`.
        points: (N, 68, 2) landmarks as fractions of the crop.
        face_model: What the parameters belong to.
        params: N rows; cameras belong to the crop.
        title: A line above.
    """
    mesh = face_model.posed(params)
    columns = []
    for (whole, plain), landmarks, vertices in zip(tiles, points, mesh, strict=True):
        marked = plain.copy()
        _draw_dots(marked, landmarks * SIDE, 2)
        columns.append(np.concatenate([whole, marked, _with_mesh(plain, vertices, face_model.faces)]))
    sheet = np.concatenate(columns, axis=1)
    bar = np.full((36, sheet.shape[1], 3), 24, np.uint8)
    cv2.putText(bar, title, (10, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (240, 240, 240), 1, cv2.LINE_AA)
    return np.concatenate([bar, sheet])


def _frame_tile(frame: Image, crop: Crop) -> Image:
    whole = Crop.whole(*frame.shape[:2]).resized(SIDE)
    tile = whole.warp_to_crop(frame)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * crop.size
    outline = np.rint((whole.to_crop(crop.to_frame(corners)) - 0.5) * FIXED).astype(np.int32)
    cv2.polylines(tile, [outline], True, CROP_COLOUR, 2, cv2.LINE_AA, SHIFT)
    return tile


def _with_mesh(image: Image, mesh: Tensor, faces: Tensor) -> Image:
    """The (V, 3) mesh in normalised device coordinates, lit from the camera, with the picture shining through."""
    hit = rasterize(mesh[None], faces, SIDE).face_index[0].cpu().numpy()
    corners = mesh[faces].detach().cpu().numpy()
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    light = np.abs(normals[:, 2]) / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    drawn = light[hit][..., None] * np.array(MESH_COLOUR)
    blended = np.where(hit[..., None] >= 0, 0.75 * drawn + 0.25 * image, image)
    return blended.astype(np.uint8)


def _draw_dots(image: Image, points: NDArray[np.floating], radius: int) -> None:
    for x, y in np.rint((points - 0.5) * FIXED).astype(np.int32).tolist():
        cv2.circle(image, (x, y), radius * FIXED, LANDMARK_COLOUR, -1, cv2.LINE_AA, SHIFT)
