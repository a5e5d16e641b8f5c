"""Run folders: `runs/<model>/<date-time>` with config.yaml, log.txt, metrics.csv, checkpoints/ and pictures/."""

from __future__ import annotations

import json
import logging
import os
import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from reenact.errors import ReenactError

RUNS = Path("runs")
LAST = Path("checkpoints") / "last.ckpt"
ELSEWHERE = "elsewhere.jsonl"
"""File in `runs/` that lists the run folders that `--out` put elsewhere."""
LOG = logging.getLogger("reenact")


def new_run(name: str) -> Path:
    """A run folder that does not exist yet, named by the time of day."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    taken = sum(1 for _ in (RUNS / name).glob(f"{stamp}*"))
    return RUNS / name / (f"{stamp}_{taken + 1}" if taken else stamp)


def checkpoint_of(option: str, path: str, run: str | None = None, title: str | None = None) -> Path:
    """Return the checkpoint that an option of any command means.

    Args:
        option: The option, for messages.
        path: A file, the folder of an export, or `last`: the newest checkpoint of the newest run that was started in
            this working folder, wherever `--out` put it.
        run: The run folder that is to go on; `last` is its own then.
        title: The preset whose runs alone count for `last`.

    Raises:
        ReenactError: if there is no such file.
    """
    if path != "last":
        if not Path(path).exists():
            raise ReenactError(f"{option} {path}: no such file; give a checkpoint, or `last`")
        return Path(path)
    runs = _runs(title) if run is None else [Path(run)]
    dated = [(max(_times(folder)), folder) for folder in runs if _times(folder)]
    if not dated:
        where = RUNS / (title or "*") / "*" if run is None else Path(run)
        raise ReenactError(
            f"{option} last: no checkpoint in {where / LAST.parent}; train first with reenact fit, or give a file"
        )
    return _last_of(max(dated)[1], option)


def record_run(out: Path, title: str) -> None:
    """Note a run folder outside of `runs/`, so that `last` finds it."""
    if RUNS.absolute() in out.absolute().parents:
        return
    line = json.dumps({"folder": str(out.absolute()), "title": title})
    try:
        RUNS.mkdir(exist_ok=True)
        with (RUNS / ELSEWHERE).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError as error:
        LOG.info("`last` will not find this run: %s can't be written (%s)", RUNS / ELSEWHERE, error.strerror)


def _runs(title: str | None) -> list[Path]:
    """Return the run folders that were started in this working folder."""
    found = [path for path in RUNS.glob(f"{title or '*'}/*") if path.is_dir()]
    if (RUNS / ELSEWHERE).is_file():
        for line in (RUNS / ELSEWHERE).read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError, KeyError):
                entry = json.loads(line)
                if title in (None, entry["title"]):
                    found.append(Path(os.path.relpath(entry["folder"])))
    return list(dict.fromkeys(found))


def _times(run: Path) -> list[float]:
    return [file.stat().st_mtime for file in (run / LAST.parent).glob("*.ckpt")]


def _last_of(run: Path, option: str) -> Path:
    """Return `last.ckpt` of a run, or its newest whole checkpoint where that one is damaged or missing."""
    from reenact.models.checkpoint_file import is_whole, newest_whole  # imports torch, which is needed next

    last = run / LAST
    if last.is_file() and is_whole(last):
        return last
    whole = newest_whole(last.parent)
    if whole is None:
        raise ReenactError(f"{option} last: {last.parent} holds no whole checkpoint; give a file of another run")
    LOG.info("%s is missing or damaged; %s is the newest whole checkpoint", last, whole)
    return whole


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
