"""Processes of this machine: some for CPU stages, one for the GPU; a dead one costs the clips in hand alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.engines import ATTEMPTS, PAUSE, Group, groups_of, quarantine_clip
from reenact.data.prepare.job import Job, store_info
from reenact.data.prepare.runner import load_tools, run_stages
from reenact.data.prepare.stage import Device
from reenact.data.store.reader import ClipRecord
from reenact.data.store.writer import StoreWriter
from reenact.errors import ReenactError

POLL = 0.25
"""Seconds between two looks at the workers."""
SLOW_IMPORTS = ("torch._dynamo",)
"""Modules that stages import at first use, which takes seconds."""
MOST_IDLE = 5
"""Workers in a row that may die without a clip in hand: more, and something is wrong with all of them."""
Answer = list[ClipRecord | None] | ReenactError


@dataclass
class _Task:
    """One call: clips through a group of stages."""

    group: int
    clips: list[int]


@dataclass(kw_only=True)
class _Worker:
    """A process, the line to it, and what it has in hand."""

    device: Device
    process: BaseProcess
    line: Connection
    frames: Synchronized[int]
    ready: bool = False
    """True once the tools are loaded: a worker that dies before did not die of a clip."""
    task: _Task | None = None


@dataclass(kw_only=True)
class _Queue:
    """Waiting clips by the group of stages that they wait for."""

    groups: list[Group]
    waiting: list[deque[int]]
    later: deque[tuple[float, int]] = field(default_factory=deque)
    """Clips that another run has in hand, with the time to ask again."""
    left: int = 0
    """Clips without a row."""
    deaths: Counter[int] = field(default_factory=Counter)
    """Workers that died with a clip in hand."""

    def next(self, device: Device, alone: bool) -> _Task | None:
        """Work for a device; the last group first, so that clips get finished. `alone`: nothing else is running."""
        while self.later and self.later[0][0] <= time.monotonic():
            self.waiting[0].append(self.later.popleft()[1])
        for number in reversed(range(len(self.groups))):
            group, waiting = self.groups[number], self.waiting[number]
            if group.device != device or not waiting:
                continue
            if len(waiting) < min(group.batch, self.left) and not alone:
                continue  # a fuller batch is on its way
            first = waiting.popleft()
            size = 1 if self.deaths[first] else group.batch  # a suspect goes alone, so that it can be told
            return _Task(number, [first, *(waiting.popleft() for _ in range(min(size - 1, len(waiting))))])
        return None

    def answered(self, task: _Task, answers: Sequence[ClipRecord | None]) -> list[ClipRecord]:
        """Put clips into their next queue; the rows of those that are through."""
        rows = []
        for clip, row in zip(task.clips, answers, strict=True):
            if row is not None:
                rows.append(row)
            elif task.group + 1 < len(self.groups):
                self.waiting[task.group + 1].append(clip)
            else:
                self.later.append((time.monotonic() + PAUSE, clip))
        self.left -= len(rows)
        return rows


class LocalEngine:
    """Worker processes on this machine.

    Args:
        workers: Processes for CPU stages; one more for the GPU where the job uses one.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._gone = self._idle = 0

    def run(
        self,
        clips: Sequence[ClipInput],
        job: Job,
        on_clip: Callable[[ClipRecord], None],
        on_frames: Callable[[int], None],
    ) -> None:
        """Bring every clip into the manifest; see `Engine.run`."""
        groups = groups_of(job)
        queue = _Queue(groups=groups, waiting=[deque() for _ in groups], left=len(clips))
        queue.waiting[0].extend(range(len(clips)))
        devices: list[Device] = ["cpu"] * min(self._workers, len(clips))
        devices += ["gpu"] if any(group.device == "gpu" for group in groups) else []
        workers = [_start_worker(device, job) for device in devices]
        try:
            self._serve(workers, queue, clips, job, on_clip, on_frames)
        finally:
            _stop_workers(workers)

    def _serve(
        self,
        workers: list[_Worker],
        queue: _Queue,
        clips: Sequence[ClipInput],
        job: Job,
        on_clip: Callable[[ClipRecord], None],
        on_frames: Callable[[int], None],
    ) -> None:
        writer = StoreWriter(job.out, store_info(job.settings))
        while queue.left:
            for worker in workers:
                free = worker.ready and worker.task is None
                if free and (task := queue.next(worker.device, not any(w.task for w in workers))):
                    worker.task = task
                    with suppress(OSError):  # a dead worker's line is closed: seen below
                        worker.line.send((queue.groups[task.group].names, [clips[number] for number in task.clips]))
            wait([worker.line for worker in workers] + [worker.process.sentinel for worker in workers], POLL)
            for place, worker in enumerate(workers):
                answer = _read_answer(worker)
                if isinstance(answer, ReenactError):
                    raise answer
                if answer is not None and worker.task is not None:
                    for row in queue.answered(worker.task, answer):
                        on_clip(row)
                    worker.task, self._idle = None, 0
                elif answer is not None:
                    worker.ready = True
                elif not worker.process.is_alive():
                    for row in self._bury(worker, queue, clips, writer):
                        on_clip(row)
                    workers[place] = _start_worker(worker.device, job)
            on_frames(self._gone + sum(worker.frames.value for worker in workers))

    def _bury(
        self,
        worker: _Worker,
        queue: _Queue,
        clips: Sequence[ClipInput],
        writer: StoreWriter,
    ) -> list[ClipRecord]:
        """Give a dead worker's clips to others; the rows of those that have cost enough workers."""
        worker.process.join()
        self._gone += worker.frames.value
        cause = _describe_exit(worker.process.exitcode)
        if worker.task is None:
            self._idle += 1
            if self._idle > MOST_IDLE:
                raise ReenactError(f"Workers die before they have a clip in hand ({cause}); see what they print above")
            return []
        task, rows = worker.task, []
        queue.deaths.update(task.clips)
        for clip in task.clips:
            # Of several clips in hand any may be the cause; only one that is alone is blamed.
            if queue.deaths[clip] >= ATTEMPTS and len(task.clips) == 1:
                rows.append(quarantine_clip(clips[clip], writer, cause))
            else:
                queue.waiting[task.group].appendleft(clip)
        queue.left -= len(rows)
        return rows


