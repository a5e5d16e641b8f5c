"""Protocol of engines, which bring clips through the stages on this machine or on many.

Clips go through groups of stages: neighbours that keep the same device busy. An engine moves names alone, since all
results lie in files.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.job import Job
from reenact.data.prepare.runner import load_tools, run_stages
from reenact.data.prepare.stage import Device
from reenact.data.prepare.stage_list import count_clips, find_stages, pick_device, stage_names
from reenact.data.store.reader import ClipRecord
from reenact.data.store.writer import StoreWriter, build_failed_record

ATTEMPTS = 5
"""Workers that a clip may cost before it is taken for the cause."""
PAUSE = 1.0
"""Seconds until a clip is asked for again that another run has in hand."""


@dataclass(frozen=True)
class Group:
    """Stages that run in one call."""

    names: tuple[str, ...]
    device: Device
    batch: int
    """Clips in one call."""


class Engine(Protocol):
    """Runs a job."""

    def run(
        self,
        clips: Sequence[ClipInput],
        job: Job,
        on_clip: Callable[[ClipRecord], None],
        on_frames: Callable[[int], None],
    ) -> None:
        """Bring every clip into the manifest.

        Args:
            clips: Those that are not in it yet.
            job: What to do with them.
            on_clip: Called with the row of each clip.
            on_frames: Called now and then with the number of frames tracked so far.

        Raises:
            ReenactError: if the store can't be written, weights are missing, or the machines can't be reached.
        """


class InlineEngine:
    """This process, clip after clip."""

    def run(
        self,
        clips: Sequence[ClipInput],
        job: Job,
        on_clip: Callable[[ClipRecord], None],
        on_frames: Callable[[int], None],
    ) -> None:
        """Bring every clip into the manifest; see `Engine.run`."""
        names = stage_names()
        load_tools(names, job)
        frames = itertools.count(1)
        waiting = deque(clips)
        while waiting:
            (row,) = run_stages(names, [waiting[0]], job, lambda: on_frames(next(frames)))
            if row is None:
                waiting.rotate(-1)
                time.sleep(PAUSE)
            else:
                on_clip(row)
                waiting.popleft()


def groups_of(job: Job) -> list[Group]:
    """The stages of a job in groups, in order."""
    return [
        Group(tuple(stage.name for stage in stages), device, max(count_clips(stage, job) for stage in stages))
        for device, stages in (
            (device, list(stages))
            for device, stages in itertools.groupby(find_stages(), lambda stage: pick_device(stage, job))
        )
    ]


def quarantine_clip(clip: ClipInput, writer: StoreWriter, cause: str) -> ClipRecord:
    """Quarantine a clip on which workers died.

    Its key is empty, so that the next run tries it again.
    """
    record = build_failed_record(
        clip.name,
        split=clip.split,
        identity=clip.identity,
        source=clip.source,
        key="",
        reason=f"{ATTEMPTS} workers died on it ({cause}); out of memory? Try again with fewer --workers",
    )
    writer.put(record)
    return record
