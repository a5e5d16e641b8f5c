"""How fast `reenact prepare` is, stage by stage, and what a second worker brings; by dlib, on this machine's CPU.

    python benchmarks/prepare.py [FOLDER]     # clips of the synthetic world without a folder

Prints frames per second of each stage, and for one and two workers the seconds of a run and the CPU seconds of its
busiest process. The ratio of seconds is what counts on a machine of one's own. Where other programs take turns on the
cores, the ratio of CPU seconds says how evenly the work is divided, whoever else runs. Start-up counts in both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from rich.console import Console
from rich.table import Table

from reenact.data.layouts import find_clips
from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare import engine_local
from reenact.data.prepare.engine_local import LocalEngine, _Worker
from reenact.data.prepare.job import Job, Settings
from reenact.data.prepare.report import print_report
from reenact.data.prepare.stage import Device
from reenact.data.store.reader import ClipRecord
from reenact.data.synthetic.write import write_synthetic

ROUNDS = 3


@dataclass
class Run:
    """One preparation into a fresh store."""

    wall: float
    """Seconds."""
    cpu: float
    """CPU seconds of the process that used most."""
    rows: list[ClipRecord]


def run(clips: list[ClipInput], out: Path, workers: int) -> Run:
    shutil.rmtree(out, ignore_errors=True)
    rows: list[ClipRecord] = []
    spent: dict[int, float] = {}
    plain = engine_local._start_worker
    processes: list[BaseProcess] = []

    def started(device: Device, job: Job) -> _Worker:
        worker = plain(device, job)
        processes.append(worker.process)
        return worker

    def look(_: int) -> None:
        for pid in [process.pid for process in processes if process.pid]:
            spent[pid] = cpu_seconds(pid)

    engine_local._start_worker = started
    job = Job(out=out, settings=Settings(face_model="head", landmarks="dlib", crop="fomm", size=256), face_model="head")
    start, before = time.perf_counter(), time.process_time()
    try:
        LocalEngine(workers).run(clips, job, rows.append, look)
    finally:
        engine_local._start_worker = plain
    return Run(time.perf_counter() - start, max(time.process_time() - before, *spent.values()), rows)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spread(values: list[float], digits: int = 1) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def show(runs: dict[int, list[Run]]) -> None:
    frames = sum(row.num_frames for row in runs[1][0].rows)
    table = Table("workers", "seconds", "frames/s", "CPU seconds of the busiest process", box=None)
    for workers, rounds in runs.items():
        rates = [frames / one.wall for one in rounds]
        table.add_row(
            str(workers), spread([one.wall for one in rounds]), spread(rates), spread([one.cpu for one in rounds])
        )
    Console().print(table)
    pairs = list(zip(runs[1], runs[2], strict=True))
    print(f"two workers against one, seconds: {spread([one.wall / two.wall for one, two in pairs], 2)} times")
    print(f"two workers against one, CPU seconds: {spread([one.cpu / two.cpu for one, two in pairs], 2)} times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--people", type=int, default=12, help="of the synthetic world, with two clips each")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "raw"
        if options.folder is None:
            write_synthetic(
                folder, identities=options.people, test_identities=0, clips_per_identity=2, frames_per_clip=60, size=256
            )
        clips = find_clips(folder)
        out = Path(scratch) / "store"
        run(clips[:2], out, 2)  # compiles what is compiled once
        runs: dict[int, list[Run]] = {1: [], 2: []}
        for _ in range(options.rounds):
            for workers, rounds in runs.items():
                rounds.append(run(clips, out, workers))
        print_report(out, runs[2][-1].rows)
    show(runs)


if __name__ == "__main__":
    main()
