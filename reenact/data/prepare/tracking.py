"""Following one face through a clip: landmarks of every frame, cuts, crops, and the face parameters fitted to them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from reenact.data.video import Image
from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox, Points
from reenact.estimators.registry import FaceFinder
from reenact.faces.crop import Crop
from reenact.faces.fitting import fit_landmarks
from reenact.faces.landmarks import inter_ocular_distance
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams

SEARCH_EVERY = 12
"""Frames between thorough searches while the face is lost: one costs seconds where there is no face."""
CUT_CONTRAST = 20.0
"""Mean change of a 16 x 16 grey thumbnail, of 255, from which a new picture may be a cut."""
CUT_JUMP = 0.25
"""Mean jump of the landmarks, in inter-ocular distances, that makes such a change a cut."""
SMOOTHING_WINDOW = 5
"""Frames of the quadratic fit that steadies landmarks; short enough for a blink."""


@dataclass(frozen=True)
class FaceTrack:
    """One face through T frames; no pixels."""

    landmarks: NDArray[np.float32]
    """(T, 68, 2) in frame pixels; where the face was not seen, in between those of its neighbours."""
    visible: NDArray[np.bool_]
    """(T,) whether the face was seen."""
    frames: NDArray[np.int64]
    """(T,) frame numbers in the file."""
    cuts: tuple[int, ...]
    """Rows that begin a new shot."""
    width: int
    """Of the frames, in pixels."""
    height: int

    def __len__(self) -> int:
        """Frames of the track."""
        return len(self.frames)

    def rows(self, which: slice | NDArray[Any]) -> FaceTrack:
        """Some frames of the track, taken as one shot."""
        return replace(
            self,
            landmarks=self.landmarks[which],
            visible=self.visible[which],
            frames=self.frames[which],
            cuts=(),
        )

    def longest_shot(self) -> FaceTrack:
        """The frames between the two cuts that have the most seen faces between them."""
        edges = [0, *self.cuts, len(self)]
        shots = [slice(start, end) for start, end in itertools.pairwise(edges)]
        return self.rows(max(shots, key=lambda shot: int(self.visible[shot].sum())))


def track_faces(
    images: Iterable[Image],
    finder: FaceFinder,
    face_index: int = 0,
    on_frame: Callable[[], None] = lambda: None,
) -> FaceTrack:
    """Follow a face: found in the whole picture once, then near where it was, and again where it got lost.

    Args:
        images: (H, W, 3) RGB frames of one size, taken one at a time.
        finder: Detector and landmarks.
        face_index: Which face of the first picture that shows one: 0 is the largest.
        on_frame: Called after each frame.

    Raises:
        ReenactError: if no frame shows a face, or none has as many faces as `face_index` asks for.
    """
    tracker = _Tracker(finder, face_index)
    for image in images:
        tracker.step(image)
        on_frame()
    return tracker.finish()


def fit_track(track: FaceTrack, face_model: FaceModel, crops: list[Crop]) -> tuple[FaceParams, NDArray[np.float64]]:
    """Fit a face model to a track.

    Args:
        track: T frames.
        face_model: Any face model.
        crops: T crops, or one that holds for all; the cameras belong to them.

    Returns:
        Parameters of T rows, and the (T,) landmark error as a fraction of the inter-ocular distance, NaN where the
        face was not seen.
    """
    placed = crops * len(track) if len(crops) == 1 else crops
    points = np.stack([crop.to_ndc(crop.to_crop(p)) for crop, p in zip(placed, track.landmarks, strict=True)])
    fit = fit_landmarks(face_model, torch.from_numpy(points.astype(np.float32)), torch.from_numpy(track.visible))
    return fit.params, fit.error.double().cpu().numpy()


class _Tracker:
    def __init__(self, finder: FaceFinder, face_index: int) -> None:
        self._finder = finder
        self._index = face_index
        self._points: list[Points | None] = []
        self._cuts: list[int] = []
        self._most = 0
        self._last: Points | None = None
        self._box: FaceBox | None = None
        self._lost = 0
        self._thumbnail: NDArray[np.float32] | None = None
        self._size = (0, 0)

    def step(self, image: Image) -> None:
        self._size = image.shape[1], image.shape[0]
        changed = self._changed(image)
        box = self._near(image) or self._search(image, changed)
        points = self._finder.landmarks.landmarks(image, box) if box else None
        if changed and self._jumped(points):
            self._cuts.append(len(self._points))
        self._points.append(points)
        if points is None:
            self._lost += 1
        else:
            self._last, self._box, self._lost = points, box, 0

    def finish(self) -> FaceTrack:
        visible = np.array([points is not None for points in self._points], np.bool_)
        if not visible.any():
            if self._most:
                raise ReenactError(f"shows {self._most} face(s), so there is none of index {self._index}")
            raise ReenactError("shows no face")
        edges = [0, *self._cuts, len(visible)]
        landmarks = np.empty((len(visible), 68, 2), np.float32)
        for start, end in itertools.pairwise(edges):
            landmarks[start:end] = _filled(self._points[start:end], self._points)
        numbers = np.arange(len(visible))
        return FaceTrack(landmarks, visible, numbers, tuple(self._cuts), *self._size)

    def _near(self, image: Image) -> FaceBox | None:
        """The face where it was, while it was seen at most some frames ago."""
        if self._box is None or self._lost > SEARCH_EVERY:
            return None
        return self._finder.detector.detect_near(image, self._box)

    def _search(self, image: Image, changed: bool) -> FaceBox | None:
        """The face anywhere: when nothing is known, after a sudden change, and now and then while it is lost."""
        if self._lost % SEARCH_EVERY and not changed:
            return None
        boxes = self._finder.detector.detect(image)
        self._most = max(self._most, len(boxes))
        if self._box is None or self._lost > SEARCH_EVERY or changed:
            return boxes[self._index] if len(boxes) > self._index else None
        return max((box for box in boxes if box.overlap(self._box) > 0.1), key=self._box.overlap, default=None)

    def _changed(self, image: Image) -> bool:
        small = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32).mean(2)
        before, self._thumbnail = self._thumbnail, small
        return before is not None and float(np.abs(small - before).mean()) > CUT_CONTRAST

    def _jumped(self, points: Points | None) -> bool:
        if points is None or self._last is None:
            return points is not None
        jump = np.linalg.norm(points - self._last, axis=-1).mean()
        return bool(jump > CUT_JUMP * inter_ocular_distance(self._last))


def _filled(shot: list[Points | None], clip: list[Points | None]) -> NDArray[np.float32]:
    """Landmarks (T, 68, 2) of one shot, steadied, with gaps filled in along straight lines."""
    seen = [number for number, points in enumerate(shot) if points is not None]
    if not seen:
        first = next(points for points in clip if points is not None)
        return np.repeat(first[None], len(shot), axis=0)
    known = np.stack([points for points in shot if points is not None])
    numbers = np.arange(len(shot))
    columns = [np.interp(numbers, seen, column) for column in known.reshape(len(seen), -1).T]
    filled = np.stack(columns, axis=1).reshape(len(shot), 68, 2)
    if len(shot) >= SMOOTHING_WINDOW:
        filled = savgol_filter(filled, SMOOTHING_WINDOW, polyorder=2, axis=0, mode="interp")
    return filled.astype(np.float32)
