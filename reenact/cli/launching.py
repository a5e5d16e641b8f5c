"""The further processes that a run starts itself, and its end where one of them ends badly.

Lightning kills the run up to five seconds after a further process has failed, also while the run saves its last step.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lightning_fabric.utilities.distributed import _set_num_threads_if_needed
from pytorch_lightning import Trainer
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

BAD_INPUT = 2
GRACE = 60.0
"""Seconds from the end of a further process to the end of a run that waits for it in a collective."""
PATIENCE = 20.0
"""Seconds that a process has to report its own failure, while one that only noticed it waits."""
_PERIOD = 0.5


class Launcher(_SubprocessScriptLauncher):
    """Lightning's launcher, which gives this process the time to save and to end by itself."""

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any) -> Any:  # noqa: ANN401 - Lightning's signature
        """Start the further processes, then call the function."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
            threading.Thread(target=end_after_failure, args=(self.procs,), daemon=True).start()
        _set_num_threads_if_needed(num_processes=self.num_processes)
        return function(*args, **kwargs)


def set_launcher(trainer: Trainer) -> None:
    """Replace Lightning's launcher of further processes; other launchers stay."""
    launcher = trainer.strategy.launcher
    if type(launcher) is _SubprocessScriptLauncher:
        trainer.strategy._launcher = Launcher(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)


def end_processes(launcher: _SubprocessScriptLauncher, patience: float) -> None:
    """End the further processes of a run: those that fail themselves have some time to save and to report.

    Args:
        launcher: The launcher that started them.
        patience: Seconds that they have to end by themselves.
    """
    end = time.monotonic() + patience
    for process in launcher.procs:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, end - time.monotonic()))
    launcher.kill(signal.SIGKILL)
    launcher.procs.clear()  # the thread of `end_after_failure` has nothing more to wait for


def end_after_failure(processes: list[subprocess.Popen[bytes]], grace: float = GRACE) -> None:
    """Wait for processes, and after the failure of one end the others and this process, unless it ends by itself.

    The main thread may hang in a collective, which nothing else than the end of the process gets it out of.

    Args:
        processes: The further processes.
        grace: Seconds that the main thread has.
    """
    while all(process.poll() in (None, 0) for process in processes):
        if all(process.returncode == 0 for process in processes):
            return
        time.sleep(_PERIOD)
    time.sleep(grace)
    if not processes:  # the main thread has ended them, and may go on as part of another program
        return
    for process in processes:
        process.send_signal(signal.SIGKILL)
    sys.stdout.flush()
    os._exit(BAD_INPUT)
