"""`reenact prepare`: all clips of an input, in as many processes as there are cores, into one store."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Literal

import cv2
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reenact.data.prepare.inputs import ClipInput, find_inputs, has_fomm_layout
from reenact.data.prepare.job import CropChoice, OnMissing, Settings, Tools, look_up, prepare_clip, store_info
from reenact.data.prepare.report import print_report, print_status
from reenact.data.store import MANIFEST, ClipRecord, Store
from reenact.data.store_writer import StoreWriter
from reenact.errors import ReenactError
from reenact.estimators.registry import LandmarkChoice, load_face_finder, resolve_landmarks
from reenact.faces.registry import load_face_model

_tools: Tools | ReenactError | None = None
_counter: Synchronized[int] | None = None


def prepare(
    input: Path | None = None,
    out: Path | None = None,
    *,
    face_model: str = "head",
    landmarks: LandmarkChoice = "auto",
    size: int = 256,
    crop: Literal["auto", "fomm", "pwm", "none"] = "auto",
    on_missing: OnMissing = "hold",
    face_index: int = 0,
    workers: int | None = None,
    status: Path | None = None,
) -> None:
    """Turn videos and pictures into a store that every method trains on.

    Run it again to go on after an interruption or to add clips: what is finished is not done again.

    Args:
        input: A video, a picture, a folder of them, a folder with `train` and `test` of clips that are cropped
            already, or the word `synthetic` for the videos of the synthetic world.
        out: Folder of the store; of the videos for `synthetic`.
        face_model: Face model to fit: head, flame, or the path of a FLAME file.
        landmarks: Landmark estimator; auto is face-alignment where its weights are present, else dlib.
        size: Side of the stored frames in pixels.
        crop: fomm (one square over the clip), pwm (tighter, of the same kind), none (the whole frame); auto is none
            for a folder with train and test, else fomm.
        on_missing: Frames without a face: hold (fill in from their neighbours), skip, or error (refuse the clip).
        face_index: Which face: 0 is the largest of the first picture that shows one.
        workers: Processes; as many as cores by default.
        status: A store whose clips are listed; nothing is prepared.

    Raises:
        ReenactError: if the input holds nothing usable, or the output is something else or can't be written.
    """
    if status is not None:
        print_status(status)
        return
    if input is None or out is None:
        raise ReenactError("prepare needs INPUT and --out STORE; or --status STORE to list a store")
    if str(input) == "synthetic":
        from reenact.data.synthetic.write import write_synthetic

        write_synthetic(out, size=size)
        return
    if size < 16 or face_index < 0 or (workers is not None and workers < 1):
        raise ReenactError("--size must be at least 16, --face_index at least 0, and --workers at least 1")
    clips = find_inputs(input)
    rule: CropChoice = ("none" if has_fomm_layout(input) else "fomm") if crop == "auto" else crop
    library = resolve_landmarks(landmarks)
    if landmarks == "auto":
        Console().print(
            f"Landmarks by {library}" + (" (face-alignment's weights are absent)" if library == "dlib" else "")
        )
    model = load_face_model(face_model)
    model.landmarks68(model.mean_vertices[None])  # refuses a FLAME file without its landmarks
    settings = Settings(model.name, library, rule, size, on_missing, face_index)
    fresh = not (out / MANIFEST).exists()
    StoreWriter(out, store_info(settings))
    start = time.perf_counter()
    try:
        records = _run(clips, settings, face_model, out, min(workers or _cores(), len(clips)))
    finally:
        if fresh:
            _remove_empty(out)
    print_report(out, records, time.perf_counter() - start)
    if not any(record.status == "ok" for record in records):
        first = records[0]
        raise ReenactError(f"{first.source} {first.reason}; give a clip or picture with a clearly visible face")


def _run(clips: Sequence[ClipInput], settings: Settings, spec: str, out: Path, workers: int) -> list[ClipRecord]:
    """Prepare all clips, the progress on show; the rows in the order of the clips."""
    columns = (
        TextColumn("preparing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("clips, {task.fields[frames]} frames seen"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("prepare", total=len(clips), frames=0)

        def show(done: int, frames: int) -> None:
            progress.update(task, completed=done, frames=frames)

        if workers == 1:
            return _run_here(clips, settings, spec, out, show)
        return _run_pool(clips, settings, spec, out, workers, show)


def _run_here(
    clips: Sequence[ClipInput], settings: Settings, spec: str, out: Path, show: Callable[[int, int], None]
) -> list[ClipRecord]:
    writer = StoreWriter(out, store_info(settings))
    tools: Tools | None = None
    records: list[ClipRecord] = []
    seen = 0

    def on_frame() -> None:
        nonlocal seen
        seen += 1
        show(len(records), seen)

    for clip in clips:
        key, done = look_up(clip, settings, writer)
        if done is None:
            tools = tools or _load_tools(settings, spec, out)
            done = prepare_clip(clip, key, settings, tools, on_frame)
        records.append(done)
        show(len(records), seen)
    return records


def _run_pool(
    clips: Sequence[ClipInput],
    settings: Settings,
    spec: str,
    out: Path,
    workers: int,
    show: Callable[[int, int], None],
) -> list[ClipRecord]:
    # A forked child would inherit locks of torch's and OpenCV's threads, so workers start afresh.
    context = multiprocessing.get_context("spawn")
    counter: Synchronized[int] = context.Value("q", 0)
    writer = StoreWriter(out, store_info(settings))
    with ProcessPoolExecutor(workers, context, _start_worker, (settings, spec, out, counter)) as pool:
        futures: list[Future[ClipRecord]] = []
        ready = 0
        try:
            for clip in clips:  # workers start with the first clip that is not finished
                key, record = look_up(clip, settings, writer)
                futures.append(_ready(record) if record else pool.submit(_work, clip, key, settings))
                ready += record is not None
                show(ready, counter.value)
            for done in _finished(futures):
                show(done, counter.value)
        except BrokenProcessPool as error:
            raise ReenactError(
                "A worker process died (out of memory?); run the same command again to go on, with fewer --workers"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return [future.result() for future in futures]


def _ready(record: ClipRecord) -> Future[ClipRecord]:
    future: Future[ClipRecord] = Future()
    future.set_result(record)
    return future


def _finished(futures: Sequence[Future[ClipRecord]]) -> Iterator[int]:
    """The number of finished futures, several times a second; raises what one of them raised."""
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, timeout=0.25, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        yield len(futures) - len(waiting)


def _start_worker(settings: Settings, spec: str, out: Path, counter: Synchronized[int]) -> None:
    global _tools, _counter
    # The terminal sends Ctrl-C to every process; the parent alone answers, and lets clips in hand be finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    _counter = counter
    try:
        _tools = _load_tools(settings, spec, out)
    except ReenactError as error:  # raised here it would only say that a worker died
        _tools = error


def _work(clip: ClipInput, key: str, settings: Settings) -> ClipRecord:
    if isinstance(_tools, ReenactError):
        raise _tools
    assert _tools is not None
    return prepare_clip(clip, key, settings, _tools, _count_frame)


def _count_frame() -> None:
    assert _counter is not None
    with _counter.get_lock():
        _counter.value += 1


def _load_tools(settings: Settings, spec: str, out: Path) -> Tools:
    finder = load_face_finder("dlib" if settings.landmarks == "dlib" else "face-alignment")
    return Tools(finder, load_face_model(spec), StoreWriter(out, store_info(settings)))


def _remove_empty(out: Path) -> None:
    """Take away a store made by this run in which no clip is usable."""
    if Store(out).clips():
        return
    (out / MANIFEST).unlink()
    for folder in ("clips", "previews"):  # an interrupted clip may have left a file there
        shutil.rmtree(out / folder, ignore_errors=True)
    if not any(out.iterdir()):
        out.rmdir()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
