"""`reenact world`: the synthetic world as a store with exact parameters, for trainings of many epochs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from reenact.data.store.clip_arrays import ClipArrays, list_fields
from reenact.data.store.manifest_writer import check_store_folder
from reenact.data.store.reader import ClipRecord, StoreInfo
from reenact.data.store.writer import StoreWriter
from reenact.data.synthetic.clips import person_name
from reenact.errors import ReenactError
from reenact.faces.crop import Crop
from reenact.paths import PathLike
from reenact.progress import open_progress_console
from reenact.world.motion import FPS
from reenact.world.renderer import World

MOST_FRAMES = 100_000
"""Limit of the frames of a clip, an hour: a clip is drawn in memory."""
MOST_PIXELS = 8192
"""Limit of the side of a frame."""


@dataclass(frozen=True, kw_only=True)
class _Takes:
    """Clips to draw of each person."""

    world: int
    clips: int
    frames: range
    size: int
    masks: bool


def write_synthetic_store(
    out: PathLike,
    *,
    identities: int = 20,
    test_identities: int = 4,
    clips_per_identity: int = 2,
    frames_per_clip: int = 100,
    every: int = 1,
    size: int = 128,
    world: int = 0,
    masks: bool = False,
    workers: int = 2,
) -> str:
    """Write clips of the synthetic world as a store with the exact parameters of each frame.

    Clips already there are kept; people can be added to `test` alone, since they follow those of `train`. A person
    costs a tenth of a second to make and a frame some milliseconds, so a store pays from the second epoch on.

    Args:
        out: Folder of the store.
        identities: People in `train`.
        test_identities: Other people, in `test`.
        clips_per_identity: Clips of each person.
        frames_per_clip: Frames of each clip.
        every: Frames of the world, 25 a second, from one to the next; 25 gives pictures that differ.
        size: Side of the frames in pixels.
        world: Seed of the world.
        masks: Write the exact mask of the person as well.
        workers: Processes.

    Raises:
        ReenactError: if a number is out of range, the folder can't be written, or it has test people who would be in
            `train`.
    """
    _check_range("--identities", identities, 1)
    _check_range("--test-identities", test_identities, 0)
    _check_range("--clips-per-identity", clips_per_identity, 1)
    _check_range("--frames-per-clip", frames_per_clip, 1, MOST_FRAMES)
    _check_range("--every", every, 1)
    _check_range("--world", world, 0)
    _check_range("--workers", workers, 1)
    _check_range("--size", size, 16, MOST_PIXELS)
    out, frames = Path(out), range(0, frames_per_clip * every, every)
    check_store_folder(out)
    takes = _Takes(world=world, clips=clips_per_identity, frames=frames, size=size, masks=masks)
    _, arrays = _render_clip(takes, 0, 0, frames[:1])
    recipe = {"world": str(world), "every": str(every), "frames": str(frames_per_clip)}
    info = StoreInfo("head", size, recipe, list_fields(arrays))
    people = [("train" if person < identities else "test", person) for person in range(identities + test_identities)]
    _check_splits(StoreWriter(out, info), people)
    with ExitStack() as stack:
        results = _start_work(partial(_write_person, out, info, takes), people, workers, stack)
        for _ in track(results, description="people", total=len(people), console=open_progress_console()):
            pass
    return f"{len(people) * clips_per_identity} clips of {len(people)} people, {frames_per_clip} frames each: {out}"


def _check_range(option: str, value: int, least: int, most: int | None = None) -> None:
    if value < least or (most is not None and value > most):
        limits = f"from {least} to {most}" if most is not None else f"at least {least}"
        raise ReenactError(f"must be {limits}", subject=f"{option} {value}")


def _check_splits(writer: StoreWriter, people: Sequence[tuple[str, int]]) -> None:
    """Refuse to take people who are in one split for the other."""
    for split, person in people:
        record = writer.finished(f"{person_name(person)}#000", "")
        if record is not None and record.split != split:
            raise ReenactError(
                f"has {person_name(person)} in {record.split}, not in {split}",
                subject=writer.root,
                remedy="give the --identities that it was written with, or another folder",
            )


def _start_work(
    work: Callable[[tuple[str, int]], None], people: Sequence[tuple[str, int]], workers: int, stack: ExitStack
) -> Iterator[None]:
    """Write the clips of people, by one process for each worker unless there is one."""
    if workers == 1:
        return map(work, people)
    # A forked child would inherit locks of torch's and OpenCV's threads, so workers start afresh.
    pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(min(workers, len(people)), _one_thread))
    return pool.imap_unordered(work, people, chunksize=min(8, -(-len(people) // workers)))


def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def _write_person(out: Path, info: StoreInfo, takes: _Takes, split_and_person: tuple[str, int]) -> None:
    split, person = split_and_person
    writer = StoreWriter(out, info)
    names = [f"{person_name(person)}#{clip:03d}" for clip in range(takes.clips)]
    if all(writer.finished(name, "") for name in names):
        return
    for name, (images, arrays) in zip(names, _render_clips(takes, person), strict=True):
        record = ClipRecord(
            name=name,
            split=split,
            identity=person_name(person),
            status="ok",
            reason="",
            source=f"synthetic world {takes.world}",
            key="",
            num_frames=len(takes.frames),
            fps=Fraction(FPS, takes.frames.step),
            source_width=takes.size,
            source_height=takes.size,
            error=0.0,
            seconds={},
        )
        writer.add(record, iter(images), arrays)


def _render_clips(takes: _Takes, person: int) -> Iterator[tuple[NDArray[np.uint8], ClipArrays]]:
    """Pictures and arrays of a person's clips."""
    for clip in range(takes.clips):
        yield _render_clip(takes, person, clip, takes.frames)


def _render_clip(takes: _Takes, person: int, clip: int, frames: range) -> tuple[NDArray[np.uint8], ClipArrays]:
    world, size = World(takes.world), takes.size
    images, params, landmarks = world.sequence(person, clip, frames, size)
    mask = world.masks(person, clip, frames, size)[:, 0] > 127 if takes.masks else None
    crop = Crop.whole(size, size).to_array()[None]
    return images, ClipArrays(crop=crop, visible=np.ones(1, np.bool_), landmarks=landmarks, params=params, mask=mask)
