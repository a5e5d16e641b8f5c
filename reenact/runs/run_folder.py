"""Run folders: `runs/<model>/<date-time>` with config.yaml, log.txt, metrics.csv, checkpoints/ and pictures/."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path

from reenact.claims import try_claim
from reenact.errors import ReenactError

RUNS = Path("runs")
LAST = Path("checkpoints") / "last.ckpt"
ELSEWHERE = "elsewhere.jsonl"
"""File in `runs/` that lists the run folders that `--out` put elsewhere."""
LOG = logging.getLogger("reenact")
CLAIM = ".claim"
"""File that says which process runs in the folder, see `data.claims`."""


def new_run(name: str) -> Path:
    """Make a run folder named by the time of day, which no other process has made.

    Raises:
        ReenactError: if it cannot be made.
    """
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    for number in count(1):
        out = RUNS / name / (stamp if number == 1 else f"{stamp}_{number}")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.mkdir()
            return out
        except FileExistsError:
            continue
        except OSError as error:
            raise _unwritable_error(out, error) from error
    raise AssertionError("numbers have no end")


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
    runs = _list_runs(title) if run is None else [Path(run)]
    dated = [(max(_read_times(folder)), folder) for folder in runs if _read_times(folder)]
    if not dated:
        pattern = RUNS / (title or "*") / "*" if run is None else Path(run)
        raise ReenactError(
            f"{option} last: no checkpoint in {pattern / LAST.parent}; train first with reenact fit, or give a file"
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


def _list_runs(title: str | None) -> list[Path]:
    """Return the run folders that were started in this working folder."""
    folders = [path for path in RUNS.glob(f"{title or '*'}/*") if path.is_dir()]
    if (RUNS / ELSEWHERE).is_file():
        for line in (RUNS / ELSEWHERE).read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError, KeyError):
                entry = json.loads(line)
                if title in (None, entry["title"]):
                    folders.append(Path(os.path.relpath(entry["folder"])))
    return list(dict.fromkeys(folders))


def _read_times(run: Path) -> list[float]:
    return [file.stat().st_mtime for file in (run / LAST.parent).glob("*.ckpt")]


def _last_of(run: Path, option: str) -> Path:
    """Return `last.ckpt` of a run, or its newest whole checkpoint where that one is damaged or missing."""
    from reenact.models.common.checkpoint_file import is_whole, newest_whole  # imports torch, which is needed next

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
    if not resumes and out.is_dir() and any(path.name != CLAIM for path in out.iterdir()):
        raise ReenactError(f"--out {out}: the folder is not empty; name a new one, or resume it with --ckpt_path last")


@contextmanager
def hold_run_folder(out: Path, resumes: bool) -> Iterator[None]:
    """Keep a run folder for this process alone during the block; folders that stay empty are removed again.

    Args:
        out: The folder, which need not exist.
        resumes: Whether the run goes on in the folder of an earlier one.

    Raises:
        ReenactError: as `check_out`, or if another process has the folder, or it cannot be written.
    """
    check_out(out, resumes)
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        with ExitStack() as claim:
            try:
                out.mkdir(parents=True, exist_ok=True)
                is_free = claim.enter_context(try_claim(out / CLAIM))
            except OSError as error:
                raise _unwritable_error(out, error) from error
            if not is_free:
                raise ReenactError(
                    f"--out {out}: another process runs in this folder; wait until it ends, or name another folder"
                )
            check_out(out, resumes)  # another process may have come and gone since
            yield
    finally:
        _remove_empty(missing)


def discard_run_folder(out: Path) -> None:
    """Remove the folder of a run that was refused before it wrote anything but its settings and log."""
    if out.is_dir() and {path.name for path in out.iterdir()} <= {"config.yaml", "log.txt", CLAIM}:
        shutil.rmtree(out)


def remove_unused(out: Path) -> None:
    """Remove the folder of `new_run` where nothing was written to it."""
    if out.parent.parent == RUNS:
        _remove_empty([out, out.parent, RUNS])


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # it holds something
            folder.rmdir()


def _unwritable_error(out: Path, error: OSError) -> ReenactError:
    return ReenactError(f"--out {out}: cannot be written ({error.strerror}); name another folder")
