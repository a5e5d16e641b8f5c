"""Signals that ask a run to stop: Ctrl-C, SIGTERM, and SIGHUP of a terminal that closes. No torch here."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType

LOG = logging.getLogger("reenact")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Notes requests to stop between `listen` and `restore`, so that a run ends between two steps.

    A second Ctrl-C or SIGTERM raises `KeyboardInterrupt` at once. SIGHUP does not count as a second one, because a
    shell and the system both send it when a terminal closes. Where SIGHUP is ignored (`nohup`), it stays ignored.
    """

    def __init__(self) -> None:
        self.asked = False
        """The run has been asked to stop."""
        self._insisted = False
        self._terminals: list[int] = []
        self._previous: dict[int, signal._HANDLER] = {}

    def listen(self) -> None:
        """Note signals from here on; without effect in a thread, where Python cannot handle them."""
        self.asked = self._insisted = False
        if threading.current_thread() is not threading.main_thread():
            return
        self._terminals = terminal_descriptors()
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._note)

    def restore(self) -> None:
        """Give the signals back to the handlers before `listen`."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            redirect_to_null(self._terminals)
        elif self._insisted:
            raise KeyboardInterrupt
        else:
            self._insisted = True
        if not self.asked:
            self.asked = True
            LOG.info("finishing this step and saving it; Ctrl-C again stops at once")


def terminal_descriptors() -> list[int]:
    """The descriptors of standard output and error that are terminals."""
    return [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]


def redirect_to_null(descriptors: list[int]) -> None:
    """Send what is written to a terminal that has closed to nowhere; writing to it is an error."""
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(null, descriptor)
    os.close(null)
