"""One face through a picture or video: its parameters and crops in memory, its pixels streamed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.contents import IMAGES, Contents
from reenact.faces.crop import Crop
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, to_tensor
from reenact.faces.windows import list_window
from reenact.media.media_kinds import is_picture
from reenact.media.pictures import read_image
from reenact.media.video import Image, VideoReader

NO_MASKS = (
    "has no masks of the person, which this method reads and nothing finds in pictures and videos: call it from Python"
    " with portraits that have masks"
)
OnMissing = Literal["hold", "skip", "error"]
"""In frames without a face: fill it in from the neighbours, leave the frame out, or stop."""


@dataclass(frozen=True, kw_only=True)
class FaceClip:
    """A face in every frame of a file."""

    path: Path
    """A picture or a video."""
    fps: Fraction | None
    """Exact frame rate; None for a still picture."""
    crops: list[Crop]
    """Crop of the face in each of the T full frames."""
    found: NDArray[np.bool_]
    """(T,) whether a face was seen; in other frames it is filled in from its neighbours."""
    params: FaceParams | None
    """Batch T, in the normalised device coordinates of the crops; None for methods that read images alone."""
    landmarks: NDArray[np.floating[Any]] | None = None
    """(T, 68, 2) iBUG-68 points in pixels of the full frame; None where nobody looked for them."""
    cuts: tuple[int, ...] = ()
    """Frames that begin a new shot."""

    def __len__(self) -> int:
        """Frames of the clip."""
        return len(self.crops)

    @property
    def sound(self) -> Path | None:
        """The file whose sound belongs to the clip."""
        return self.path if self.fps is not None else None

    @property
    def follows(self) -> bool:
        """True where the crop follows the face from frame to frame within a shot."""
        pairs = itertools.pairwise(self.crops)
        return any(first != second and k not in self.cuts for k, (first, second) in enumerate(pairs, start=1))

    def images(self) -> Iterator[Image]:
        """The full frames in order, (H, W, 3) RGB."""
        if is_picture(self.path):
            yield read_image(self.path)
        else:
            yield from VideoReader(self.path)

    def read_masks(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Masks (B, H, W) of the person in some full frames, 255 where it is.

        Raises:
            ReenactError: if nobody measured them, as in pictures and videos.
        """
        raise ReenactError(f"{self.path} {NO_MASKS}")

    def reaches_out(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(B,) True for frames in which a landmark lies outside of the crop; False where there are no landmarks."""
        outside = np.zeros(len(numbers), np.bool_)
        if self.landmarks is None:
            return outside
        for row, number in enumerate(numbers):
            crop = self.crops[number]
            outside[row] = np.abs(crop.to_ndc(crop.to_crop(self.landmarks[number]))).max() > 1
        return outside

    def portraits(self, numbers: NDArray[np.int64], images: list[Image], needs: Contents = IMAGES) -> Portrait:
        """Network inputs of some frames.

        Args:
            numbers: (B,) frame numbers.
            images: Their full frames.
            needs: Parts beside image and parameters.

        Returns:
            Batch B: crops in [-1, 1] with parameters, and with the landmarks, masks and windows that are needed.

        Raises:
            ReenactError: if the clip lacks landmarks or masks that are needed.
        """
        pairs = zip(numbers, images, strict=True)
        crops = [self.crops[number].warp_to_crop(image, outside="edge") for number, image in pairs]
        params, window = None if self.params is None else self.params[torch.from_numpy(numbers)], None
        if needs.window and self.params is not None:
            window = self.params[torch.from_numpy(list_window(numbers.tolist(), needs.window, len(self)))]
        return Portrait(
            image=to_tensor(np.stack(crops)),
            params=params,
            landmarks=self._place_landmarks(numbers) if needs.landmarks else None,
            window=window,
            mask=self._crop_masks(numbers) if needs.mask else None,
        )

    def _place_landmarks(self, numbers: NDArray[np.int64]) -> Tensor:
        """Landmarks (B, 68, 2) of some frames in pixels of their crops."""
        if self.landmarks is None:
            raise ReenactError(f"{self.path} has no landmarks, which the method reads; prepare it again")
        points = [self.crops[number].to_crop(self.landmarks[number]) for number in numbers]
        return torch.from_numpy(np.stack(points).astype(np.float32))

    def _crop_masks(self, numbers: NDArray[np.int64]) -> Tensor:
        """Masks (B, 1, size, size) of some frames in [0, 1]."""
        pairs = zip(numbers, self.read_masks(numbers), strict=True)
        masks = [self.crops[number].warp_to_crop(mask, outside="edge") for number, mask in pairs]
        return torch.from_numpy(np.stack(masks)[:, None]).float().div_(255)


def check_missing(clip: FaceClip, on_missing: OnMissing) -> None:
    """Hold a clip against the rule for frames without a face.

    Raises:
        ReenactError: if `error` is asked for and a frame has none.
    """
    if on_missing != "error" or clip.found.all():
        return
    missing = np.flatnonzero(~clip.found)
    raise ReenactError(
        f"{clip.path} has no face in {len(missing)} frame(s), the first is {missing[0]}; "
        "pass --on-missing hold or skip, or cut them out"
    )
