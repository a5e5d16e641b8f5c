"""Source and driving clip on their way through a method, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reenact.apps.animator import Animator
from reenact.apps.compose import Composer
from reenact.apps.head_mask import head_mask
from reenact.apps.timeline import Timeline, pick_items
from reenact.faces.portrait import Portrait
from reenact.media.video import Image
from reenact.tracking.face_clip import FaceClip


@dataclass
class Performance:
    """Two clips, the method between them, and the layout of the result."""

    animator: Animator
    source: FaceClip
    driving: FaceClip
    composer: Composer
    batch_size: int
    """Frames per step of the network."""
    outside: int = 0
    """Frames so far in which the driving face or the result's reaches over the edge of its crop."""

    def frames(self, timeline: Timeline, reference: int = 0, anchor: int = 0) -> Iterator[Image]:
        """The frames of the result.

        A still source is encoded once. A moving one is encoded frame by frame, and in relative motion the driving
        change is applied to its face in the anchor frame, so that a clip driven by itself stays as it is.

        Args:
            timeline: Which frames meet.
            reference: The driving frame from which relative motion starts.
            anchor: The frame of a moving source that corresponds to it.

        Raises:
            ReenactError: if a file turns out damaged.
        """
        anchor_portrait = self._refer_to(reference, anchor)
        sources = pick_items(self.source.images(), timeline.source)
        drivings = pick_items(self.driving.images(), timeline.driving)
        is_picture = self.source.fps is None
        for start in range(0, len(timeline), self.batch_size):
            part = timeline.part(start, self.batch_size)
            source_images = [next(sources) for _ in range(len(part))]
            driving_images = [next(drivings) for _ in range(len(part))]
            if not is_picture:
                self.animator.prepare(self.source.portraits(part.source, source_images), anchor_portrait)
            elif start == 0:
                self.animator.prepare(self.source.portraits(part.source[:1], source_images[:1]))
            results = self.animator.step(self.driving.portraits(part.driving, driving_images))
            landmarks = self.animator.landmarks()
            outside = self.driving.reaches_out(part.driving)
            if landmarks is not None:
                outside |= np.abs(landmarks).max((1, 2)) > 1
            self.outside += int(outside.sum())
            yield from self._composed(part, results, source_images, driving_images, landmarks)

    def _refer_to(self, reference: int, anchor: int) -> Portrait | None:
        """Set the driving reference of relative motion; returns the source's frame for it, where the source moves."""
        if self.animator.transfer.mode != "relative":
            return None
        self.animator.refer_to(_read_portrait(self.driving, reference))
        return None if self.source.fps is None else _read_portrait(self.source, anchor)

    def _composed(
        self,
        part: Timeline,
        results: NDArray[np.uint8],
        sources: list[Image],
        drivings: list[Image],
        landmarks: NDArray[np.float32] | None,
    ) -> Iterator[Image]:
        for i, result in enumerate(results):
            source = sources[i], self.source.crops[part.source[i]]
            driving = drivings[i], self.driving.crops[part.driving[i]]
            region = None
            if self.composer.paste_back:
                face = None if landmarks is None else landmarks[i]
                region = pasted_region(self.source, int(part.source[i]), face)
            yield self.composer.frame(result, source, driving, region)


def pasted_region(clip: FaceClip, number: int, result: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """Weights (size, size) of the pixels to paste back: around a frame's head and the result's.

    Args:
        clip: The source.
        number: Its frame.
        result: (68, 2) landmarks of the result in normalised device coordinates, where they are known.

    Returns:
        None where the source has no landmarks: the whole crop.
    """
    if clip.landmarks is None:
        return None
    crop = clip.crops[number]
    faces = [crop.to_crop(clip.landmarks[number])]
    if result is not None:
        faces.append(crop.from_ndc(result))
    return head_mask(np.stack(faces), crop.size)


def _read_portrait(clip: FaceClip, number: int) -> Portrait:
    numbers = np.array([number])
    return clip.portraits(numbers, list(pick_items(clip.images(), numbers)))
