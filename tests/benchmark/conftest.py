"""A small table over the stand-ins of the command line's tests; its rows run in this process."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import pytest
import yaml
from cli.conftest import place  # noqa: F401 - a fixture

from reenact.benchmark import job
from reenact.benchmark.work import REFUSAL, Outcome
from reenact.cli import main

TABLE = {
    "id": "mini",
    "title": "Two stand-ins",
    "paper": "Nobody (2099), Table 1",
    "data": {"train": "synthetic", "test": "synthetic"},
    "scale": "tiny",
    "protocol": {"self": "frames of a clip"},
    "overrides": {"data.num_workers": 0},
    "columns": [
        {"id": "self.psnr", "metric": "psnr", "loader": "self", "direction": "up", "decimals": 2},
        {"id": "self.l1", "metric": "l1", "loader": "self", "direction": "down", "decimals": 3},
        {"id": "cross.psnr", "metric": "psnr", "loader": "cross", "direction": "up", "decimals": 2},
    ],
    "rows": [
        {"id": "one", "method": "One & only", "kind": "own", "model": "standin", "values": {"self.psnr": 20.5}},
        {"id": "fast", "method": "Faster", "kind": "own", "model": "standin", "overrides": {"model.lr": 0.25}},
        {"id": "later", "method": "Later_1", "kind": "own", "model": "absent"},
        {"id": "other", "method": "Elsewhere", "kind": "baseline", "values": {"self.l1": 0.1, "cross.psnr": 1.0}},
    ],
    "notes": ["The paper does not say more."],
}


class Runs:
    """Runs rows in this process, and remembers them."""

    def __init__(self) -> None:
        self.words: list[tuple[str, str]] = []
        self.interrupt_at: int | None = None

    def __call__(self, words: Sequence[str], log: Path, lock: IO[bytes]) -> Outcome:
        self.words.append((words[0], words[words.index("--out") + 1]))
        if len(self.words) - 1 == self.interrupt_at:
            raise KeyboardInterrupt
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            code = main([*words])
        if "wandb" in sys.modules:  # ends with the process otherwise
            sys.modules["wandb"].finish()
        said = errors.getvalue().strip().removeprefix(REFUSAL)
        return Outcome(code == 0, said if code else "")

    @property
    def kinds(self) -> list[str]:
        return [command for command, _ in self.words]

    def forget(self) -> None:
        self.words.clear()
        self.interrupt_at = None


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs()
    monkeypatch.setattr(job, "run_command", made)
    return made


@pytest.fixture(scope="session")
def finished_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the runs of tables that are finished, by the words of their command."""
    return tmp_path_factory.mktemp("tables")


@pytest.fixture
def finish(table: Path, runs: Runs, finished_tables: Path) -> Callable[..., None]:
    """Bring the working folder into the state after the small table is run, which is run once for all tests."""

    def run(*words: str) -> None:
        folder = finished_tables / ("-".join(words) or "whole")
        if not folder.is_dir():
            assert main(["benchmark", str(table), *words]) == 0
            shutil.copytree("runs", folder)
        else:
            shutil.copytree(folder, "runs")
        runs.forget()

    return run


@pytest.fixture
def table(place: Path) -> Path:  # noqa: F811 - the fixture
    """The file of the small table, in the working folder of the stand-ins."""
    path = place / "mini.yaml"
    path.write_text(yaml.safe_dump(TABLE, sort_keys=False))
    return path
