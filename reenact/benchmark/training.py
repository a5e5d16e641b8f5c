"""Trainings that are run once: a finished one is used again by whoever needs the same weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reenact.benchmark.inputs import hash_inputs
from reenact.benchmark.work import Outcome
from reenact.runs.run_folder import LAST

DONE = "done.json"
"""Written when a training or a step of a row is finished: the inputs that it depends on."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training to its end."""

    arguments: Sequence[str]
    """Words of `reenact fit`, without run folder and checkpoints."""
    inputs: dict[str, Any]
    """Inputs of its weights, see `inputs.training_inputs`."""
    run: Path
    """Its run folder."""
    foundation: Sequence[str] = ()
    """Option and checkpoint of what it stands on."""

    @property
    def checkpoint(self) -> Path:
        """Its last checkpoint."""
        return self.run / LAST

    @property
    def is_finished(self) -> bool:
        """True if it has come to its end."""
        return (self.run / DONE).is_file() and self.checkpoint.is_file()

    @property
    def is_begun(self) -> bool:
        """True if it was interrupted after a checkpoint, from which it goes on."""
        return self.checkpoint.is_file()

    def complete(self, start: Callable[[Sequence[str]], Outcome]) -> Outcome:
        """Train to the end, from the last checkpoint where the training was interrupted.

        Args:
            start: runs `reenact WORDS`.
        """
        options = ["fit", *self.arguments]
        if self.is_begun:
            # Weights to start from are in the checkpoint by now; a network beside the trained one is in none.
            options += [] if "--weights" in self.foundation else self.foundation
            options += ["--ckpt_path", str(self.checkpoint)]
        else:
            shutil.rmtree(self.run, ignore_errors=True)  # interrupted before its first checkpoint
            options += self.foundation
        outcome = start([*options, "--out", str(self.run)])
        if outcome.done:
            write_fingerprint(self.run / DONE, self.inputs)
        return outcome


def write_fingerprint(path: Path, inputs: dict[str, Any]) -> None:
    """Write what a finished step depends on."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(json.dumps(inputs, indent=1, sort_keys=True, default=str), encoding="utf-8")
    temporary.replace(path)


def matches_fingerprint(path: Path, inputs: dict[str, Any]) -> bool:
    """Tell if a finished step depends on the same inputs."""
    return path.is_file() and hash_inputs(json.loads(path.read_text(encoding="utf-8"))) == hash_inputs(inputs)
