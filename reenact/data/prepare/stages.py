"""The stages that turn a clip into a part of a store, and the one function by which an engine runs them.

Between stages everything lies in files under the store, so an engine moves nothing but names: any process that sees the
disk can go on with any clip.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import cv2
import torch
from threadpoolctl import threadpool_limits

from reenact.claims import try_claim
from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.contents import content_digest, hash_stamp
from reenact.data.prepare.job import Job, Settings, Tools, stage_keys
from reenact.data.prepare.parameters import find_parameters
from reenact.data.prepare.steps import STEPS, record_of
from reenact.data.prepare.work import Hand, Work
from reenact.data.store.reader import ClipRecord
from reenact.data.store.writer import StoreWriter, failed_record, make_folder, work_stem

__all__ = ["STAGES", "Device", "Job", "Settings", "Stage", "load_tools", "run_stages", "stages_for"]

Device = Literal["cpu", "gpu"]


@dataclass(frozen=True)
class Stage:
    """One step of every clip."""

    name: str
    device: Device
    """Device on which the stage runs."""
    batch: int
    """Clips that one call should be given, so that a network's batches are full; 1 where that gains nothing."""


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
"""In order, as they are where no network runs on a GPU."""
NETWORKS = frozenset({"face-alignment", "face-alignment-3d", "insightface"})
"""Libraries of landmarks whose networks run on a GPU."""
REGRESSED_CLIPS = 8
"""Clips whose frames a regressor is given together."""


def stages_for(job: Job) -> tuple[Stage, ...]:
    """The stages in order, each with the device that this job keeps busy in it."""
    if job.device == "cpu":
        return STAGES
    stages = {stage.name: stage for stage in STAGES}
    if NETWORKS & {job.settings.landmarks, job.settings.detector}:
        # The crop is a moment's work: it stays where the clip is.
        stages |= {name: replace(stages[name], device="gpu") for name in ("track", "landmarks", "crop")}
    if job.settings.parameters != "fit":
        stages["parameters"] = Stage("parameters", "gpu", REGRESSED_CLIPS)
    return tuple(stages.values())


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
    tools = _load_tools(job)
    with _limit_threads(names, job), ExitStack() as claims:
        taken_clips = [_take_clip(clip, job, tools, claims, on_frame) for clip in clips]
        hands = [item for item in taken_clips if isinstance(item, Hand)]
        for name in names:
            ready = [hand for hand in hands if hand.is_next(name)]
            if ready:
                tools.load(name)  # what is missing here ends the run: it is no clip's fault
                _run_stage(name, ready, tools)
        return [_finish_clip(item, tools.writer) if isinstance(item, Hand) else item for item in taken_clips]


def load_tools(names: Sequence[str], job: Job) -> None:
    """Load what stages need before the first clip comes; raises `ReenactError` if something is missing."""
    for name in names:
        _load_tools(job).load(name)


@contextmanager
def _limit_threads(names: Sequence[str], job: Job) -> Iterator[None]:
    """One thread for stages of the CPU: workers have the other cores, and sums come in the same order on any engine."""
    if any(stage.device == "gpu" for stage in stages_for(job) if stage.name in names):
        yield
        return
    threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv_threads)


@cache
def _load_tools(job: Job) -> Tools:
    return Tools(job)


def _take_clip(
    clip: ClipInput, job: Job, tools: Tools, claims: ExitStack, on_frame: Callable[[], None]
) -> Hand | ClipRecord | None:
    """A clip to work on, or its row where it is finished, or None where another process has it in hand."""
    writer = tools.writer
    if clip.missing:
        stored = writer.finished(clip.name, "")
        if stored is not None and (stored.status, stored.reason) == ("missing", clip.missing):
            return stored
        return _record_failure(clip, "", "missing", clip.missing, writer)
    if clip.fault:
        return _record_failure(clip, "", "quarantined", clip.fault, writer)
    keys = stage_keys(source_content(clip, writer), clip, job.settings)
    key = keys[STAGES[-1].name]

    def row() -> ClipRecord | None:
        finished = writer.finished(clip.name, key)
        return None if finished is not None and finished.status == "quarantined" and job.retry else finished

    folder = work_stem(writer.root, clip.name)
    claim = folder.with_name(f"{folder.name}.claim")
    if (record := row()) is not None:
        _sweep_folder(folder, claim)
        return record
    with writer.guarded():
        if not _claim_clip(claim, claims):
            return None
        # whoever had it in hand until now may have finished it
        if (record := row()) is not None:
            return record
        make_folder(folder)
    return Hand(clip, job.settings, keys, Work(folder, keys), on_frame)


def _claim_clip(path: Path, claims: ExitStack) -> bool:
    while True:
        make_folder(path.parent)
        with suppress(FileNotFoundError):  # another run that ended just now has removed the empty folder
            return claims.enter_context(try_claim(path))


def _sweep_folder(folder: Path, claim: Path) -> None:
    """Remove what a process has left that died right after it wrote a clip's row."""
    if not (folder.exists() or claim.exists()):
        return
    with suppress(OSError), try_claim(claim) as owned:
        if owned:
            shutil.rmtree(folder, ignore_errors=True)


def source_content(clip: ClipInput, writer: StoreWriter) -> str:
    """A hash of the clip's file; empty where it can't be read, which the first stage will say."""
    path = clip.path.absolute()
    try:
        return writer.digest(path, hash_stamp(path), lambda: content_digest(path))
    except OSError:
        return ""


def _run_stage(name: str, hands: Sequence[Hand], tools: Tools) -> None:
    start = time.perf_counter()
    if name == "parameters":
        results = find_parameters(hands, tools)
        share = (time.perf_counter() - start) / len(hands)
        with tools.writer.guarded():
            for hand, result in zip(hands, results, strict=True):
                if result is not None:
                    hand.work.save(name, result, share)
        return
    for hand in hands:
        start = time.perf_counter()
        with hand.blamed(name):
            result = STEPS[name](hand, tools)
            with tools.writer.guarded():
                hand.work.save(name, result, time.perf_counter() - start)


def _finish_clip(hand: Hand, writer: StoreWriter) -> ClipRecord | None:
    """The row of a clip that is ready or of no use, its work removed; None where stages are to come."""
    if hand.reason:
        record = _record_failure(hand.clip, hand.key, "quarantined", hand.reason, writer)
    elif all(map(hand.work.has, hand.keys)):
        record = record_of(hand)
        writer.put(record)
    else:
        return None
    shutil.rmtree(hand.work.folder, ignore_errors=True)
    return record


def _record_failure(clip: ClipInput, key: str, status: str, reason: str, writer: StoreWriter) -> ClipRecord:
    record = failed_record(
        clip.name, split=clip.split, identity=clip.identity, source=clip.source, key=key, reason=reason, status=status
    )
    writer.put(record)
    return record
