"""Metrics of how a video moves: flicker and jitter, which no single frame shows.

Frames must come in the order of their videos, each one frame after the last; the first frames of a video, and those
behind a gap, have no value. Over several processes a video belongs to one of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from reenact.metrics.faces import FACELESS, FaceReading, require_present
from reenact.metrics.frame_metric import FrameMetric, check_alike
from reenact.metrics.metric_names import Reference
from reenact.metrics.scene import Frames, Reader, Scene

Item = TypeVar("Item")


@dataclass(frozen=True)
class Place:
    """Position of a frame: its video and its number."""

    video: tuple[str | int | float, ...]
    """Key of the frame's video."""
    frame: int
    """Its number in the video."""


class Runs(Generic[Item]):
    """Joins frames that come batch by batch to runs of consecutive ones.

    Only the video of a batch's last frame is kept open, so that memory does not grow with the number of videos.

    Args:
        length: Frames of a run.
        overlap: Frames that a run shares with the one before it.
    """

    def __init__(self, length: int, overlap: int) -> None:
        self._length = length
        self._overlap = overlap
        self._place: Place | None = None
        self._items: list[Item] = []

    def add(self, places: Sequence[Place], items: Sequence[Item]) -> list[list[Item] | None]:
        """For each frame the run that ends with it, or None."""
        runs: list[list[Item] | None] = []
        for place, item in zip(places, items, strict=True):
            last = self._place
            if last is None or place != Place(last.video, last.frame + 1):
                self._items = []
            self._place = place
            self._items = [*self._items, item]
            whole = len(self._items) == self._length
            runs.append(self._items if whole else None)
            if whole:
                self._items = self._items[self._length - self._overlap :]
        return runs

    def clear(self) -> None:
        """Forget the open video."""
        self._place, self._items = None, []


def flicker(generated: Tensor, reference: Tensor) -> Tensor:
    """(T - 1,) how differently two videos change from frame to frame, on the scale [0, 1].

    Mean absolute difference of the two frame differences: 0 where the generated video changes as the reference does,
    whether or not it looks like it.

    Args:
        generated: (T, 3, H, W) in [-1, 1], consecutive frames.
        reference: The same frames of the driving video.
    """
    return (generated.diff(dim=0) - reference.diff(dim=0)).abs().flatten(1).double().mean(1) / 2


def frame_change(video: Tensor) -> Tensor:
    """(T - 1,) mean absolute change (T, 3, H, W) in [-1, 1] from frame to frame, on the scale [0, 1]."""
    return video.diff(dim=0).abs().flatten(1).double().mean(1) / 2


def jitter(landmarks: Tensor) -> Tensor:
    """(T - 2,) mean length of the landmarks' second difference, in pixels of a picture of 256.

    Trembling that the driving video has too is no fault: compare with its own jitter.

    Args:
        landmarks: (T, N, 2) in normalised device coordinates, of consecutive frames.
    """
    bend = landmarks.double().diff(n=2, dim=0)
    length: Tensor = torch.linalg.vector_norm(bend, dim=-1).mean(-1)
    return length * 128


class TemporalMetric(FrameMetric):
    """The mean over frames of a number that a frame has together with the frames before it."""

    length: ClassVar[int]
    """Frames that a number takes."""

    def __init__(self, label: str, reference: Reference) -> None:
        super().__init__(label, reference)
        self._runs: Runs[tuple[Tensor, Tensor]] = Runs(self.length, self.length - 1)

    @abstractmethod
    def trace(self, frames: Frames) -> Tensor:
        """(B, ...) what of each frame is compared over time."""

    @abstractmethod
    def along(self, generated: Tensor, reference: Tensor) -> Tensor:
        """(1,) number of `length` consecutive traces."""

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) numbers of consecutive frames of one video; NaN for the first."""
        return self._numbers(generated, reference, [Place((), frame) for frame in range(len(generated))])[0]

    def of_places(self, scene: Scene, places: Sequence[Place]) -> tuple[Tensor, list[bool]]:
        """(B,) numbers of a scene's frames, and which of them have enough frames before them to have one.

        The first frames of a scene go on where the last scene ended.
        """
        reference: Frames = getattr(scene, self.reference)
        check_alike(scene.generated, reference)
        return self._numbers(scene.generated, reference, places)

    def none(self) -> str:
        """Return the reason why there is no value at all."""
        return f"no {self.length} frames of one video came in a row"

    def reset(self) -> None:
        """Forget all frames."""
        super().reset()
        self._runs.clear()

    def _numbers(self, generated: Frames, reference: Frames, places: Sequence[Place]) -> tuple[Tensor, list[bool]]:
        runs = self._runs.add(places, list(zip(self.trace(generated), self.trace(reference), strict=True)))
        numbers = generated.image.new_full((len(runs),), torch.nan, dtype=torch.float64)
        for row, run in enumerate(runs):
            if run is not None:
                numbers[row] = self.along(*(torch.stack(part) for part in zip(*run, strict=True)))
        return numbers, [run is not None for run in runs]


class Flicker(TemporalMetric):
    """`flicker`: see the function. Against the wanted frames, so in self-reenactment alone."""

    higher_is_better = False
    length = 2

    def __init__(self) -> None:
        super().__init__("flicker", "target")

    def trace(self, frames: Frames) -> Tensor:
        """The pictures."""
        return frames.image

    def along(self, generated: Tensor, reference: Tensor) -> Tensor:
        """(1,) number of two frames."""
        return flicker(generated, reference)


class FlickerExcess(TemporalMetric):
    """`flicker.excess`: `frame_change` of the generated video less that of the driving video.

    Needs neither the wanted picture nor motion in step: positive where the result is more restless than what drives it,
    negative where it is smoothed.
    """

    higher_is_better = False
    length = 2

    def __init__(self) -> None:
        super().__init__("flicker.excess", "driving")

    def trace(self, frames: Frames) -> Tensor:
        """The pictures."""
        return frames.image

    def along(self, generated: Tensor, reference: Tensor) -> Tensor:
        """(1,) number of two frames."""
        return frame_change(generated) - frame_change(reference)


class Jitter(TemporalMetric):
    """`jitter[reader]`: see the function; of the generated video alone. `jitter.excess[reader]`: less the driving's.

    Args:
        reader: The landmark network.
        excess: Whether the driving video's own jitter is taken off.
    """

    higher_is_better = False
    absent = FACELESS
    length = 3

    def __init__(self, reader: Reader[FaceReading], excess: bool) -> None:
        super().__init__(f"jitter{'.excess' if excess else ''}[{reader.name}]", "driving")
        self._reader = reader
        self._excess = excess

    def trace(self, frames: Frames) -> Tensor:
        """The landmarks."""
        return require_present(frames.read(self._reader).landmarks)

    def along(self, generated: Tensor, reference: Tensor) -> Tensor:
        """(1,) number of three frames."""
        return jitter(generated) - jitter(reference) if self._excess else jitter(generated)
