"""The synthetic world as a store with its exact parameters, for trainings of many epochs over many people."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.progress import track

from reenact.data.store.reader import ClipRecord, StoreInfo
from reenact.data.store.writer import ClipArrays, StoreWriter, fields_of
from reenact.data.synthetic.clips import person_name
from reenact.errors import ReenactError
from reenact.faces.crop import Crop
from reenact.progress import open_progress_console
from reenact.world.motion import FPS
from reenact.world.renderer import World


def write_synthetic_store(
    out: Path,
    identities: int = 6000,
    test_identities: int = 100,
    clips_per_identity: int = 2,
    frames_per_clip: int = 5,
    every: int = 25,
    size: int = 128,
    world: int = 0,
    workers: int = 2,
) -> None:
    """Write clips of the world with the truth about each frame; clips already there are kept.

    A person costs a tenth of a second to make and a frame some milliseconds, so a store pays from the second epoch on.

    Args:
        out: Folder of the store.
        identities: People in `train`.
        test_identities: Other people, in `test`.
        clips_per_identity: Clips of each person.
        frames_per_clip: Frames of each clip.
        every: Frames of the world, 25 a second, from one to the next; so many that the pictures differ.
        size: Side of the frames in pixels.
        world: Seed of the world.
        workers: Processes.

    Raises:
        ReenactError: if a number is not positive or the folder can't be written.
    """
    if min(identities, clips_per_identity, frames_per_clip, every, workers) < 1 or min(test_identities, world) < 0:
        raise ReenactError("people, clips, frames and workers must be 1 or more, and the seed 0 or more")
    frames = range(0, frames_per_clip * every, every)
    _, arrays = next(_render_clips(world, 0, 1, frames, size))
    info = StoreInfo(
        "head", size, {"world": str(world), "every": str(every), "frames": str(frames_per_clip)}, fields_of(arrays)
    )
    StoreWriter(out, info)
    people = [("train" if person < identities else "test", person) for person in range(identities + test_identities)]
    work = partial(_write_person, out, info, world, clips_per_identity, frames, size)
    # A forked child would inherit locks of torch's and OpenCV's threads, so workers start afresh.
    with multiprocessing.get_context("spawn").Pool(workers, _one_thread) as pool:
        console = open_progress_console()
        for _ in track(
            pool.imap_unordered(work, people, chunksize=8), description="people", total=len(people), console=console
        ):
            pass


def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def _write_person(
    out: Path, info: StoreInfo, world: int, clips: int, frames: range, size: int, split_and_person: tuple[str, int]
) -> None:
    split, person = split_and_person
    writer = StoreWriter(out, info)
    names = [f"{person_name(person)}#{clip:03d}" for clip in range(clips)]
    if all(writer.finished(name, "") for name in names):
        return
    for name, (images, arrays) in zip(names, _render_clips(world, person, clips, frames, size), strict=True):
        record = ClipRecord(
            name=name,
            split=split,
            identity=person_name(person),
            status="ok",
            reason="",
            source=f"synthetic world {world}",
            key="",
            num_frames=len(frames),
            fps=Fraction(FPS, frames.step),
            source_width=size,
            source_height=size,
            error=0.0,
            seconds={},
        )
        writer.add(record, iter(images), arrays)


def _render_clips(
    world: int, person: int, clips: int, frames: range, size: int
) -> Iterator[tuple[np.typing.NDArray[np.uint8], ClipArrays]]:
    """Pictures and arrays of a person's clips."""
    for clip in range(clips):
        images, params, landmarks = World(world).sequence(person, clip, frames, size)
        crop = Crop.whole(size, size).to_array()[None]
        yield images, ClipArrays(crop, np.ones(1, np.bool_), landmarks, params)
