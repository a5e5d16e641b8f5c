"""Stages that look through a file: its rate, its cuts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.job import Settings, Tools
from reenact.data.prepare.results import (
    frames_of,
)
from reenact.data.prepare.stage import Stage
from reenact.data.prepare.work import ClipTask, Result
from reenact.errors import ReenactError
from reenact.tracking.face_tracker import CutFinder


class ProbeStage(Stage):
    """The rate of the file, and whether it is a picture.

    Facts `fps` and `still`.
    """

    name = "probe"
    inputs = ("content",)

    def list_settings(self, clip: ClipInput, settings: Settings) -> tuple[object, ...]:
        """List what the result depends on beside its inputs."""
        return (clip.span, settings.fps)

    def process_clip(self, task: ClipTask, tools: Tools) -> Result:
        """Process one clip."""
        frames = frames_of(task)
        return Result({"fps": str(frames.fps), "still": frames.still})

    def describe_clip(self, task: ClipTask) -> dict[str, Any]:
        """Fields of the clip's row."""
        return {"fps": Fraction(task.work[self.name].facts["fps"])}


class CutsStage(Stage):
    """Frames that may begin a shot, and black ones.

    Facts `width` and `height`; arrays `changed` and `dark` (T,).
    """

    name = "cuts"
    inputs = ("probe",)

    def process_clip(self, task: ClipTask, tools: Tools) -> Result:
        """Process one clip."""
        finder = CutFinder()
        looks: list[tuple[bool, bool]] = []
        shape: tuple[int, ...] = ()
        for number, image in enumerate(frames_of(task).read()):
            if shape not in ((), image.shape):
                sizes = f"{shape[1]} x {shape[0]}, frame {number} is {image.shape[1]} x {image.shape[0]}"
                raise ReenactError(f"has frames of several sizes (the first is {sizes}); cut it up")
            shape = image.shape
            looks.append(finder.step(image))
        if not looks:
            raise ReenactError("has no frame")
        changed, dark = np.array(looks, np.bool_).T
        if dark.all():
            raise ReenactError("is black from beginning to end")
        return Result({"width": shape[1], "height": shape[0]}, {"changed": changed, "dark": dark})
