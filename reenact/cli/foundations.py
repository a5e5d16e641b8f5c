"""Foundations of `fit`: trained first, once, where the command line names none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reenact.benchmark import inputs
from reenact.benchmark.training import Training
from reenact.benchmark.work import Outcome, run_command
from reenact.cli.train import check_run
from reenact.data.store.byte_ranges import is_url
from reenact.errors import ReenactError
from reenact.methods.method import Foundation
from reenact.runs import quiet
from reenact.runs.arguments import expand_request
from reenact.runs.foundations import find_value, list_foundation_options
from reenact.runs.processes import is_first, shared_foundation
from reenact.runs.request import Request, parse_request
from reenact.runs.run_folder import RUNS


def stand_on_foundation(request: Request, arguments: list[str], foundation: Foundation) -> list[str]:
    """Return the words that name a run's foundation, which is trained first where no finished one is there.

    Args:
        request: The command line, expanded.
        arguments: Its words for the parser.
        foundation: What the preset stands on.

    Raises:
        ReenactError: if the command line itself is refused, which is checked first, or the foundation's training.
        KeyboardInterrupt: when interrupted; the same command goes on with the foundation.
    """
    if not is_first():
        return [f"--{foundation.option}", shared_foundation(foundation.option)]
    options, logging = list_foundation_options(request, foundation)
    quiet.begin_logging()
    try:
        training = _plan_training(options, foundation)
        if not training.is_finished:
            check_run(request, arguments)
        _announce_training(request.names["model"], foundation, training)
        if not training.is_finished:
            _train_foundation(training, logging, foundation)
    finally:
        quiet.close_logging()
    return [f"--{foundation.option}", str(training.checkpoint)]


def _plan_training(options: Sequence[str], foundation: Foundation) -> Training:
    """Return the training of a foundation, in a folder that is named by what its weights depend on."""
    root = find_value(expand_request(parse_request("fit", [*options, "--out", "."])), "data.root")
    store = None if root is None else str(root) if is_url(str(root)) else Path(str(root))
    made_from = inputs.training_inputs(options, store)
    run = RUNS / foundation.preset / f"foundation-{inputs.hash_inputs(made_from)}"
    return Training(arguments=options, inputs=made_from, run=run)


def _announce_training(preset: str, foundation: Foundation, training: Training) -> None:
    if training.is_finished:
        text = f"its last checkpoint is {training.checkpoint}"
    elif training.is_begun:
        text = f"its training goes on in {training.run}"
    else:
        text = f"it is trained first, in {training.run}"
    quiet.LOG.info("%s stands on %s: %s", preset, foundation.preset, text)


def _train_foundation(training: Training, logging: Sequence[str], foundation: Foundation) -> None:
    """Train in a process of its own, which gives its memory back; raises `ReenactError` with its sentence."""
    log = training.run.with_name(f"{training.run.name}.txt")
    log.parent.mkdir(parents=True, exist_ok=True)

    def start(options: Sequence[str]) -> Outcome:
        return run_command([*options, *logging], log)

    try:
        outcome = training.complete(start)
    finally:
        if log.is_file() and not log.stat().st_size:
            log.unlink()
    if not outcome.done:
        raise ReenactError(f"the foundation {foundation.preset} can't be trained: {outcome.problem}")
    log.unlink(missing_ok=True)
