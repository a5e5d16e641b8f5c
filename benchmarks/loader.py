"""Random pairs from a store against decoding the whole mp4 for each pair; memory over many pairs; a million clips.

    python benchmarks/loader.py [--clips 200 --frames 200 --size 256 --workers 2 --pairs 100000 --root FOLDER]

Frames are made: smooth pictures that drift, with grain, so that their files have the sizes that real frames have.
Prints

* for both ways, pairs per CPU second of one process, which other programs on the machine hardly change, and pairs per
  second with --workers processes: medians of several rounds, least and most, and their ratio;
* pairs per CPU second with the face parameters of 13 frames on either side of each picture, and without;
* the resident memory of all processes at ten points of the long run;
* time and memory until the first batch of a store of --million clips, in a fresh process, imports not counted.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from reenact.data.clips import ClipSource, StoreClips
from reenact.data.datamodules.clips import Clips
from reenact.data.datamodules.loader import start_worker
from reenact.data.pairs.samplers import EpochSampler
from reenact.data.pairs.samples import collate
from reenact.data.pairs.sampling import TrainingPairs
from reenact.data.store.clip_arrays import ClipArrays, list_fields
from reenact.data.store.reader import ClipRecord, Store, StoreInfo
from reenact.data.store.root_files import MANIFEST
from reenact.data.store.writer import StoreWriter
from reenact.faces.contents import Contents
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair, to_tensor
from reenact.media.video import Image, VideoReader
from reenact.media.video_writer import VideoWriter

FPS = Fraction(25)
ROUNDS = 5
WINDOW = 13
"""Frames on either side of a picture in a window of face parameters."""
BATCHES_AHEAD = 8
"""Batches for which files exist in the store of a million clips: what workers load before the first is handed out."""


def draw_frames(seed: int, count: int, size: int) -> Iterator[Image]:
    random = np.random.default_rng(seed)
    side = size + 64
    coarse = random.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    canvas = np.clip(smooth.astype(np.int16) + np.asarray(random.normal(0, 1.5, smooth.shape), np.int16), 4, 251)
    grain = np.rint(random.normal(0, 1.0, (8, size, size, 3))).astype(np.int16)
    for number in range(count):
        x, y = (round(32 + 31 * wave) for wave in (np.sin(number / 9), np.cos(number / 7)))
        yield np.clip(canvas[y : y + size, x : x + size] + grain[number % 8], 0, 255).astype(np.uint8)


def draw_arrays(frames: int) -> ClipArrays:
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
    return ClipArrays(
        crop=np.array([[0.0, 0, 256, 256]]), visible=np.ones(frames, np.bool_), landmarks=landmarks, params=params
    )


def make(root: Path, clips: int, frames: int, size: int, mp4s: int) -> None:
    """The store, and the first clips as H.264 files as a camera or a downloader leaves them."""
    writer = StoreWriter(root / "store", StoreInfo("head", size, {}, list_fields(draw_arrays(2))))
    (root / "mp4").mkdir(exist_ok=True)
    for clip in range(clips):
        name = f"p{clip // 4:03}#{clip:03}"
        record = ClipRecord(
            name=name,
            split="train",
            identity=name[:4],
            status="ok",
            reason="",
            source="",
            key=str(frames),
            num_frames=frames,
            fps=FPS,
            source_width=size,
            source_height=size,
            error=0.0,
            seconds={},
        )
        if writer.finished(name, str(frames)) is None:
            writer.add(record, draw_frames(clip, frames, size), draw_arrays(frames))
        path = root / "mp4" / f"{name}.mp4"
        if clip < mp4s and not path.exists():
            with VideoWriter(path, FPS, (size, size)) as video:
                for frame in draw_frames(clip, frames, size):
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
) -> list[float]:
    """Pairs per second of a clock, round by round, after the workers have started."""
    sampler = EpochSampler(pairs, (ROUNDS * (count // batch) + 2 * max(1, workers) + 2) * batch, 0, 1)
    batches = iter(loader(pairs, sampler, workers, batch))
    for _ in range(2 * workers + 1):  # what was loaded ahead while workers started does not count
        next(batches)
    rates = []
    for _ in range(ROUNDS):
        start = clock()
        for _ in range(count // batch):
            next(batches)
        rates.append(count // batch * batch / (clock() - start))
    return rates


def loader(pairs: Dataset[PortraitPair], sampler: EpochSampler, workers: int, batch: int) -> DataLoader[PortraitPair]:
    return DataLoader(
        pairs, batch, sampler=sampler, num_workers=workers, collate_fn=collate, worker_init_fn=start_worker
    )


def compare(title: str, unit: str, store: list[float], whole: list[float]) -> None:
    fast, slow = (
        f"{statistics.median(rates):.{digits}f} {unit} ({min(rates):.{digits}f} to {max(rates):.{digits}f})"
        for rates, digits in ((store, 0), (whole, 1))
    )
    print(f"{title}: store {fast}; whole mp4 {slow}; {statistics.median(store) / statistics.median(whole):.0f} times")


def compare_windows(store: Store, options: argparse.Namespace) -> None:
    """Print the rates of one process with windows of face parameters and without, round by round in turn."""
    clips = StoreClips(store, store.table.index("train", 2), options.size)
    plain, wide = (
        TrainingPairs(clips, seed=0, flip=0.0, form=Contents(params=True, window=window)) for window in (0, WINDOW)
    )
    rates: list[list[float]] = [[], []]
    for _ in range(2):
        for place, pairs in enumerate((plain, wide)):
            rates[place] += rate(pairs, 0, 256, options.batch, time.process_time)
    without, windows = (statistics.median(values) for values in rates)
    print(
        f"one core, windows of {2 * WINDOW + 1} frames: {windows:.0f} pairs per CPU second ({min(rates[1]):.0f} to"
        f" {max(rates[1]):.0f}), without {without:.0f}; {windows / without:.2f} times"
    )


def resident(pids: list[int]) -> float:
    """MB that processes keep in memory: what they have written, divided among those that share it, and mapped files.

    Files, which are the libraries, count once and whole: their shares change with every other program that has them.
    """
    written = sum(kilobytes(pid, "smaps_rollup", name) for pid in pids for name in ("Pss_Anon", "Pss_Shmem"))
    return (written + max(kilobytes(pid, "status", "RssFile") for pid in pids)) / 1024


def kilobytes(pid: int, file: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
    assert found, name
    return int(found[1])


def processes(batches: Iterator[PortraitPair]) -> list[int]:
    return [os.getpid(), *(worker.pid for worker in getattr(batches, "_workers", []))]


def memory(pairs: Dataset[PortraitPair], workers: int, count: int, batch: int) -> list[float]:
    """MB at ten points: the medians of some batches in a row, for how much is on its way changes."""
    batches = iter(loader(pairs, EpochSampler(pairs, count // batch * batch, 0, 1), workers, batch))
    pids, total, samples = processes(batches), count // batch, 9
    gc.collect()  # as a training's own objects soon bring about: this process then has its pages to itself
    marks: list[list[float]] = [[] for _ in range(10)]
    for number, _ in enumerate(batches):
        tenth, left = divmod(number, max(samples, total // 10))
        if left >= max(samples, total // 10) - samples and tenth < 10:
            marks[tenth].append(resident(pids))
    return [statistics.median(mark) for mark in marks if mark]


class Asked:
    """The clips of a store that its first pairs come from."""

    def __init__(self, source: ClipSource) -> None:
        self.index = source.index
        self.find = source.find
        self.clips: set[int] = set()
        self._clip = Portrait(torch.zeros(2, 3, 1, 1, dtype=torch.uint8), frame=torch.zeros(2), identity=[""] * 2)

    def read(self, clip: int, frames: Sequence[int], window: int = 0) -> Portrait:
        self.clips.add(clip)
        return self._clip


def make_million(root: Path, template: Path, clips: int, batch: int) -> None:
    """A store of so many rows, with the files of the clips that its first batches need, all alike."""
    source = Store(template)
    (record, *_) = source.clips()
    StoreWriter(root, source.info)
    values = list(astuple(record))
    values[list(ClipRecord.__dataclass_fields__).index("fps")] = str(record.fps)
    values[list(ClipRecord.__dataclass_fields__).index("seconds")] = "{}"
    columns = ", ".join(ClipRecord.__dataclass_fields__)
    rows = ((f"id{n // 10:06d}#{n:07d}.mp4", "train", f"id{n // 10:06d}", *values[3:]) for n in range(clips))
    with closing(sqlite3.connect(root / MANIFEST)) as database, database:
        database.executemany(f"INSERT INTO clips ({columns}) VALUES ({', '.join('?' * len(values))})", rows)
    store, asked = Store(root), Asked(Clips(root).train_clips())
    pairs = TrainingPairs(asked, seed=0, flip=0.5)
    for number in range(BATCHES_AHEAD * batch):
        pairs[number]
    for row in asked.clips:
        name = store.table.names[row]
        for path, original in ((store.frames_path, source.frames_path), (store.arrays_path, source.arrays_path)):
            path(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original(record.name), path(name))


def first_batch(root: Path, options: argparse.Namespace) -> None:
    """Print seconds, MB of all processes, and the most MB that this one ever had."""
    start = time.perf_counter()
    data = Clips(root, size=options.size, batch_size=options.batch, num_workers=options.workers)
    batches = iter(data.train_dataloader())
    next(batches)
    seconds = time.perf_counter() - start
    most = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(seconds, resident(processes(batches)), int(most.split()[1]) / 1024)


def report_million(root: Path, options: argparse.Namespace) -> None:
    store = root / "million"
    if not store.exists():
        make_million(store, root / "store", options.million, options.batch)
    settings = [f"--{name}={getattr(options, name)}" for name in ("size", "batch", "workers")]
    command = [sys.executable, __file__, *settings, "--first-batch-of", str(store)]
    found = [
        [float(word) for word in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]
        for _ in range(ROUNDS)
    ]
    seconds, memories, most = zip(*found, strict=True)
    print(
        f"first batch of {options.million:,} clips: {statistics.median(seconds):.1f} s ({min(seconds):.1f} to"
        f" {max(seconds):.1f}), {max(memories):.0f} MB in all processes, {max(most):.0f} MB at most in the main one"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = {"clips": 200, "frames": 200, "size": 256, "workers": 2, "pairs": 100_000, "batch": 16}
    for name, default in {**defaults, "million": 1_000_000}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--root", type=Path, help="kept and used again; a temporary folder by default")
    parser.add_argument("--first-batch-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.first_batch_of:
        first_batch(options.first_batch_of, options)
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = options.root or Path(temporary)
        make(root, options.clips, options.frames, options.size, mp4s=20)
        store = Store(root / "store")
        pairs = TrainingPairs(StoreClips(store, store.table.index("train", 2), options.size), seed=0, flip=0.5)
        whole, workers, batch = WholeVideos(root), options.workers, options.batch
        alone = [rate(which, 0, n, batch, time.process_time) for which, n in ((pairs, 1024), (whole, batch))]
        compare("one core", "pairs per CPU second", *alone)
        shared = [rate(which, workers, n, batch) for which, n in ((pairs, 1024), (whole, 2 * batch))]
        compare(f"{workers} workers", "pairs/s", *shared)
        compare_windows(store, options)
        report_million(root, options)
        marks = memory(pairs, workers, options.pairs, batch)
        print(f"memory over {options.pairs:,} pairs, MB: {', '.join(f'{mark:.0f}' for mark in marks)}")
        change, range_ = marks[-1] / marks[0] - 1, max(marks) / min(marks) - 1
        print(f"last against first: {change:+.1%}; most against least: {range_:.1%}")


if __name__ == "__main__":
    main()
