"""Run folders: `runs/<model>/<date-time>` with config.yaml, log.txt, metrics.csv, checkpoints/ and pictures/."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from reenact.errors import ReenactError

RUNS = Path("runs")
LAST = Path("checkpoints") / "last.ckpt"


def new_run(name: str) -> Path:
    """A run folder that does not exist yet, named by the time of day."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    taken = sum(1 for _ in (RUNS / name).glob(f"{stamp}*"))
    return RUNS / name / (f"{stamp}_{taken + 1}" if taken else stamp)


def checkpoint_of(option: str, path: str, out: str | None, model: str | None) -> Path:
    """The checkpoint that `--ckpt_path` or `--weights` means.

    Args:
        option: Which of them, for messages.
        path: A file, the folder of an export, or `last`: the newest `last.ckpt` of the runs.
        out: The run folder in which `last` is looked for, where one was named.
        model: The preset whose runs `last` is looked for in, where one was named.

    Raises:
        ReenactError: if there is no such file.
    """
    if path != "last":
        if not Path(path).exists():
            raise ReenactError(f"--{option} {path}: no such file; give a checkpoint, or `last`")
        return Path(path)
    if out is not None:
        found = [Path(out) / LAST] if (Path(out) / LAST).is_file() else []
        where = str(Path(out) / LAST)
    else:
        found = list(RUNS.glob(f"{model or '*'}/*/{LAST}"))
        where = str(RUNS / (model or "*") / "*" / LAST)
    if not found:
        raise ReenactError(f"--{option} last: no {where}; train first with reenact fit, or give a file")
    return max(found, key=lambda file: file.stat().st_mtime)


def run_of(checkpoint: Path) -> Path | None:
    """The run folder that a checkpoint lies in, None for a file from elsewhere."""
    run = checkpoint.parent.parent
    return run if (run / "config.yaml").is_file() else None


def check_out(out: Path, resumes: bool) -> None:
    """Refuse a folder that cannot be a new run's, before anything is built.

    Raises:
        ReenactError: if it holds something and is not to be resumed, or is a file.
    """
    if out.is_file():
        raise ReenactError(f"--out {out}: is a file; name a folder")
    if not resumes and out.is_dir() and any(out.iterdir()):
        raise ReenactError(f"--out {out}: the folder is not empty; name a new one, or resume it with --ckpt_path last")


def make(out: Path) -> None:
    """Make a run folder.

    Raises:
        ReenactError: if it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "log.txt").touch()
    except OSError as error:
        raise ReenactError(f"--out {out}: cannot be written ({error.strerror}); name another folder") from error


def discard(out: Path) -> None:
    """Remove the folder of a run that was refused before it made anything but its settings and log."""
    if out.is_dir() and {path.name for path in out.iterdir()} <= {"config.yaml", "log.txt"}:
        shutil.rmtree(out)
