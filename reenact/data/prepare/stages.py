"""The stages that turn a clip into a part of a store, and the one function by which an engine runs them.

Between stages everything lies in files under the store, so an engine moves nothing but names: any process that sees the
disk can go on with any clip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from reenact.data.prepare.inputs import ClipInput
from reenact.data.prepare.job import Settings, Tools, look_up, prepare_clip, store_info
from reenact.data.store import ClipRecord
from reenact.data.store_writer import StoreWriter
from reenact.estimators.registry import load_face_finder
from reenact.faces.registry import load_face_model

Device = Literal["cpu", "gpu"]


@dataclass(frozen=True)
class Stage:
    """One step of every clip."""

    name: str
    device: Device
    """What it is busy with."""
    batch: int
    """Clips that one call should be given, so that a network's batches are full; 1 where that gains nothing."""


@dataclass(frozen=True)
class Job:
    """What a run does with every clip; crosses process and machine borders."""

    out: Path
    """The store's folder, on a disk that all workers see."""
    settings: Settings
    face_model: str
    """The face model as it was asked for, such as the path of a file."""
    device: str = "cpu"
    """Where the networks of `gpu` stages run: `cpu`, `cuda`, `cuda:1`."""


STAGES = (
    Stage("probe", "cpu", 1),
    Stage("cuts", "cpu", 1),
    Stage("track", "cpu", 1),
    Stage("landmarks", "cpu", 1),
    Stage("crop", "cpu", 1),
    Stage("parameters", "cpu", 1),
    Stage("camera", "cpu", 1),
    Stage("write", "cpu", 1),
    Stage("preview", "cpu", 1),
)
"""In order."""


def stages_for(job: Job) -> tuple[Stage, ...]:
    """The stages in order, each with the device that this job keeps busy in it."""
    return STAGES


def run_stages(
    names: Sequence[str], clips: Sequence[ClipInput], job: Job, on_frame: Callable[[], None] = lambda: None
) -> list[ClipRecord | None]:
    """Run some consecutive stages of some clips, in a worker; tools are loaded once per process.

    What is finished is skipped; a clip is left alone whose earlier stages are not finished, or which another process
    has in hand. So engines call this for all groups of stages in order, and start over, after a pause, with the clips
    for which even the last group gave None. A clip that gave a row needs no further call. Safe to kill at any instant.

    Args:
        names: Of stages, in order.
        clips: Which.
        job: What to do.
        on_frame: Called after each frame that is tracked.

    Returns:
        For each clip its row where it is in the manifest now (usable, quarantined or missing), else None.

    Raises:
        StoreWriteError: if the store can't be written: end the run.
        ReenactError: if an estimator or a model can't be loaded: end the run.
    """
    if "preview" not in names:
        return [None] * len(clips)
    tools = _tools(job)
    records: list[ClipRecord | None] = []
    for clip in clips:
        key, record = look_up(clip, job.settings, tools.writer)
        records.append(record or prepare_clip(clip, key, job.settings, tools, on_frame))
    return records


@cache
def _tools(job: Job) -> Tools:
    finder = load_face_finder("dlib" if job.settings.landmarks == "dlib" else "face-alignment")
    return Tools(finder, load_face_model(job.face_model), StoreWriter(job.out, store_info(job.settings)))
