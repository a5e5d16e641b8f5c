"""Square crops of a frame, and the exact maps between frame, crop and network input.

Convention: points are in continuous pixels, x right, y down, pixel i covers [i, i + 1), so the centre of pixel i is at
i + 0.5 and an image of W pixels spans [0, W] without a half-pixel anywhere (`align_corners=False`). Normalised device
coordinates (NDC) span the crop's edges with [-1, 1]. Images are RGB uint8 (H, W, 3).
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal, Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from reenact.errors import ReenactError, suggest_names
from reenact.methods.registry import collect_crop_rules, load_object

Points = TypeVar("Points", NDArray[Any], Tensor)
Image = NDArray[np.uint8]
Outside = Literal["black", "edge"]
_BORDERS: dict[Outside, int] = {"black": cv2.BORDER_CONSTANT, "edge": cv2.BORDER_REPLICATE}


@dataclass(frozen=True)
class Crop:
    """A square of the frame, resampled to `size` x `size` pixels; it may reach over the frame's edges."""

    left: float
    """x of the left edge of the upright square, in frame pixels."""
    top: float
    """y of its upper edge, in frame pixels."""
    size_in_frame: float
    """Side of the square, in frame pixels."""
    size: int
    """Side of the crop image, in pixels."""
    _: KW_ONLY
    angle: float = 0.0
    """Radians by which the square is turned about its centre, from the frame's x axis towards its y axis."""

    @classmethod
    def whole(cls, height: int, width: int) -> Self:
        """The square around a whole frame, at the frame's own resolution: the identity for a square frame."""
        side = max(height, width)
        return cls((width - side) / 2, (height - side) / 2, side, side)

    @classmethod
    def from_array(cls, array: NDArray[np.float64]) -> Self:
        """Rebuild the crop that `to_array` wrote."""
        x_min, y_min, size_in_frame, size = (float(value) for value in array)
        return cls(x_min, y_min, size_in_frame, round(size))

    def to_array(self) -> NDArray[np.float64]:
        """(4,) float64: left, top, size_in_frame, size of an upright crop, as stores have them."""
        assert not self.angle, "stores have upright crops"
        return np.array([self.left, self.top, self.size_in_frame, self.size], np.float64)

    def resized(self, size: int) -> Crop:
        """Crop of the same square in the frame at another resolution."""
        return replace(self, size=size)

    def grown(self, factor: float) -> Crop:
        """The square with `factor` times the side around the same centre, at the same resolution."""
        margin = (factor - 1) / 2 * self.size_in_frame
        side = factor * self.size_in_frame
        return replace(self, left=self.left - margin, top=self.top - margin, size_in_frame=side)

    def to_crop(self, points: Points) -> Points:
        """Frame pixels (..., 2) to crop pixels (..., 2)."""
        moved: Points = (self._turn(points, -self.angle) - _build_like(points, self.left, self.top)) * self._zoom
        return moved

    def to_frame(self, points: Points) -> Points:
        """Crop pixels (..., 2) to frame pixels (..., 2)."""
        moved: Points = points * (self.size_in_frame / self.size) + _build_like(points, self.left, self.top)
        return self._turn(moved, self.angle)

    def to_ndc(self, points: Points) -> Points:
        """Crop pixels (..., 2) to NDC (..., 2)."""
        return points * (2 / self.size) - 1

    def from_ndc(self, points: Points) -> Points:
        """NDC (..., 2) to crop pixels (..., 2)."""
        return (points + 1) * (self.size / 2)

    def ndc_to(self, other: Crop) -> tuple[float, float, float]:
        """Scale a and shifts (bx, by) that take this crop's NDC to the other crop's: x' = a x + bx, y' = a y + by.

        Both crops are upright.
        """
        assert self.angle == other.angle == 0, "turned crops differ by more than scale and shifts"
        scale = self.size_in_frame / other.size_in_frame
        shift_x = (2 * (self.left - other.left) + self.size_in_frame) / other.size_in_frame - 1
        shift_y = (2 * (self.top - other.top) + self.size_in_frame) / other.size_in_frame - 1
        return scale, shift_x, shift_y

    def warp_to_crop(self, image: Image, outside: Outside = "black") -> Image:
        """The crop image (size, size, 3) of a frame (H, W, 3); reductions average, so they do not alias.

        Args:
            image: The frame.
            outside: Pixels beyond its edges: `black`, as detectors and regressors were trained with, or the nearest
                pixel of its `edge`, so that what a method learns from and moves has no dark bands.
        """
        shape, border = (self.size, self.size), _BORDERS[outside]
        left, top = self.to_frame(np.zeros(2))
        return _resample_image(image, self.size_in_frame / self.size, (left, top), shape, border, self.angle)

    def paste_back(
        self, frame: Image, crop_image: Image, feather: float = 0.08, region: NDArray[np.float32] | None = None
    ) -> Image:
        """The frame with the crop image put back where it was cut out.

        Args:
            frame: (H, W, 3) uint8; left unchanged.
            crop_image: (size, size, 3) uint8.
            feather: width of the soft rim, as a fraction of the crop's side in [0, 0.5].
            region: (size, size) weights in [0, 1] of the crop image's pixels; all of them by default.

        Returns:
            (H, W, 3) uint8; pixels outside the crop are the frame's own, to the bit.
        """
        height, width = frame.shape[:2]
        corners = self.to_frame(self.size * np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]))
        low, high = np.floor(corners.min(0)), np.floor(corners.max(0) + 1)
        (x_min, y_min), (x_max, y_max) = (np.clip(edge, 0, (width, height)).astype(int) for edge in (low, high))
        result = frame.copy()
        if x_min >= x_max or y_min >= y_max:
            return result
        x, y = self.to_crop(np.array([x_min, y_min], np.float64))
        shape = (y_max - y_min, x_max - x_min)
        pasted = _resample_image(crop_image, self._zoom, (x, y), shape, cv2.BORDER_REPLICATE, -self.angle)
        mask = self._weigh_rim((x_min, y_min), shape, feather)[..., None]
        if region is not None:
            weights = np.rint(255 * region).astype(np.uint8)
            resampled = _resample_image(weights, self._zoom, (x, y), shape, angle=-self.angle)
            mask *= resampled[..., None] / np.float32(255)
        before = result[y_min:y_max, x_min:x_max]
        blended = before + mask * (pasted.astype(np.float32) - before)
        result[y_min:y_max, x_min:x_max] = np.rint(blended).astype(np.uint8)
        return result

    @property
    def _zoom(self) -> float:
        """Crop pixels to a pixel of the frame."""
        return self.size / self.size_in_frame

    def _turn(self, points: Points, angle: float) -> Points:
        """Points (..., 2) of the frame, turned about the centre of the square; the same object where nothing turns."""
        if not angle:
            return points
        centre = _build_like(points, self.left + self.size_in_frame / 2, self.top + self.size_in_frame / 2)
        turned: Points = (points - centre) @ _build_like(points, *_list_rotation(angle)).reshape(2, 2) + centre
        return turned

    def _weigh_rim(self, start: tuple[int, int], shape: tuple[int, int], feather: float) -> NDArray[np.float32]:
        """Weights (shape) in [0, 1] of frame pixels from column and row `start` on, soft inside the square's edge."""
        (left, top), (height, width) = start, shape
        columns = np.arange(left, left + width, dtype=np.float32) + np.float32(0.5)
        rows = np.arange(top, top + height, dtype=np.float32) + np.float32(0.5)
        if not self.angle:
            across = _compute_ramp((columns - self.left) / self.size_in_frame, feather)
            return np.minimum.outer(_compute_ramp((rows - self.top) / self.size_in_frame, feather), across)
        places = self.to_crop(np.stack(np.meshgrid(columns, rows), -1)) / self.size
        return np.asarray(_compute_ramp(places.astype(np.float32), feather).min(-1), np.float32)


