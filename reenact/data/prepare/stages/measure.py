"""Stages that measure the face: the crop, the parameters, the camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.clip_crop import clip_crop, kept_rows
from reenact.data.prepare.job import APPEARANCE, Settings, Tools
from reenact.data.prepare.results import (
    crop_of,
    frames_at,
    kept_track,
    params_of,
    shot_of,
)
from reenact.data.prepare.stage import Device, Stage, finder_device
from reenact.data.prepare.work import ClipTask, Result
from reenact.data.store.clip_arrays import split_params
from reenact.errors import ReenactError
from reenact.estimators.registry import find_regressor_entry
from reenact.faces.appearance import choose_frames
from reenact.faces.camera import carry_camera
from reenact.faces.crop import Crop
from reenact.tracking.face_track import FaceTrack
from reenact.tracking.parameters import RegressionBatches, fit_track, measure_appearance, measure_landmark_errors

REGRESSED_CLIPS = 8
"""Clips whose frames a regressor is given together."""


class CropStage(Stage):
    """The frames that are stored, and the square that holds for all of them.

    Arrays `rows` (N,) of the shot, and `crop` (1, 4).
    """

    name = "crop"
    inputs = ("landmarks",)

    def list_settings(self, clip: ClipInput, settings: Settings) -> tuple[object, ...]:
        """List what the result depends on beside its inputs."""
        return (settings.crop, settings.size, settings.on_missing)

    def pick_device(self, settings: Settings) -> Device:
        """Name the device of `landmarks`: the crop is a moment's work, and stays where the clip is."""
        return finder_device(settings)

    def process_clip(self, task: ClipTask, tools: Tools) -> Result:
        """Process one clip."""
        shot, settings = shot_of(task), task.settings
        rows = kept_rows(shot, settings.on_missing)
        square = clip_crop(shot.rows(rows), settings.crop, settings.size, task.clip.region)
        return Result({}, {"rows": rows, "crop": square.to_array()[None]})

    def describe_clip(self, task: ClipTask) -> dict[str, Any]:
        """Fields of the clip's row."""
        track = kept_track(task)
        return {
            "num_frames": len(track),
            "source_width": track.width,
            "source_height": track.height,
            "reason": _describe_track(task, track),
        }


class ParametersStage(Stage):
    """Face parameters, fitted to the landmarks or regressed by a network.

    Fitted, they are those of the kept frames, cameras belong to the stored crop, and `error` (T,) says how far the
    landmarks are off, as a fraction of the inter-ocular distance. Regressed, they are those of all frames of the shot,
    and cameras belong to the square around the whole frame; a frame without the face has those of its neighbours.
    """

    name = "parameters"
    inputs = ("landmarks", "crop")
    tools = ("face_model", "regressor")

    def key_parts(self, keys: Mapping[str, str], clip: ClipInput, settings: Settings) -> tuple[object, ...]:
        """List the inputs of the fit, which starts from the crop's camera, or of the regressor, which reads frames."""
        if settings.parameters == "fit":
            return "fit", keys["crop"], settings.face_model, *(APPEARANCE if settings.appearance else ())
        return settings.regressor, keys["landmarks"]

    def pick_device(self, settings: Settings) -> Device:
        """Name the device of the regressor."""
        if settings.parameters == "fit":
            return "cpu"
        return "gpu" if find_regressor_entry(settings.parameters).on_gpu else "cpu"

    def count_clips(self, settings: Settings) -> int:
        """Count the clips that share the batches of a regressor."""
        return 1 if settings.parameters == "fit" else REGRESSED_CLIPS

    def run(self, tasks: Sequence[ClipTask], tools: Tools) -> list[Result | None]:
        """Fit clip by clip, or regress the frames of all clips in shared batches."""
        if tools.regressor is None:
            return super().run(tasks, tools)
        batches = RegressionBatches(tools.regressor, len(tasks))
        for number, task in enumerate(tasks):
            with task.blamed(self.name):
                shot = shot_of(task)
                visible = shot.rows(np.flatnonzero(shot.visible))
                for image, points in zip(frames_at(task, visible.frames), visible.landmarks, strict=True):
                    batches.add(number, image, points)
        batches.finish()
        return [
            None if task.reason else Result({}, split_params(batches.parameters(number, shot_of(task).visible)))
            for number, task in enumerate(tasks)
        ]

    def process_clip(self, task: ClipTask, tools: Tools) -> Result:
        """Fit the face model to the landmarks of the kept frames, and its texture and light to some of the pictures."""
        track, crop = kept_track(task), crop_of(task)
        params, error = fit_track(track, tools.face_model, [crop])
        if task.settings.appearance:
            numbers = choose_frames(track.visible)
            images = frames_at(task, track.frames[numbers])
            params = measure_appearance(params, tools.face_model, numbers, images, [crop] * len(numbers))
        return Result({}, {"error": error, **split_params(params)})


class CameraStage(Stage):
    """Face parameters of the kept frames, with cameras of the stored crop.

    Fact `error`: how well they fit.
    """

    name = "camera"
    inputs = ("crop", "parameters")
    tools = ("face_model",)

    def list_settings(self, clip: ClipInput, settings: Settings) -> tuple[object, ...]:
        """List what the result depends on beside its inputs."""
        return (settings.face_model, settings.max_error)

    def process_clip(self, task: ClipTask, tools: Tools) -> Result:
        """Process one clip."""
        parameters, stored = task.work["parameters"].arrays, crop_of(task)
        if task.settings.parameters == "fit":
            params = params_of({name: array for name, array in parameters.items() if name != "error"})
            error = parameters["error"]
        else:
            shot, rows = shot_of(task), task.work["crop"].arrays["rows"]
            params = params_of({name: array[rows] for name, array in parameters.items()})
            params.camera = carry_camera(params.camera, Crop.whole(shot.height, shot.width), stored)
            error = measure_landmark_errors(kept_track(task), stored, tools.face_model, params)
        mean = float(np.nanmean(error))
        # not `>`: a network's numbers may be no numbers
        if not mean <= task.settings.max_error:
            raise ReenactError(f"does not fit a face: landmarks are off by {mean:.0%} of the inter-ocular distance")
        return Result({"error": mean}, split_params(params))

    def describe_clip(self, task: ClipTask) -> dict[str, Any]:
        """Fields of the clip's row."""
        return {"error": task.work[self.name].facts["error"]}


def _describe_track(task: ClipTask, track: FaceTrack) -> str:
    """Return a remark about a usable clip."""
    notes, facts = [], task.work["landmarks"].facts
    if facts["cuts"]:
        notes.append(f"cut at frame {', '.join(map(str, facts['cuts']))}: kept {track.frames[0]} to {track.frames[-1]}")
    if facts["black"]:
        notes.append(f"{facts['black']} black frames left out")
    if not track.visible.all():
        notes.append(f"face filled in for {int((~track.visible).sum())} frames")
    return "; ".join(notes)
