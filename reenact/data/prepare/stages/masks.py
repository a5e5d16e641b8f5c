"""Stage that finds the person in the stored frames."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.job import Settings, Tools
from reenact.data.prepare.results import crop_of, frames_at, kept_track
from reenact.data.prepare.stage import Stage
from reenact.data.prepare.work import ClipTask, Result


class MasksStage(Stage):
    """The pixels of the stored frames that show the person, where masks are asked for.

    Array `mask` (T, size, size / 8): a bit a pixel, as stores have them; none without masks.
    """

    name = "masks"
    inputs = ("crop",)
    tools = ("person_finder",)

    def key_parts(self, keys: Mapping[str, str], clip: ClipInput, settings: Settings) -> tuple[object, ...]:
        """List what the result depends on: nothing without masks."""
        return ("selfie", keys["crop"]) if settings.masks else ()

    def process_clip(self, task: ClipTask, tools: Tools) -> Result:
        """Process one clip."""
        if tools.person_finder is None:
            return Result()
        stored, track = crop_of(task), kept_track(task)
        pictures = (stored.warp_to_crop(image, outside="edge") for image in frames_at(task, track.frames))
        return Result({}, {"mask": np.packbits(tools.person_finder.find(pictures), axis=-1)})
