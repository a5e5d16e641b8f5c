"""Source and driving clip on their way through a method, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reenact.apps.animator import Animator
from reenact.apps.compose import Composer
from reenact.apps.face_clip import FaceClip
from reenact.apps.reference import reference_number
from reenact.apps.timeline import Timeline, pick
from reenact.data.video import Image
from reenact.faces.portrait import Portrait


@dataclass(frozen=True)
class Performance:
    """What plays: two clips, the method between them, and the way the result is shown."""

    animator: Animator
    source: FaceClip
    driving: FaceClip
    composer: Composer
    batch_size: int
    """Frames per step of the network."""

    def frames(self, timeline: Timeline, reference: str = "first") -> Iterator[Image]:
        """The frames of the result.

        A still source is encoded once. A moving one is encoded frame by frame, and in relative motion the driving
        change is applied to its face at the time of the reference frame, so that a clip driven by itself stays as it
        is.

        Args:
            timeline: Which frames meet.
            reference: The reference frame of relative motion, see `reference_number`.

        Raises:
            ReenactError: if there is no such reference frame, or a file turns out damaged.
        """
        anchor = self._refer_to(reference)
        sources = pick(self.source.images(), timeline.source)
        drivings = pick(self.driving.images(), timeline.driving)
        still = self.source.fps is None
        for start in range(0, len(timeline), self.batch_size):
            part = timeline.part(start, self.batch_size)
            source_images = [next(sources) for _ in range(len(part))]
            driving_images = [next(drivings) for _ in range(len(part))]
            if not still:
                self.animator.prepare(self.source.portraits(part.source, source_images), anchor)
            elif start == 0:
                self.animator.prepare(self.source.portraits(part.source[:1], source_images[:1]))
            results = self.animator.step(self.driving.portraits(part.driving, driving_images))
            yield from self._composed(part, results, source_images, driving_images)

    def _refer_to(self, which: str) -> Portrait | None:
        """Set the driving reference of relative motion; returns the source at the same moment, where it moves."""
        if self.animator.transfer.mode != "relative":
            return None
        number = reference_number(which, self.source, self.driving, self.animator.face_model)
        self.animator.refer_to(_portrait(self.driving, number))
        if self.source.fps is None:
            return None
        seconds = 0 if self.driving.fps is None else number / self.driving.fps
        return _portrait(self.source, min(int(seconds * self.source.fps), len(self.source) - 1))

    def _composed(
        self, part: Timeline, results: NDArray[np.uint8], sources: list[Image], drivings: list[Image]
    ) -> Iterator[Image]:
        for i, result in enumerate(results):
            source = sources[i], self.source.crops[part.source[i]]
            driving = drivings[i], self.driving.crops[part.driving[i]]
            yield self.composer.frame(result, source, driving)


def _portrait(clip: FaceClip, number: int) -> Portrait:
    numbers = np.array([number])
    return clip.portraits(numbers, list(pick(clip.images(), numbers)))
