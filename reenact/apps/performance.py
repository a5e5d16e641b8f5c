"""Source and driving clip on their way through a method, in constant memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reenact.apps.animator import Animator, PlayedFrame
from reenact.apps.compose import Composer, PasteWeights, View
from reenact.apps.head_mask import head_mask
from reenact.apps.timeline import Timeline, pick_items
from reenact.faces.contents import Contents
from reenact.faces.portrait import Portrait
from reenact.media.video import Image
from reenact.models.common.base import Reenactor, ReportProgress, ignore_progress
from reenact.tracking.face_clip import FaceClip


@dataclass(kw_only=True)
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

    def frames(
        self,
        timeline: Timeline,
        reference: int = 0,
        anchor: int = 0,
        progress: ReportProgress = ignore_progress,
        work: Path | None = None,
    ) -> Iterator[Image]:
        """The frames of the result.

        A still source is encoded once. A moving one is encoded frame by frame, and in relative motion the driving
        change is applied to its face in the anchor frame, so that a clip driven by itself stays as it is. Each shot is
        played as a video of its own, so that no window of time reaches over a cut.

        Args:
            timeline: Which frames meet.
            reference: The driving frame from which relative motion, or renormalised scale, starts.
            anchor: The frame of a moving source that corresponds to it.
            progress: Takes the finished fraction of the work of a method that works before its first frame.
            work: Folder for intermediate files, see `Reenactor.play`.

        Raises:
            ReenactError: if a file turns out damaged.
        """
        played = self._play_shots(timeline, self._refer_to(reference, anchor), progress, work)
        sources = self._read_views(self.source, timeline.source, self.composer.paste_back or self.composer.side_by_side)
        others = self._read_views(self.driving, timeline.driving, self.composer.side_by_side)
        outside = self.driving.reaches_out(timeline.driving)
        for number, frame in enumerate(played):
            face_leaves = frame.landmarks is not None and np.abs(frame.landmarks).max() > 1
            self.outside += int(outside[number] or face_leaves)
            weights = None
            if self.composer.paste_back:
                weights = weigh_result(
                    self.animator.network, self.source, int(timeline.source[number]), frame.landmarks
                )
            yield self.composer.frame(frame.picture, next(sources), next(others), weights)

    def _play_shots(
        self, timeline: Timeline, anchor: Portrait | None, progress: ReportProgress, work: Path | None
    ) -> Iterator[PlayedFrame]:
        """Play the shots between the cuts one after another."""
        sources = pick_items(self.source.images(), timeline.source)
        drivings = pick_items(self.driving.images(), timeline.driving)
        if self.source.fps is None:
            needs = self.animator.network.needs
            self.animator.prepare(self.source.portraits(timeline.source[:1], [next(sources)], needs))
        first = 0
        for number, shot in enumerate(timeline.split_shots(self.driving.cuts, self.source.cuts)):
            batches = self._prepare_batches(shot, sources, drivings, anchor)
            report = partial(_report_part, progress, first / len(timeline), len(shot) / len(timeline))
            yield from self.animator.play(batches, report, None if work is None else work / f"shot-{number}")
            first += len(shot)

    def _prepare_batches(
        self, shot: Timeline, sources: Iterator[Image], drivings: Iterator[Image], anchor: Portrait | None
    ) -> Iterator[Portrait]:
        """Driving portraits of a shot in batches; a source that moves is prepared before each.

        Driving portraits have no window: `Reenactor.play` lays windows over the motions of the result.
        """
        needs = self.animator.network.needs
        for start in range(0, len(shot), self.batch_size):
            part = shot.part(start, self.batch_size)
            if self.source.fps is not None:
                images = list(itertools.islice(sources, len(part)))
                self.animator.prepare(self.source.portraits(part.source, images, needs), anchor)
            images = list(itertools.islice(drivings, len(part)))
            yield self.driving.portraits(part.driving, images, replace(needs, window=0))

    @staticmethod
    def _read_views(clip: FaceClip, numbers: NDArray[np.int64], are_shown: bool) -> Iterator[View | None]:
        """The full frames and crops of a clip for the layout, read a second time: a method may see all frames first."""
        if not are_shown:
            return itertools.repeat(None)
        crops = (clip.crops[number] for number in numbers)
        return zip(pick_items(clip.images(), numbers), crops, strict=True)

    def _refer_to(self, reference: int, anchor: int) -> Portrait | None:
        """Set the driving reference of relative motion or scale.

        Returns:
            The source's frame for it, where the source moves and motion is relative.
        """
        transfer, needs = self.animator.transfer, self.animator.network.needs
        if transfer.mode == "relative" or transfer.renormalise_scale:
            self.animator.refer_to(read_portrait(self.driving, reference, needs))
        moves = transfer.mode == "relative" and self.source.fps is not None
        return read_portrait(self.source, anchor, needs) if moves else None


def _report_part(progress: ReportProgress, start: float, share: float, fraction: float) -> None:
    """Report the finished fraction of a part of the work as that of the whole."""
    progress(start + share * fraction)


def weigh_result(
    network: Reenactor[Any, Any], clip: FaceClip, number: int, result: NDArray[np.float32] | None
) -> PasteWeights:
    """Weights of the pixels to paste back: the method's own, or a region around a frame's head and the result's.

    Args:
        network: The method.
        clip: The source.
        number: Its frame.
        result: (68, 2) landmarks of the result in normalised device coordinates, where they are known.

    Returns:
        Those of the whole crop where the source has no landmarks.
    """
    crop = clip.crops[number]
    own = network.weigh_pasted(crop.size)
    if own is not None:
        return PasteWeights(own, feather=0.0)
    if clip.landmarks is None:
        return PasteWeights()
    faces = [crop.to_crop(clip.landmarks[number])]
    if result is not None:
        faces.append(crop.from_ndc(result))
    return PasteWeights(head_mask(np.stack(faces), crop.size))


def read_portrait(clip: FaceClip, number: int, needs: Contents) -> Portrait:
    """Read one frame of a clip (batch 1) with the parts that a method needs."""
    numbers = np.array([number])
    return clip.portraits(numbers, list(pick_items(clip.images(), numbers)), needs)
