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

from reenact.data.prepare.placing import LandmarkPlacer
from reenact.errors import ReenactError
from reenact.estimators.base import Detector, FaceBox, Points
from reenact.estimators.registry import FaceFinder
from reenact.faces.crop import Crop
from reenact.faces.fitting import fit_landmarks
from reenact.faces.landmarks import inter_ocular_distance
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.media.video import Image

SEARCH_EVERY = 12
"""Frames between thorough searches while the face is lost: one costs seconds where there is no face."""
CUT_CONTRAST = 20.0
"""Mean change of a 16 x 16 grey thumbnail, of 255, from which a new picture may be a cut."""
CUT_JUMP = 0.25
"""Mean jump of the landmarks, in inter-ocular distances, that makes such a change a cut."""
DARK = 16.0
"""Brightest value of the thumbnail, of 255, up to which a frame counts as black: 16 is video's black level."""
ALIKE = 0.8
"""Area of the second largest face, of the largest's, from which it is not clear who is meant."""
IN_REGION = 0.1
"""Least overlap (intersection over union) of a face with the data set's own box around it."""
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
    """Width of the frames in pixels."""
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


class CutFinder:
    """Tells frames that may begin a new shot, by their looks alone."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None

    def step(self, image: Image) -> tuple[bool, bool]:
        """Tell if the frame differs much from the one before, and if it is black."""
        small = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32).mean(2)
        before, self._before = self._before, small
        changed = before is not None and float(np.abs(small - before).mean()) > CUT_CONTRAST
        return changed, float(small.max()) <= DARK


class FaceTracker:
    """Follows one face: found in the whole picture once, then near where it was, and again where it got lost.

    The face is the one of number `index`, counted from the largest of the first picture that shows so many; without a
    number the one that lies in `region`; without either the largest, from the first picture on in which no other is
    nearly as large.

    Args:
        detector: Finds faces.
        index: Which face, 0 is the largest.
        region: Left, top, right and bottom of a box around the face, as fractions of the frame.
    """

    def __init__(
        self, detector: Detector, index: int | None = None, region: tuple[float, float, float, float] | None = None
    ) -> None:
        self._detector = detector
        self._index = index
        self._region = region
        self._most = 0
        self._lying = False
        self._box: FaceBox | None = None
        self._lost = 0

    def step(self, image: Image, changed: bool) -> FaceBox | None:
        """The face's box in the next frame, or None; `changed` says that the frame may begin a new shot."""
        box = self._near(image) or self._search(image, changed)
        if box is None:
            self._lost += 1
        else:
            self._box, self._lost = box, 0
        return box

    def check(self) -> None:
        """Raise `ReenactError` if no frame has shown the face that is meant, with the reason."""
        if self._box is not None:
            return
        if not self._most and self._lying:
            raise ReenactError("shows a face that lies on its side; turn the picture or video upright")
        if not self._most:
            raise ReenactError("shows no face")
        if self._index is not None:
            raise ReenactError(f"shows {self._most} face(s), so there is none of index {self._index}; 0 is the largest")
        if self._region is not None:
            raise ReenactError(f"shows {self._most} face(s), none where the data set says; the file is another one")
        raise ReenactError(f"shows {self._most} faces of nearly the same size; choose one with --face_index")

    def _near(self, image: Image) -> FaceBox | None:
        """The face where it was, while it was seen at most some frames ago."""
        if self._box is None or self._lost > SEARCH_EVERY:
            return None
        return self._detector.detect_near(image, self._box)

    def _search(self, image: Image, changed: bool) -> FaceBox | None:
        """The face anywhere: when nothing is known, after a sudden change, and now and then while it is lost."""
        if self._lost % SEARCH_EVERY and not changed:
            return None
        detected = self._detector.detect(image)
        boxes = [box for box in detected if not box.lies]
        self._lying |= len(boxes) < len(detected)
        self._most = max(self._most, len(boxes))
        if self._box is None or self._lost > SEARCH_EVERY or changed:
            return self._chosen(boxes, image)
        return _nearest_box(boxes, self._box)

    def _chosen(self, boxes: list[FaceBox], image: Image) -> FaceBox | None:
        if self._index is not None:
            return boxes[self._index] if len(boxes) > self._index else None
        if self._region is not None:
            (left_edge, top, right, bottom), (height, width) = self._region, image.shape[:2]
            return _nearest_box(boxes, FaceBox(left_edge * width, top * height, right * width, bottom * height))
        clear = len(boxes) == 1 or (boxes and boxes[1].area < ALIKE * boxes[0].area)
        return boxes[0] if clear else None


