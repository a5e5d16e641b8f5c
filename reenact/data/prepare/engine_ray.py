"""A Ray cluster: tasks for CPU stages, actors for GPU stages; a dead node costs the clips in hand alone.

All nodes must see the store and the clips under the same paths, and have this package installed.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.engines import ATTEMPTS, PAUSE, Group, groups_of, quarantine_clip
from reenact.data.prepare.job import Job, store_info
from reenact.data.prepare.runner import run_stages
from reenact.data.store.reader import ClipRecord
from reenact.data.store.writer import StoreWriter
from reenact.errors import ReenactError
from reenact.install import install_hint

if TYPE_CHECKING:
    from types import ModuleType

PATIENCE = 15
"""Seconds until an address that does not answer is given up."""
AHEAD = 2
"""Calls handed to Ray per CPU of the cluster, so that none waits for this process."""


class RayEngine:
    """Workers of a Ray cluster.

    Args:
        address: Of the cluster's head, such as `10.0.0.1:6379` or `ray://10.0.0.1:10001`; None starts Ray here.
        workers: CPUs of a cluster started here.

    Raises:
        ReenactError: if Ray is not installed, or the address does not answer.
    """

    def __init__(self, address: str | None, workers: int) -> None:
        self._ray = _connect_ray(address, workers)

    def run(
        self,
        clips: Sequence[ClipInput],
        job: Job,
        on_clip: Callable[[ClipRecord], None],
        on_frames: Callable[[int], None],
    ) -> None:
        """Bring every clip into the manifest; see `Engine.run`. Frames are counted when their clip is through."""
        calls = _Calls(self._ray, groups_of(job), job)
        writer = StoreWriter(job.out, store_info(job.settings))
        deaths: Counter[int] = Counter()
        waiting = deque((0.0, 0, number) for number in range(len(clips)))
        running: dict[Any, tuple[int, int]] = {}
        remaining, frames = len(clips), 0
        while remaining:
            while waiting and len(running) < calls.room and waiting[0][0] <= time.monotonic():
                _, group, number = waiting.popleft()
                running[calls.submit(group, clips[number])] = group, number
            finished, _ = self._ray.wait(list(running), timeout=PAUSE) if running else ([], None)
            if not running:
                time.sleep(PAUSE)
            for reference in finished:
                group, number = running.pop(reference)
                row = self._row(reference, number, clips, deaths, writer)
                if row is not None:
                    on_clip(row)
                    frames += row.num_frames
                    on_frames(frames)
                    remaining -= 1
                elif deaths[number] or group + 1 == len(calls.groups):
                    # Begin again: what is finished lies on the disk, or another run has it in hand.
                    waiting.append((time.monotonic() + PAUSE, 0, number))
                else:
                    waiting.appendleft((0.0, group + 1, number))

    def _row(
        self, reference: object, number: int, clips: Sequence[ClipInput], deaths: Counter[int], writer: StoreWriter
    ) -> ClipRecord | None:
        """Return the result of a call; a clip that has cost enough workers is quarantined."""
        try:
            rows: list[ClipRecord | None] = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from error
        except self._ray.exceptions.RayError as error:
            deaths[number] += 1
            if deaths[number] >= ATTEMPTS:
                return quarantine_clip(clips[number], writer, type(error).__name__)
            return None
        deaths.pop(number, None)
        return rows[0]


class _Calls:
    """Hands groups of stages to Ray."""

    def __init__(self, ray: ModuleType, groups: list[Group], job: Job) -> None:
        self.groups = groups
        self._job = ray.put(job)
        # Retries are ours: Ray's own would try for ever a clip that kills its worker.
        self._task = ray.remote(max_retries=0)(_run_clips)
        gpus = int(ray.cluster_resources().get("GPU", 0)) if any(g.device == "gpu" for g in groups) else 0
        if not gpus and any(group.device == "gpu" for group in groups):
            raise ReenactError("The Ray cluster has no GPU; add a node with one, or use --device cpu")
        actor = ray.remote(num_gpus=1, max_restarts=-1)(_Networks) if gpus else None
        self._actors = [actor.remote() for _ in range(gpus)] if actor else []
        self.room = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1))) + AHEAD * gpus
        self._turn = 0

    def submit(self, group: int, clip: ClipInput) -> object:
        """A reference to the rows to come."""
        names = self.groups[group].names
        if self.groups[group].device == "cpu":
            return self._task.remote(names, [clip], self._job)
        self._turn += 1
        return self._actors[self._turn % len(self._actors)].run.remote(names, [clip], self._job)


class _Networks:
    """Keeps networks on a GPU from call to call."""

    def run(self, names: tuple[str, ...], clips: list[ClipInput], job: Job) -> list[ClipRecord | None]:
        return run_stages(names, clips, job)


def _run_clips(names: tuple[str, ...], clips: list[ClipInput], job: Job) -> list[ClipRecord | None]:
    return run_stages(names, clips, job)


def _connect_ray(address: str | None, workers: int) -> ModuleType:
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise ReenactError(f"--engine ray needs the package ray: {install_hint('ray')}") from error
    if address is not None:
        _check_reachable(address)
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "1")  # tries; by default 20 of half a minute each
    try:
        if not ray.is_initialized():
            ray.init(
                address=address,
                num_cpus=None if address else workers,
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
        raise ReenactError(
            f"No Ray cluster answers at {address} ({_first_line(error)}); check --ray-address"
        ) from error
    return ray


def _check_reachable(address: str) -> None:
    """Refuse an address at which nobody listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address in ("auto", "local"):
        return
    if not host or not port.isdigit():
        raise ReenactError(f"--ray-address {address} is not HOST:PORT; the head of a cluster listens at port 6379")
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except OSError as error:
        raise ReenactError(
            f"No Ray cluster answers at {address} ({error.strerror or error}); check --ray-address"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