def _start_worker(device: Device, job: Job) -> _Worker:
    context = _process_context()
    parent_end, child_end = context.Pipe()
    frames: Synchronized[int] = context.Value("q", 0, lock=False)  # a killed owner would keep a lock
    process = context.Process(target=_run_worker, args=(child_end, job, device, frames, dict(os.environ)), daemon=True)
    # The terminal sends Ctrl-C to every process; held back until `_run_worker` ignores it, it never reaches a worker.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    child_end.close()
    return _Worker(device=device, process=process, line=parent_end, frames=frames)


@cache
def _process_context() -> SpawnContext | ForkServerContext:
    """Return the context that starts processes: as children of a server that has only imported, where there is one.

    A child of this process would inherit locks of torch's and OpenCV's threads, and a fresh interpreter takes seconds.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([run_stages.__module__, *SLOW_IMPORTS])
    return context


def _read_answer(worker: _Worker) -> Answer | None:
    """Read a worker's message since the last call; the first one, that it is ready, is an empty list."""
    try:
        answer: Answer | None = worker.line.recv() if worker.line.poll() else None
    except (EOFError, OSError):
        return None
    return answer


def _stop_workers(workers: Sequence[_Worker]) -> None:
    """Let clips in hand be finished: a closed line ends a worker after its task."""
    for worker in workers:
        worker.line.close()
    for worker in workers:
        worker.process.join()


def _describe_exit(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"


def _run_worker(
    line: Connection, job: Job, device: Device, frames: Synchronized[int], environment: dict[str, str]
) -> None:
    """A worker: takes tasks until its line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(environment)  # the server's is that of its own start

    def count() -> None:
        frames.value += 1

    answer: Answer = []
    try:
        load_tools([name for group in groups_of(job) if group.device == device for name in group.names], job)
    except ReenactError as error:
        answer = error
    while True:
        try:
            line.send(answer)
            names, clips = line.recv()
        except (EOFError, OSError):  # the run is over
            return
        try:
            answer = run_stages(names, clips, job, count)
        except ReenactError as error:
            answer = error