def track_faces(
    images: Iterable[Image],
    finder: FaceFinder,
    face_index: int = 0,
    on_frame: Callable[[], None] = lambda: None,
) -> FaceTrack:
    """Follow a face and place its landmarks, in one pass.

    Args:
        images: (H, W, 3) RGB frames of one size, taken one at a time.
        finder: Detector and landmarks.
        face_index: Which face of the first picture that shows one: 0 is the largest.
        on_frame: Called after each frame.

    Raises:
        ReenactError: if no frame shows a face, none has as many faces as `face_index` asks for, or the face lies.
    """
    cuts, tracker = CutFinder(), FaceTracker(finder.detector, face_index)
    placer = LandmarkPlacer(finder.landmarks)
    changes: list[bool] = []
    size = 0, 0
    for image in images:
        size = image.shape[1], image.shape[0]
        changed, _ = cuts.step(image)
        placer.step(image, tracker.step(image, changed), changed)
        changes.append(changed)
        on_frame()
    tracker.check()
    return assemble_track(placer.collect_points(), np.array(changes), *size)


def assemble_track(points: list[Points | None], changed: NDArray[np.bool_], width: int, height: int) -> FaceTrack:
    """The track of a face from what was seen of it.

    Args:
        points: Of T frames, at least one of which shows the face, (68, 2) landmarks in frame pixels.
        changed: (T,) whether the frame may begin a new shot; where the landmarks jump as well, it does.
        width: Of the frames, in pixels.
        height: The same.
    """
    visible = np.array([face is not None for face in points], np.bool_)
    cuts = _find_cuts(points, changed)
    landmarks = np.empty((len(points), 68, 2), np.float32)
    for start, end in itertools.pairwise([0, *cuts, len(points)]):
        landmarks[start:end] = _fill_landmarks(points[start:end], points)
    return FaceTrack(landmarks, visible, np.arange(len(points)), tuple(cuts), width, height)


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


def _find_cuts(clip: list[Points | None], changed: NDArray[np.bool_]) -> list[int]:
    cuts: list[int] = []
    last: Points | None = None
    pending = False  # the picture has changed since the face was last seen
    for number, points in enumerate(clip):
        pending |= bool(changed[number])
        if points is None:
            continue
        if pending and (last is None or _detect_jump(points, last)):
            cuts.append(number)
        last, pending = points, False
    return cuts


def _detect_jump(points: Points, last: Points) -> bool:
    jump = np.linalg.norm(points - last, axis=-1).mean()
    return bool(jump > CUT_JUMP * inter_ocular_distance(last))


def _nearest_box(boxes: list[FaceBox], box: FaceBox) -> FaceBox | None:
    near = (candidate for candidate in boxes if candidate.overlap(box) > IN_REGION)
    return max(near, key=box.overlap, default=None)


def _fill_landmarks(shot: list[Points | None], clip: list[Points | None]) -> NDArray[np.float32]:
    """Landmarks (T, 68, 2) of one shot, steadied, with gaps filled in along straight lines."""
    visible_numbers = [number for number, points in enumerate(shot) if points is not None]
    if not visible_numbers:
        first = next(points for points in clip if points is not None)
        return np.repeat(first[None], len(shot), axis=0)
    visible_points = np.stack([points for points in shot if points is not None])
    numbers = np.arange(len(shot))
    columns = [
        np.interp(numbers, visible_numbers, column) for column in visible_points.reshape(len(visible_numbers), -1).T
    ]
    filled = np.stack(columns, axis=1).reshape(len(shot), 68, 2)
    if len(shot) >= SMOOTHING_WINDOW:
        filled = savgol_filter(filled, SMOOTHING_WINDOW, polyorder=2, axis=0, mode="interp")
    return filled.astype(np.float32)
