"""Source and driving clip on their way through a method, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reenact.apps.animator import Animator
from reenact.apps.compose import Composer
from reenact.apps.face_clip import FaceClip
from reenact.apps.reference import reference_number
from reenact.apps.timeline import Timeline, pick
from reenact.data.video import Image
from reenact.faces.params import FaceParams
from reenact.models.retarget import Part

FIELDS_OF_PART: dict[Part, tuple[str, ...]] = {
    "pose": ("global_pose", "neck_pose"),
    "jaw": ("jaw_pose",),
    "expression": ("expression",),
    "eyes": ("eye_pose",),
    "camera": ("camera",),
}
"""The fields of `FaceParams` behind each part that can move."""


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
                self._prepare(part.source, source_images, anchor)
            elif start == 0:
                self._prepare(part.source[:1], source_images[:1], None)
            results = self.animator.step(self.driving.portraits(part.driving, driving_images))
            yield from self._composed(part, results, source_images, driving_images)

    def _refer_to(self, which: str) -> FaceParams | None:
        """Set the driving reference; returns the source's face of the same moment."""
        source, driving = self.source.params, self.driving.params
        face_model = self.animator.face_model
        if source is None or driving is None or face_model is None:
            return None
        number = reference_number(which, source[:1], driving, face_model)
        self.animator.refer_to(driving[number : number + 1])
        seconds = 0 if self.driving.fps is None else number / self.driving.fps
        same = min(int(seconds * (self.source.fps or 0)), len(self.source) - 1)
        return source[same : same + 1]

    def _prepare(self, numbers: NDArray[np.int64], images: list[Image], anchor: FaceParams | None) -> None:
        portraits = self.source.portraits(numbers, images)
        base = portraits.params
        motion = self.animator.motion
        if anchor is not None and base is not None and motion.mode == "relative":
            fields = [name for part in motion.parts for name in FIELDS_OF_PART[part]]
            base = replace(base, **{name: getattr(anchor, name).expand_as(getattr(base, name)) for name in fields})
        self.animator.prepare(portraits, base)

    def _composed(
        self, part: Timeline, results: NDArray[np.uint8], sources: list[Image], drivings: list[Image]
    ) -> Iterator[Image]:
        for i, result in enumerate(results):
            source = sources[i], self.source.crops[part.source[i]]
            driving = drivings[i], self.driving.crops[part.driving[i]]
            yield self.composer.frame(result, source, driving)
