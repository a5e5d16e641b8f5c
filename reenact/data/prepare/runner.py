"""The function by which an engine runs stages of clips, in this process.

Between stages everything lies in files under the store, so an engine moves nothing but names: any process that sees the
disk can go on with any clip.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

import cv2
import torch
from threadpoolctl import threadpool_limits

from reenact.claims import try_claim
from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.contents import content_digest, hash_stamp
from reenact.data.prepare.job import Job, Tools
from reenact.data.prepare.stage import Stage
from reenact.data.prepare.stage_list import clip_key, count_clips, pick_device, pick_stages, record_of, stage_keys
from reenact.data.prepare.work import ClipTask, Work
from reenact.data.store.reader import ClipRecord
from reenact.data.store.writer import StoreWriter, build_failed_record, make_folder, work_stem
from reenact.devices import explain_full_memory

MEMORY_REMEDIES = ("--workers 1", "--device cpu")
"""Options of `prepare` that take less memory of the device, in the order in which to try them."""


@explain_full_memory(MEMORY_REMEDIES)
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
        ReenactError: if an estimator or a model can't be loaded, or the memory of the device is full: end the run.
    """
    tools = _load_tools(job)
    with _limit_threads(names, job), ExitStack() as claims:
        taken_clips = [_take_clip(clip, job, tools, claims, on_frame) for clip in clips]
        tasks = [item for item in taken_clips if isinstance(item, ClipTask)]
        for stage in pick_stages(names):
            ready = [task for task in tasks if task.is_next(stage.name)]
            if ready:
                stage.load(tools)  # what is missing here ends the run: it is no clip's fault
                _run_stage(stage, ready, count_clips(stage, job), tools)
        return [_finish_clip(item, tools.writer) if isinstance(item, ClipTask) else item for item in taken_clips]


@explain_full_memory(MEMORY_REMEDIES)
def load_tools(names: Sequence[str], job: Job) -> None:
    """Load what stages need before the first clip comes; raises `ReenactError` if something is missing."""
    for stage in pick_stages(names):
        stage.load(_load_tools(job))


@contextmanager
def _limit_threads(names: Sequence[str], job: Job) -> Iterator[None]:
    """One thread for stages of the CPU: workers have the other cores, and sums come in the same order on any engine."""
    if any(pick_device(stage, job) == "gpu" for stage in pick_stages(names)):
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
) -> ClipTask | ClipRecord | None:
    """A clip to work on, or its row where it is finished, or None where another process has it in task."""
    writer = tools.writer
    if clip.missing:
        stored = writer.finished(clip.name, "")
        if stored is not None and (stored.status, stored.reason) == ("missing", clip.missing):
            return stored
        return _record_failure(clip, "", "missing", clip.missing, writer)
    if clip.fault:
        return _record_failure(clip, "", "quarantined", clip.fault, writer)
    keys = stage_keys(source_content(clip, writer), clip, job.settings)
    key = clip_key(keys)

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
    return ClipTask(clip=clip, settings=job.settings, keys=keys, work=Work(folder, keys), key=key, on_frame=on_frame)


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


def _run_stage(stage: Stage, tasks: Sequence[ClipTask], count: int, tools: Tools) -> None:
    """Run a stage for clips, so many in a call, and save their results."""
    for number in range(0, len(tasks), count):
        group = tasks[number : number + count]
        start = time.perf_counter()
        results = stage.run(group, tools)
        for task, result in zip(group, results, strict=True):
            if result is not None:
                with task.blamed(stage.name), tools.writer.guarded():
                    task.work.save(stage.name, result, (time.perf_counter() - start) / len(group))


def _finish_clip(task: ClipTask, writer: StoreWriter) -> ClipRecord | None:
    """The row of a clip that is ready or of no use, its work removed; None where stages are to come."""
    if task.reason:
        record = _record_failure(task.clip, task.key, "quarantined", task.reason, writer)
    elif all(map(task.work.has, task.keys)):
        record = record_of(task)
        writer.put(record)
    else:
        return None
    shutil.rmtree(task.work.folder, ignore_errors=True)
    return record


def _record_failure(clip: ClipInput, key: str, status: str, reason: str, writer: StoreWriter) -> ClipRecord:
    record = build_failed_record(
        clip.name, split=clip.split, identity=clip.identity, source=clip.source, key=key, reason=reason, status=status
    )
    writer.put(record)
    return record
