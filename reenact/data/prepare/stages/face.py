"""Stages that find the face: its box, its landmarks."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.job import Settings, Tools
from reenact.data.prepare.results import (
    all_frames,
)
from reenact.data.prepare.stage import Device, Stage, finder_device
from reenact.data.prepare.work import ClipTask, Result
from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox
from reenact.media.video import Image
from reenact.tracking.face_track import assemble_track
from reenact.tracking.face_tracker import FaceTracker
from reenact.tracking.landmark_placer import LandmarkPlacer


class TrackStage(Stage):
    """The face's box in every frame.

    Array `boxes` (T, 5): left, top, right, bottom and score in frame pixels, NaN where the face isn't seen.
    """

    name = "track"
    inputs = ("cuts",)
    tools = ("detector",)

    def list_settings(self, clip: ClipInput, settings: Settings) -> tuple[object, ...]:
        """List what the result depends on beside its inputs."""
        return (settings.detector or settings.landmarks, settings.face_index, clip.region, "pieces")

    def pick_device(self, settings: Settings) -> Device:
        """Name the device of the landmark and detection networks."""
        return finder_device(settings)

    def process_clip(self, task: ClipTask, tools: Tools) -> Result:
        """Process one clip."""
        changed = task.work["cuts"].arrays["changed"]
        tracker = FaceTracker(tools.detector, task.settings.face_index, task.clip.region)
        boxes = np.full((len(changed), 5), np.nan)
        for row, image in enumerate(all_frames(task)):
            box = tracker.step(image, bool(changed[row]))
            if box is not None:
                boxes[row] = box.left, box.top, box.right, box.bottom, box.score
            task.on_frame()
        tracker.check()
        return Result({}, {"boxes": boxes})


class LandmarksStage(Stage):
    """The longest shot as a `FaceTrack`; of an album all frames, without black ends.

    Facts `cuts` and `black`; arrays `landmarks`, `visible` and `frames`.
    """

    name = "landmarks"
    inputs = ("track",)
    tools = ("finder",)

    def list_settings(self, clip: ClipInput, settings: Settings) -> tuple[object, ...]:
        """List what the result depends on beside its inputs."""
        return (settings.landmarks, settings.max_error, *(["album"] if clip.album else []))

    def pick_device(self, settings: Settings) -> Device:
        """Name the device of the landmark and detection networks."""
        return finder_device(settings)

    def process_clip(self, task: ClipTask, tools: Tools) -> Result:
        """Process one clip."""
        looks, boxes = task.work["cuts"], task.work["track"].arrays["boxes"]
        placer = LandmarkPlacer(
            tools.finder.landmarks, Fraction(task.work["probe"].facts["fps"]), task.settings.max_error
        )
        for image, box, changed in zip(all_frames(task), boxes.tolist(), looks.arrays["changed"], strict=True):
            # Pictures of an album do not follow each other: each is checked by itself.
            fresh = bool(changed) or task.clip.album
            placer.step(image, None if np.isnan(box[0]) else _own_box(image, FaceBox.from_row(box), task, tools), fresh)
        try:
            points = placer.collect_points()
        except ReenactError as error:
            raise error.with_remedy("use other --landmarks, or a larger --max-error") from error
        whole = assemble_track(points, looks.arrays["changed"], looks.facts["width"], looks.facts["height"])
        shot = whole if task.clip.album else whole.longest_shot()
        lit = np.flatnonzero(~looks.arrays["dark"][shot.frames] | shot.visible)
        black = len(shot) - (lit[-1] + 1 - lit[0])
        shot = shot.rows(slice(lit[0], lit[-1] + 1))
        arrays = {"landmarks": shot.landmarks, "visible": shot.visible, "frames": shot.frames}
        left_out = [] if task.clip.album else [int(cut) for cut in whole.cuts]
        return Result({"cuts": left_out, "black": int(black)}, arrays)


def _own_box(image: Image, box: FaceBox, task: ClipTask, tools: Tools) -> FaceBox | None:
    """The box of the landmark network's own detector, which its landmarks expect, None where it sees no face."""
    return box if task.settings.detector is None else tools.finder.detector.detect_near(image, box)
