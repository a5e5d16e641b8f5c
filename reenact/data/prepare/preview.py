"""The overlay picture by which a person judges a prepared clip: crop, landmarks and fitted mesh on a few frames."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reenact.data.video import Image
from reenact.faces.crop import Crop
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.raster import rasterize

COLUMNS = 4
SIDE = 320
"""Pixels of a tile."""
CROP_COLOUR, LANDMARK_COLOUR, MESH_COLOUR = (255, 200, 0), (0, 255, 90), (90, 200, 255)
SHIFT = 4
"""OpenCV draws in 1/2**SHIFT of a pixel, and counts from pixel centres."""
FIXED = 1 << SHIFT


class Preview:
    """Keeps a few frames as they pass, and draws on them in the end.

    Args:
        count: Frames of the clip.
        crops: T crops or one.
        landmarks: (T, 68, 2) in frame pixels.
    """

    def __init__(self, count: int, crops: list[Crop], landmarks: NDArray[np.float32]) -> None:
        self._rows = sorted({round(row) for row in np.linspace(0, count - 1, COLUMNS)})
        self._crops = crops
        self._landmarks = landmarks
        self._frames: dict[int, Image] = {}

    def watch(self, frames: Iterator[Image]) -> Iterator[Image]:
        """Pass the clip's frames on."""
        for row, frame in enumerate(frames):
            if row in self._rows:
                self._frames[row] = frame
            yield frame

    def draw(self, face_model: FaceModel, params: FaceParams, title: str) -> Image:
        """A picture of three rows: whole frames with the crop, crops with the landmarks, crops with the mesh."""
        mesh = face_model.posed(params[torch.tensor(self._rows)])
        columns = []
        for column, row in enumerate(self._rows):
            crop = self._crops[min(row, len(self._crops) - 1)]
            frame, points = self._frames[row], self._landmarks[row]
            tiles = [_frame_tile(frame, crop), *_crop_tiles(frame, crop, points, mesh[column], face_model.faces)]
            columns.append(np.concatenate(tiles))
        sheet = np.concatenate(columns, axis=1)
        bar = np.full((36, sheet.shape[1], 3), 24, np.uint8)
        cv2.putText(bar, title, (10, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (240, 240, 240), 1, cv2.LINE_AA)
        return np.concatenate([bar, sheet])


def _frame_tile(frame: Image, crop: Crop) -> Image:
    """The whole frame, letterboxed, with the crop."""
    whole = Crop.whole(*frame.shape[:2]).resized(SIDE)
    tile = whole.warp_to_crop(frame)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * crop.size
    outline = np.rint((whole.to_crop(crop.to_frame(corners)) - 0.5) * FIXED).astype(np.int32)
    cv2.polylines(tile, [outline], True, CROP_COLOUR, 2, cv2.LINE_AA, SHIFT)
    return tile


def _crop_tiles(frame: Image, crop: Crop, points: NDArray[np.float32], mesh: Tensor, faces: Tensor) -> list[Image]:
    """The crop with the landmarks, and with the fitted mesh over it."""
    big = crop.resized(SIDE)
    plain = big.warp_to_crop(frame)
    marked = plain.copy()
    _dots(marked, big.to_crop(points), 2)
    return [marked, _with_mesh(plain, mesh, faces)]


def _with_mesh(image: Image, mesh: Tensor, faces: Tensor) -> Image:
    """The (V, 3) mesh in normalised device coordinates, lit from the camera, with the picture shining through."""
    hit = rasterize(mesh[None], faces, SIDE).face_index[0].cpu().numpy()
    corners = mesh[faces].detach().cpu().numpy()
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    light = np.abs(normals[:, 2]) / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    drawn = light[hit][..., None] * np.array(MESH_COLOUR)
    blended = np.where(hit[..., None] >= 0, 0.75 * drawn + 0.25 * image, image)
    return blended.astype(np.uint8)


def _dots(image: Image, points: NDArray[np.floating], radius: int) -> None:
    for x, y in np.rint((points - 0.5) * FIXED).astype(np.int32).tolist():
        cv2.circle(image, (x, y), radius * FIXED, LANDMARK_COLOUR, -1, cv2.LINE_AA, SHIFT)
