"""Random pairs from a store against decoding the whole mp4 for each pair; resident memory over many pairs.

    python benchmarks/loader.py [--clips 200 --frames 200 --size 256 --workers 2 --pairs 10000 --root FOLDER]

Frames are made: smooth pictures that drift, with grain, so that their files have the sizes that real frames have.
Prints, for both ways, pairs per CPU second of one process and pairs per second with --workers processes, their ratio,
and the resident memory of all processes (proportional share) at ten points of the long run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from reenact.data.clips import StoreClips
from reenact.data.datamodule import start_worker
from reenact.data.sampling import EpochSampler, TrainingPairs, collate
from reenact.data.store import ClipRecord, Store, StoreInfo, to_tensor
from reenact.data.store_writer import ClipArrays, StoreWriter, fields_of
from reenact.data.video import Image, VideoReader
from reenact.data.video_writer import VideoWriter
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair

FPS = Fraction(25)


def made_frames(seed: int, count: int, size: int) -> Iterator[Image]:
    random = np.random.default_rng(seed)
    side = size + 64
    smooth = cv2.resize(
        random.integers(0, 256, (12, 12, 3), dtype=np.uint8), (side, side), interpolation=cv2.INTER_CUBIC
    )
    canvas = np.clip(smooth.astype(np.int16) + random.normal(0, 1.5, smooth.shape).astype(np.int16), 4, 251)
    grain = random.normal(0, 1.0, (8, size, size, 3)).round().astype(np.int16)
    for number in range(count):
        x, y = (round(32 + 31 * wave) for wave in (np.sin(number / 9), np.cos(number / 7)))
        yield np.clip(canvas[y : y + size, x : x + size] + grain[number % 8], 0, 255).astype(np.uint8)


def made_arrays(frames: int) -> ClipArrays:
    random = torch.randn
    params = FaceParams(
        shape=random(1, 100).expand(frames, -1),
        expression=random(frames, 50),
        global_pose=random(frames, 3),
        neck_pose=random(frames, 3),
        jaw_pose=random(frames, 3),
        eye_pose=random(frames, 6),
        camera=random(frames, 3),
    )
    landmarks = random(frames, 68, 2).numpy()
    return ClipArrays(np.array([[0.0, 0, 256, 256]]), np.ones(frames, np.bool_), landmarks, params)


def make(root: Path, clips: int, frames: int, size: int, mp4s: int) -> None:
    """The store, and the first clips as H.264 files as a camera or a downloader leaves them."""
    writer = StoreWriter(root / "store", StoreInfo("head", size, {}, fields_of(made_arrays(2))))
    (root / "mp4").mkdir(exist_ok=True)
    for clip in range(clips):
        name = f"p{clip // 4:03}#{clip:03}"
        record = ClipRecord(name, "train", name[:4], "ok", "", "", str(frames), frames, FPS, size, size, 0.0, {})
        if writer.finished(name, str(frames)) is None:
            writer.add(record, made_frames(clip, frames, size), made_arrays(frames))
        path = root / "mp4" / f"{name}.mp4"
        if clip < mp4s and not path.exists():
            with VideoWriter(path, FPS, (size, size)) as video:
                for frame in made_frames(clip, frames, size):
                    video.write(frame)


class WholeVideos(Dataset[PortraitPair]):
    """A pair by decoding its whole file, as FOMM's reader does."""

    def __init__(self, root: Path) -> None:
        self.paths = sorted((root / "mp4").iterdir())

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, number: int) -> PortraitPair:
        draw = np.random.default_rng(number)
        images = list(VideoReader(self.paths[draw.integers(len(self.paths))]))
        source, driving = (Portrait(to_tensor(images[k])) for k in draw.choice(len(images), 2, replace=False))
        return PortraitPair(source, driving)


def rate(
    pairs: Dataset[PortraitPair], workers: int, count: int, batch: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Pairs per second of a clock, after the workers have started."""
    sampler = EpochSampler(pairs, (count // batch + 2 * max(1, workers) + 2) * batch, 0, 1)
    loader = DataLoader(
        pairs, batch, sampler=sampler, num_workers=workers, collate_fn=collate, worker_init_fn=start_worker
    )
    batches = iter(loader)
    for _ in range(2 * workers + 1):  # what was loaded ahead while workers started does not count
        next(batches)
    start = clock()
    for _ in range(count // batch):
        next(batches)
    return count // batch * batch / (clock() - start)


def resident(pids: list[int]) -> float:
    """MB that processes keep in memory; shared pages are divided among them."""
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line.startswith("Pss:")) / 1024


def memory(pairs: Dataset[PortraitPair], workers: int, count: int, batch: int) -> list[float]:
    sampler = EpochSampler(pairs, count // batch * batch, 0, 1)
    loader = DataLoader(
        pairs, batch, sampler=sampler, num_workers=workers, collate_fn=collate, worker_init_fn=start_worker
    )
    batches = iter(loader)
    pids = [os.getpid(), *(worker.pid for worker in getattr(batches, "_workers", []))]
    marks = []
    for number, _ in enumerate(batches):
        if number % max(1, len(loader) // 10) == max(1, len(loader) // 10) - 1:
            marks.append(resident(pids))
    return marks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("clips", 200),
        ("frames", 200),
        ("size", 256),
        ("workers", 2),
        ("pairs", 10000),
        ("batch", 16),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--root", type=Path, help="kept and used again; a temporary folder by default")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = options.root or Path(temporary)
        make(root, options.clips, options.frames, options.size, mp4s=20)
        store = Store(root / "store")
        pairs = TrainingPairs(StoreClips(store, store.index("train", 2), options.size), seed=0, flip=0.5)
        whole = WholeVideos(root)
        fast, slow = (
            rate(which, 0, count, options.batch, time.process_time) for which, count in ((pairs, 1000), (whole, 32))
        )
        print(f"one core: store {fast:.0f} pairs per CPU second, whole mp4 {slow:.1f}, {fast / slow:.0f} times")
        fast, slow = (
            rate(which, options.workers, count, options.batch) for which, count in ((pairs, 3000), (whole, 64))
        )
        print(f"{options.workers} workers: store {fast:.0f} pairs/s, whole mp4 {slow:.1f}, {fast / slow:.0f} times")
        marks = memory(pairs, options.workers, options.pairs, options.batch)
        print(f"memory over {options.pairs} pairs, MB: {', '.join(f'{mark:.0f}' for mark in marks)}")
        print(f"last against first: {marks[-1] / marks[0] - 1:+.1%}")


if __name__ == "__main__":
    main()
