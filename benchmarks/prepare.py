"""How fast `reenact prepare` is, stage by stage, and what a second worker brings; by dlib, on this machine's CPU.

python benchmarks/prepare.py [FOLDER]     # clips of the synthetic world without a folder
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from reenact.data.clip_input import ClipInput
from reenact.data.layouts import find_clips
from reenact.data.prepare.engine_local import LocalEngine
from reenact.data.prepare.job import Job, Settings
from reenact.data.prepare.report import print_report
from reenact.data.store import ClipRecord
from reenact.data.synthetic.write import write_synthetic

ROUNDS = 3


def run(clips: list[ClipInput], out: Path, workers: int) -> tuple[float, list[ClipRecord]]:
    """Seconds of one preparation into a fresh store, and its rows."""
    shutil.rmtree(out, ignore_errors=True)
    rows: list[ClipRecord] = []
    start = time.perf_counter()
    LocalEngine(workers).run(
        clips, Job(out, Settings("head", "dlib", "fomm", 256), "head"), rows.append, lambda _: None
    )
    return time.perf_counter() - start, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch) / "raw"
        if given.folder is None:
            write_synthetic(
                folder, identities=12, test_identities=0, clips_per_identity=2, frames_per_clip=60, size=256
            )
        clips = find_clips(folder)
        out = Path(scratch) / "store"
        run(clips[:2], out, 2)  # compiles what is compiled once
        times: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(ROUNDS):
            for workers, seconds in times.items():
                spent, rows = run(clips, out, workers)
                seconds.append(spent)
        print_report(out, rows, times[2][-1])
    for workers, seconds in times.items():
        frames = sum(row.num_frames for row in rows)
        print(f"{workers} worker(s): {frames / statistics.median(seconds):.1f} frames/s (seconds: {seconds})")
    pairs = [one / two for one, two in zip(times[1], times[2], strict=True)]
    print(f"two workers against one: {statistics.median(pairs):.2f} times ({min(pairs):.2f} to {max(pairs):.2f})")


if __name__ == "__main__":
    main()
