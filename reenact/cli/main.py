"""Entry point: picks the command, imports its module, and turns errors into one sentence and an exit code.

Start-up is part of the interface: this module, the help pages, `list` and the look-up of presets import neither torch
nor Lightning.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType

from reenact import __version__
from reenact.callbacks.stop_signals import redirect_to_null, terminal_descriptors
from reenact.cli import help_pages
from reenact.cli.commands import COMMANDS, TRAINER_COMMANDS
from reenact.errors import ReenactError, suggest_names
from reenact.packages import allow_packages
from reenact.runs.arguments import expand_request
from reenact.runs.foundations import find_missing_foundation
from reenact.runs.processes import is_first, share_foundation
from reenact.runs.request import parse_request
from reenact.runs.run_folder import remove_unused

BAD_INPUT = 2
INTERRUPTED = 130


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        args: The words after `reenact`; those of the process where None.

    Returns:
        The exit code: 0 done, 2 bad input, 130 interrupted by Ctrl-C or SIGTERM. Faults of the program
        itself are raised. With the environment variable `REENACT_TRACEBACK=1`, bad input is raised as well.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    try:
        with _terminated_as_interrupted():
            return _dispatch_command(arguments)
    except ReenactError as error:
        if os.environ.get("REENACT_TRACEBACK") == "1":
            raise
        sys.stderr.write(f"reenact: error: {' '.join(str(error).split())}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("\nreenact: interrupted; run the same command again\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) is gone; Python would complain once more while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Answer SIGTERM and SIGHUP as Ctrl-C, so that unfinished files are taken away; SIGHUP unless it is ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    descriptors = terminal_descriptors()

    def hang_up(number: int, frame: FrameType | None) -> None:
        redirect_to_null(descriptors)
        raise KeyboardInterrupt

    previous = {signal.SIGTERM: signal.signal(signal.SIGTERM, _raise_interrupt)}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        previous[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _raise_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _dispatch_command(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(help_pages.render_overview())
        return 0
    if arguments[0] in ("-V", "--version"):
        sys.stdout.write(f"reenact {__version__}\n")
        return 0
    command, rest = arguments[0], arguments[1:]
    if command in TRAINER_COMMANDS:
        return _run_training_command(command, rest)
    if command in COMMANDS:
        return int(import_module("reenact.cli.functions").run_command(command, rest))
    raise ReenactError(f"{command}: no such command; {suggest_names(command, [*TRAINER_COMMANDS, *COMMANDS])}")


def _run_training_command(command: str, argv: list[str]) -> int:
    """Answer what the presets alone can answer, then import Lightning and run."""
    if "-h" in argv or "--help" in argv:
        sys.stdout.write(help_pages.trainer_command(command))
        return 0
    request = parse_request(command, argv)
    with allow_packages(request.packages):
        arguments = expand_request(request)
        try:
            foundation = find_missing_foundation(request, arguments)
            run = import_module("reenact.cli.train").run_lightning
            if foundation is None:
                return int(run(request, arguments))
            stand_on = import_module("reenact.cli.foundations").stand_on_foundation
            options = stand_on(request, arguments, foundation)
            with share_foundation(options[1]):
                return int(run(request, [*arguments, *options]))
        finally:
            if is_first():
                remove_unused(request.out)
