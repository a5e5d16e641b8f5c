"""Rows run in processes of their own: memory is given back, and Ctrl-C lets the step in hand be finished and saved."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reenact.errors import ReenactError
from reenact.packages import OPTION, allowed_packages

INTERRUPTED = 130
REFUSAL = "reenact: error: "


@dataclass(frozen=True)
class Outcome:
    """Outcome of a command."""

    done: bool
    problem: str = ""
    """Its one sentence where it refused, or where to read why it broke."""


@contextmanager
def lock_folder(out: Path) -> Iterator[IO[bytes]]:
    """Keep a folder to one benchmark, and to the commands that it started: they hold the lock as long as they live.

    Raises:
        ReenactError: if another one works there, or the folder can't be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = (out / ".lock").open("ab")
    except OSError as error:
        raise ReenactError(f"--out {out} can't be written ({error.strerror}); name another folder") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ReenactError(f"--out {out} is in use by another benchmark; wait for it or name another") from error
        yield file


def run_command(arguments: Sequence[str], log: Path, lock: IO[bytes] | None = None) -> Outcome:
    """Run `reenact WORDS` in a process of its own, in sight of the terminal.

    Args:
        arguments: The command line.
        log: File for what it writes to its error stream.
        lock: Held by the process as well, where there is one.

    Raises:
        KeyboardInterrupt: when interrupted, once the process has saved its step and ended.
    """
    allowed = [word for name in sorted(allowed_packages()) for word in (OPTION, name)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "reenact", *arguments, *allowed],
            env={**os.environ, "PYTHONSAFEPATH": "1"},  # a numpy.py of the current folder is none of its modules
            stderr=errors,
            stdin=subprocess.DEVNULL,
            pass_fds=() if lock is None else (lock.fileno(),),
            start_new_session=True,  # the terminal's Ctrl-C comes once, from here
        )
        code = _wait_for_process(process)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code == 0:
        return Outcome(done=True)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    refusal = next((line for line in reversed(lines) if line.startswith(REFUSAL)), "")
    return Outcome(False, refusal.removeprefix(REFUSAL) or f"it broke off with code {code}; {log} says why")


def _wait_for_process(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process; hand on each interruption, and wait on."""
    interrupted = False
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            interrupted = True
            process.send_signal(signal.SIGINT)
        else:
            return INTERRUPTED if interrupted else code