def crop_of_region(region: tuple[float, float, float, float], height: int, width: int, size: int) -> Crop:
    """The square around a data set's own box, as large as its longer side; nothing is stretched.

    Args:
        region: left, top, right and bottom as fractions of the frame.
        height: of the frame, in pixels.
        width: of the frame, in pixels.
        size: side of the crop image in pixels.
    """
    x_min, x_max = region[0] * width, region[2] * width
    y_min, y_max = region[1] * height, region[3] * height
    side = max(x_max - x_min, y_max - y_min)
    return Crop((x_min + x_max - side) / 2, (y_min + y_max - side) / 2, side, size)


def crop_from_landmarks(landmarks: NDArray[Any], rule: str, size: int = 256, *, turned: bool = False) -> Crop:
    """Cut a square around a face by a paper's rule.

    Args:
        landmarks: (68, 2) or, for one crop over a clip, (T, 68, 2), in frame pixels.
        rule: name of the rule, see `reenact.methods.CropRule`.
        size: side of the crop image in pixels.
        turned: turn the square as the rule turns those of sources, by the first landmarks.

    Raises:
        ReenactError: if no method has such a rule.
    """
    rules = collect_crop_rules()
    if rule not in rules:
        raise ReenactError(f"There is no crop rule {rule}: {suggest_names(rule, list(rules))}")
    points = np.asarray(landmarks, np.float64).reshape(-1, 68, 2)
    crop: Crop = load_object(rules[rule].function)(points, size)
    find_angle = rules[rule].angle
    return replace(crop, angle=load_object(find_angle)(points[0])) if turned and find_angle else crop


