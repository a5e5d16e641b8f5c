"""Claims: files by which processes, also of several machines on one disk, agree who has what in hand.

A claim is a file made with O_EXCL, which is atomic on network disks too. Its owner touches it every `BEAT` seconds. A
claim has expired when its process is dead, which a process of the same machine sees at once, or when it was not touched
for `LEASE` seconds by the clock of the disk. Claims share the work, they don't guard it: two who believe they hold the
same one (an owner that was suspended for minutes) write the same files under temporary names and rename them.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

BEAT = 15.0
"""Seconds between two signs of life."""
LEASE = 120.0
"""Seconds without a sign of life after which a claim of another machine has expired."""


@contextmanager
def try_claim(path: Path) -> Iterator[bool]:
    """Hold a claim during the block, if it is free.

    Args:
        path: The claim's file; its folder exists.

    Yields:
        Whether the claim is held.

    Raises:
        OSError: if the file can't be made.
    """
    token = uuid.uuid4().hex
    has_claim = _create_claim(path, token) or (_taken_away(path) and _create_claim(path, token))
    if not has_claim:
        yield False
        return
    _get_heart().add(path)
    try:
        yield True
    finally:
        _get_heart().remove(path)
        if _read_owner(path).get("token") == token:
            path.unlink(missing_ok=True)


@contextmanager
def wait_for_claim(path: Path, patience: float = 2 * LEASE) -> Iterator[None]:
    """Hold a claim during the block, waiting for it.

    Raises:
        OSError: if the file can't be made, or the claim is not free after `patience` seconds.
    """
    end, pause = time.monotonic() + patience, 0.002
    while True:
        with try_claim(path) as has_claim:
            if has_claim:
                yield
                return
        if time.monotonic() > end:
            raise TimeoutError(f"{path} is held by another process")
        time.sleep(pause)
        pause = min(0.1, 1.5 * pause)


class _Heart:
    """Touches the claims that this process holds."""

    def __init__(self) -> None:
        self._claims: set[Path] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._beat, daemon=True, name="claims").start()

    def add(self, path: Path) -> None:
        with self._lock:
            self._claims.add(path)

    def remove(self, path: Path) -> None:
        with self._lock:
            self._claims.discard(path)

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT)
            with self._lock:
                claims = list(self._claims)
            for path in claims:
                with suppress(OSError):  # released a moment ago, or a disk that answers again by the next beat
                    os.utime(path)


def _create_claim(path: Path, token: str) -> bool:
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    owner = {"token": token, "machine": _identify_machine(), "host": socket.gethostname(), "pid": os.getpid()}
    with os.fdopen(file, "w") as opened:
        json.dump(owner | {"start": _start_time(os.getpid())}, opened)
    return True


def _taken_away(path: Path) -> bool:
    """Remove a claim if it has expired; of several who try at once, one succeeds."""
    owner = _read_owner(path)
    if not _is_expired(path, owner) or _read_owner(path) != owner:
        return False
    grave = path.with_name(f".{uuid.uuid4().hex}.expired")
    try:
        path.rename(grave)
    except FileNotFoundError:
        return False
    grave.unlink()
    return True


def _is_expired(path: Path, owner: dict[str, str]) -> bool:
    if owner.get("machine") == _identify_machine():
        return _start_time(int(owner["pid"])) != owner.get("start")
    try:
        return _read_disk_time(path.parent) - path.stat().st_mtime > LEASE
    except FileNotFoundError:
        return False


def _read_owner(path: Path) -> dict[str, str]:
    """The owner of a claim; empty where it is gone, or was not written yet."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {key: str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _read_disk_time(folder: Path) -> float:
    """The time by the clock of the disk, which on a network disk is the server's."""
    probe = folder / f".{uuid.uuid4().hex}.clock"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()


@cache
def _identify_machine() -> str:
    """Identify the machine and the container: process numbers mean something within one alone."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode()}"


def _start_time(pid: int) -> str:
    """Start time of a process in the system's own unit, as process numbers are used again; empty if there is none."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else rest[18]
    except FileNotFoundError:
        pass
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"


_hearts: dict[int, _Heart] = {}
"""Heart of each process id: threads don't survive a fork."""


def _get_heart() -> _Heart:
    process = os.getpid()
    if process not in _hearts:
        _hearts[process] = _Heart()
    return _hearts[process]
