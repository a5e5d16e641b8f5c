"""Refusals of `animate` before any work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from reenact.apps.animator import Animator
from reenact.apps.edit_names import FAMILIES, name_control
from reenact.apps.edit_options import COMMON_CONTROLS
from reenact.errors import ReenactError
from reenact.media.media_kinds import check_input, is_picture, is_video
from reenact.media.sound import check_sound

Audio = Literal["driving", "source", "none"]


def refuse_controls(settings: Mapping[str, str]) -> None:
    """Refuse names of controls among the settings of the method."""
    for name in settings:
        if name_control(name) in COMMON_CONTROLS or name.partition(".")[0] in FAMILIES:
            raise ReenactError(
                f"--set {name} is a control of the face, which animate takes from --driving: set it with reenact edit"
                f" --set {name}={settings[name]}"
            )


def check_files(source: Path, driving: Path, driving_clip: str | None, out: Path, audio: Audio) -> None:
    """Refuse files that can't be used, or not with each other."""
    check_input(source, "--source")
    if not driving.is_dir():
        check_input(driving, "--driving")
    if driving_clip is not None and not driving.is_dir():
        raise ReenactError(f"--driving-clip {driving_clip}: --driving {driving} is no store, which alone has clips")
    if audio == "source" and is_picture(source):
        raise ReenactError(f"--audio source: the picture {source} has no sound; use driving or none")
    if is_picture(out) and not (is_picture(source) and is_picture(driving)):
        raise ReenactError(f"--out {out} is a picture but the result is a video; name it .mp4")
    sounding = {"driving": driving, "source": source, "none": None}[audio]
    if sounding is not None and is_video(sounding):
        check_sound(sounding)


def refuse_moving_source(source: Path, animator: Animator) -> None:
    """Refuse a video as the source of a method that can't follow one."""
    if not is_picture(source) and not animator.network.moving_source:
        raise ReenactError(
            f"--source {source} is a video, and {animator.module.method} animates pictures alone: give a picture of the"
            " face"
        )


def check_numbers(strength: float | None, batch_size: int | None, face_index: int, driving_face_index: int) -> None:
    """Refuse numbers that no option takes."""
    if strength is not None and not np.isfinite(strength):
        raise ReenactError(f"--strength {strength} is not a finite number; 1 is the full motion")
    if batch_size is not None and batch_size < 1:
        raise ReenactError(f"--batch-size {batch_size} must be at least 1")
    for name, index in (("face-index", face_index), ("driving-face-index", driving_face_index)):
        if index < 0:
            raise ReenactError(f"--{name} {index} must be at least 0, which is the largest face")
