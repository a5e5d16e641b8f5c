"""Stages that write the clip's files and its preview."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.job import Settings, Tools
from reenact.data.prepare.preview import draw_preview, preview_rows, preview_tiles
from reenact.data.prepare.results import (
    crop_of,
    frames_at,
    kept_track,
    mask_of,
    params_of,
)
from reenact.data.prepare.stage import Stage
from reenact.data.prepare.stage_list import record_of
from reenact.data.prepare.work import ClipTask, Result
from reenact.data.store.clip_arrays import ClipArrays
from reenact.data.store.manifest_writer import StoreWriteError
from reenact.data.store.writer import make_folder
from reenact.errors import ReenactError
from reenact.media.pictures import write_image
from reenact.media.video import Image


class WriteStage(Stage):
    """The clip's files.

    Array `tiles`: pixels of the preview.
    """

    name = "write"
    inputs = ("camera", "masks")

    def key_parts(self, keys: Mapping[str, str], clip: ClipInput, settings: Settings) -> tuple[object, ...]:
        """List what the result depends on; without masks as before there were any, so that stores stay valid."""
        return (keys["camera"], "edge", *((keys["masks"],) if settings.masks else ()))

    def process_clip(self, task: ClipTask, tools: Tools) -> Result:
        """Process one clip."""
        track, stored = kept_track(task), crop_of(task)
        arrays = ClipArrays(
            crop=task.work["crop"].arrays["crop"],
            visible=track.visible,
            landmarks=stored.to_crop(track.landmarks),
            params=params_of(task.work["camera"].arrays),
            mask=mask_of(task),
        )
        preview_numbers = set(preview_rows(len(track)))
        tiles: list[NDArray[np.uint8]] = []

        def pictures() -> Iterator[Image]:
            for row, image in enumerate(frames_at(task, track.frames)):
                if row in preview_numbers:
                    tiles.append(preview_tiles(image, stored))
                yield stored.warp_to_crop(image, outside="edge")

        tools.writer.write(record_of(task), pictures(), arrays, task.work.folder)
        return Result({}, {"tiles": np.stack(tiles)})


class PreviewStage(Stage):
    """The picture by which a person judges the clip."""

    name = "preview"
    inputs = ("write",)
    tools = ("face_model",)

    def process_clip(self, task: ClipTask, tools: Tools) -> Result:
        """Process one clip."""
        track, stored = kept_track(task), crop_of(task)
        rows = torch.tensor(preview_rows(len(track)))
        name, error = task.clip.name, task.work["camera"].facts["error"]
        sheet = draw_preview(
            task.work["write"].arrays["tiles"],
            stored.to_crop(track.landmarks[rows.numpy()]) / stored.size,
            tools.face_model,
            params_of(task.work["camera"].arrays)[rows],
            f"{name}: {len(track)} frames, error {error:.1%} of the inter-ocular distance",
        )
        picture, path = task.work.folder / "preview.jpg", tools.writer.root / "previews" / f"{name}.jpg"
        with tools.writer.guarded():
            make_folder(path.parent)
            try:
                write_image(picture, sheet)
            except ReenactError as failure:
                raise StoreWriteError(str(failure)) from failure
            picture.replace(path)
        return Result()