def find_face_box(landmarks: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a face in all frames of landmarks (T, 68, 2), the forehead included.

    Detectors count the forehead in: the box of the landmarks grows upwards by a quarter of its height (our own figure).
    """
    points = landmarks.reshape(-1, 2)
    (x_min, y_min), (x_max, y_max) = points.min(0), points.max(0)
    return x_min, y_min - 0.25 * (y_max - y_min), x_max, y_max


def _build_like(points: Points, *values: float) -> Points:
    if isinstance(points, Tensor):
        return points.new_tensor(values)
    return np.array(values, points.dtype)


def _resample_image(
    image: Image,
    scale: float,
    offset: tuple[float, float],
    shape: tuple[int, int],
    border: int = cv2.BORDER_CONSTANT,
    angle: float = 0.0,
) -> Image:
    """Sample `image` at scale * R q + offset for every output point q, both in continuous pixels; R turns by an angle.

    A reduction samples several bilinear taps per output pixel and averages them, which keeps the geometry exact.
    """
    taps = max(1, round(scale))
    step = scale / taps
    turn = np.reshape(_list_rotation(angle), (2, 2)).T
    # OpenCV's matrix maps indices, whose pixel centres lie half a pixel further
    shift = step * turn @ (0.5, 0.5) + offset - 0.5
    matrix = np.column_stack((step * turn, shift))
    height, width = shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(image, matrix, (width * taps, height * taps), flags=flags, borderMode=border)
    if taps == 1:
        return np.asarray(fine, np.uint8)
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _compute_ramp(position: NDArray[np.float32], feather: float) -> NDArray[np.float32]:
    """Weight in [0, 1] of positions along an axis of a square, in its sides, smooth from its edges inwards."""
    inside = np.minimum(position, 1 - position)
    if feather == 0:
        return np.where(inside >= 0, np.float32(1), np.float32(0))
    weight = np.clip(inside / np.float32(feather), 0, 1)
    return np.asarray(weight * weight * (3 - 2 * weight), np.float32)


def _list_rotation(angle: float) -> tuple[float, float, float, float]:
    """Rows, one after the other, of the matrix that turns points on its left from the x axis towards the y axis."""
    return math.cos(angle), math.sin(angle), -math.sin(angle), math.cos(angle)
