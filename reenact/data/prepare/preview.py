"""The overlay picture by which a person judges a prepared clip: crop, landmarks and fitted mesh on a few frames."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reenact.data.video import Image
from reenact.faces.crop import Crop
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams

COLUMNS = 4
SIDE = 480
"""Pixels of a tile."""
CROP_COLOUR, LANDMARK_COLOUR, MESH_COLOUR = (255, 200, 0), (0, 255, 90), (90, 200, 255)
THIN = 2500
"""Edges drawn at most; more would cover the face."""


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
        """A picture with the whole frames above (crop and landmarks) and the crops below (landmarks and mesh)."""
        mesh = face_model.posed(params[torch.tensor(self._rows)]).detach().cpu().numpy()
        edges = wireframe(face_model)
        columns = []
        for column, row in enumerate(self._rows):
            crop = self._crops[min(row, len(self._crops) - 1)]
            frame, points = self._frames[row], self._landmarks[row]
            tiles = _frame_tile(frame, crop, points), _crop_tile(frame, crop, points, mesh[column], edges)
            columns.append(np.concatenate(tiles))
        sheet = np.concatenate(columns, axis=1)
        bar = np.full((36, sheet.shape[1], 3), 24, np.uint8)
        cv2.putText(bar, title, (10, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (240, 240, 240), 1, cv2.LINE_AA)
        return np.concatenate([bar, sheet])


def wireframe(face_model: FaceModel) -> NDArray[np.int64]:
    """(E, 2) vertex numbers of the mesh's edges, thinned out evenly to what can be seen through."""
    faces = face_model.faces.cpu().numpy()
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    return np.asarray(edges[:: -(-len(edges) // THIN)], np.int64)


def _frame_tile(frame: Image, crop: Crop, points: NDArray[np.float32]) -> Image:
    """The whole frame, letterboxed, with crop and landmarks."""
    whole = Crop.whole(*frame.shape[:2]).resized(SIDE)
    tile = whole.warp_to_crop(frame)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * crop.size
    _lines(tile, whole.to_crop(crop.to_frame(corners))[None], CROP_COLOUR, closed=True)
    _dots(tile, whole.to_crop(points), 2)
    return tile


def _crop_tile(
    frame: Image, crop: Crop, points: NDArray[np.float32], mesh: NDArray[np.float32], edges: NDArray[np.int64]
) -> Image:
    """The crop with the camera-facing half of the mesh and the landmarks."""
    big = crop.resized(SIDE)
    tile = big.warp_to_crop(frame)
    near = mesh[:, 2] < np.median(mesh[:, 2])
    shown = edges[near[edges].all(axis=1)]
    overlay = tile.copy()
    _lines(overlay, big.from_ndc(mesh[:, :2])[shown], MESH_COLOUR, closed=False)
    tile = cv2.addWeighted(overlay, 0.45, tile, 0.55, 0).astype(np.uint8, copy=False)
    _dots(tile, big.to_crop(points), 3)
    return tile


def _lines(image: Image, points: NDArray[np.floating], colour: tuple[int, int, int], closed: bool) -> None:
    # OpenCV draws in sixteenths of a pixel and counts from pixel centres
    fixed = np.rint((points - 0.5) * 16).astype(np.int32)
    cv2.polylines(image, list(fixed), closed, colour, 1, cv2.LINE_AA, 4)


def _dots(image: Image, points: NDArray[np.floating], radius: int) -> None:
    for x, y in np.rint((points - 0.5) * 16).astype(np.int32).tolist():
        cv2.circle(image, (x, y), radius * 16, LANDMARK_COLOUR, -1, cv2.LINE_AA, 4)
