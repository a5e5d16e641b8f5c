"""`fit`, `validate`, `test`, `predict`: a thin LightningCLI between the expanded command line and the trainer."""

from __future__ import annotations

import sys
from argparse import ArgumentError
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from docstring_parser import DocstringStyle
from jsonargparse import set_dumper, set_parsing_settings
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from reenact.callbacks.checkpoint import Checkpoints
from reenact.cli import sentences
from reenact.cli.data_needs import check_needs
from reenact.cli.launching import PATIENCE, end_processes
from reenact.cli.lightning import ReenactCLI
from reenact.cli.needed_files import Plan
from reenact.cli.options import known_options, print_all_options
from reenact.cli.settings_file import dump_settings
from reenact.cli.system_errors import from_system
from reenact.errors import ReenactError
from reenact.methods.registry import list_offered_packages
from reenact.models.common.class_names import check_import, needs_allowing
from reenact.models.common.module import ReenactmentModule
from reenact.packages import OPTION, allowed_packages
from reenact.runs import quiet
from reenact.runs.class_limits import limited_classes
from reenact.runs.processes import is_first
from reenact.runs.request import Request
from reenact.runs.run_folder import LAST, discard_run_folder

BAD_INPUT = 2
INTERRUPTED = 130


def run_lightning(request: Request, arguments: list[str]) -> int:
    """Run one of Lightning's commands.

    Args:
        request: The command line, taken apart.
        arguments: The words for the parser, presets expanded.

    Returns:
        The exit code.

    Raises:
        ReenactError: for bad input of any kind.
    """
    quiet.begin_logging()
    try:
        with _parse_arguments(request, arguments):
            if request.all_options:
                print_all_options(request.command, arguments)
                return 0
            with ExitStack() as claims:
                return _run_request(request, arguments, claims)
    finally:
        quiet.close_logging()


def check_run(request: Request, arguments: list[str]) -> None:
    """Parse a command line, build its model and data, and check all that `fit` checks before it trains.

    Args:
        request: The command line, taken apart.
        arguments: The words for the parser, presets expanded.

    Raises:
        ReenactError: as `run_lightning`.
    """
    with _parse_arguments(request, arguments):
        plan = Plan(request, arguments, ExitStack())
        plan.datamodule.serve(plan.model.needs)
        check_needs(plan.model, plan.datamodule, request.command)


@contextmanager
def _parse_arguments(request: Request, arguments: list[str]) -> Iterator[None]:
    """Let the parser import what the request names, and raise its refusals as one sentence."""
    # Only a page of options shows docstrings; reading all their forms takes longer than the rest of the parse.
    style = DocstringStyle.AUTO if request.shows_options else DocstringStyle.GOOGLE
    set_parsing_settings(docstring_parse_attribute_docstrings=request.shows_options, docstring_parse_style=style)
    set_dumper("yaml", dump_settings)
    try:
        with limited_classes(request.classes, [*allowed_packages(), *list_offered_packages()]):
            for path in request.classes:
                check_import(path)
            yield
    except ArgumentError as error:
        raise sentences.from_parser(str(error), known_options, arguments) from error
    except MisconfigurationException as error:
        raise ReenactError(str(error)) from error
    except ValueError as error:
        raise _find_refusal(error) from error


def _find_refusal(error: BaseException) -> BaseException:
    """The refusal behind an error: the parser wraps what a constructor raises into one of its own."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ReenactError):
        cause = cause.__cause__ or cause.__context__
    return cause or error


def _run_request(request: Request, arguments: list[str], claims: ExitStack) -> int:
    try:
        cli = ReenactCLI(request, arguments, claims)
    except SystemExit as stop:  # --print_config and the parser's own help end the process
        return int(stop.code or 0)
    if cli.is_trained():
        return 0
    try:
        cli.start()
    except SystemExit:
        if not cli.trainer.interrupted:
            raise
        if not is_first():
            return 0  # any other code makes Lightning's observer kill the first process, which has more to do
        sys.stderr.write(f"reenact: interrupted; {_way_on(request, cli)}\n")
        return INTERRUPTED
    except BaseException as error:
        saver = cli.trainer.checkpoint_callback
        is_bystander = isinstance(saver, Checkpoints) and saver.is_bystander
        launcher = cli.trainer.strategy.launcher
        if isinstance(launcher, _SubprocessScriptLauncher):
            end_processes(launcher, PATIENCE if is_bystander else 0)  # the others may wait for this one for ever
        if isinstance(error, ReenactError) and is_first() and not request.resumes:
            discard_run_folder(request.out)
        if is_bystander:
            return BAD_INPUT  # the process that failed says what failed
        _report_error(error, request, cli)
        raise
    for line in _closing_lines(request, cli) if is_first() else ():
        sys.stdout.write(f"{line}\n")
    return 0


def _report_error(error: BaseException, request: Request, cli: ReenactCLI) -> None:
    """Raise the sentence for what ended a run, with the checkpoint to go on from where training had started."""
    sentence = error if isinstance(error, ReenactError) else from_system(error, cli.model.memory_options)
    if sentence is None:
        return
    last, saver = _last_checkpoint(request), cli.trainer.checkpoint_callback
    if last and isinstance(saver, Checkpoints) and saver.has_started:
        sentence = ReenactError(f"{sentence}; {_way_on(request, cli)}")
    if sentence is not error:
        raise sentence from error


def _closing_lines(request: Request, cli: ReenactCLI) -> list[str]:
    lines = [f"run folder: {request.out}"]
    if request.command == "fit" and cli.held_out.figures:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in sorted(cli.held_out.figures.items()))
        lines.insert(0, f"held-out portraits at step {cli.held_out.step}: {figures}")
    last = _last_checkpoint(request)
    if last and isinstance(cli.model, ReenactmentModule):
        lines.append(
            f"use it: reenact animate --checkpoint {last} --source PICTURE --driving VIDEO -o out.mp4"
            f"{_package_option(cli)}"
        )
    return lines


def _way_on(request: Request, cli: ReenactCLI) -> str:
    last = _last_checkpoint(request)
    return f"go on with: reenact fit --ckpt_path {last}{_package_option(cli)}" if last else "nothing was saved yet"


def _package_option(cli: ReenactCLI) -> str:
    """The option without which another command refuses the checkpoint of a class of the user's own."""
    cls = type(cli.model)
    return f" {OPTION} {cls.__module__.partition('.')[0]}" if needs_allowing(cls) else ""


def _last_checkpoint(request: Request) -> Path | None:
    last = request.out / LAST
    return last if request.command == "fit" and last.is_file() else None
