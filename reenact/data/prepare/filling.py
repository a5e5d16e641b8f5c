"""One run of `prepare` over its clips: names in the store, an engine with its progress, the report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reenact.data.layouts.clip_input import ClipInput, text_of
from reenact.data.prepare.engines import Engine
from reenact.data.prepare.job import Job, Settings, store_info
from reenact.data.prepare.naming import name_apart
from reenact.data.prepare.report import print_report
from reenact.data.prepare.runner import run_stages
from reenact.data.prepare.work import remove_empty_folders
from reenact.data.store.reader import ClipRecord, Store
from reenact.data.store.root_files import MANIFEST
from reenact.data.store.writer import StoreWriter
from reenact.errors import ReenactError
from reenact.progress import open_progress_console

MOST_NOTES = 6
"""Lines about single clips that are printed before the run."""


def fill_store(clips: list[ClipInput], job: Job, input: Path, out: Path, build_engine: Callable[[], Engine]) -> None:
    """Bring all clips into a store and print the report; a new store in which no clip is usable is removed.

    Raises:
        ReenactError: if no clip is usable, or the store can't be written.
    """
    is_new = not (out / MANIFEST).exists()
    writer = StoreWriter(out, store_info(job.settings))
    start = time.perf_counter()
    try:
        clips = _name_apart(clips, writer, job.settings)
        writer.plan(text_of(str(input.absolute())), ((clip.name, clip.split) for clip in clips))
        _run_engine(clips, job, build_engine())
        remove_empty_folders(job.out / "work")
        names = {clip.name for clip in clips}
        rows = (record for record in Store(out).scan() if record.name in names)
        summary = print_report(out, rows, time.perf_counter() - start)
    finally:
        if is_new:
            _remove_empty(out)
    if not summary.usable:
        raise ReenactError(_nothing_usable(input, summary.first))


def _name_apart(clips: list[ClipInput], writer: StoreWriter, settings: Settings) -> list[ClipInput]:
    """Give clips names of their own in the store, and print which."""
    renamed = name_apart(clips, writer, settings)
    pairs = [(old, new) for old, new in zip(clips, renamed, strict=True) if old.name != new.name]
    for old, new in pairs[:MOST_NOTES]:
        Console().print(escape(f"{old.source} is stored as {new.name}: the store has another clip of its name"))
    if len(pairs) > MOST_NOTES:
        Console().print(f"{len(pairs) - MOST_NOTES} more clips are stored under names of their own")
    return renamed


def _run_engine(clips: Sequence[ClipInput], job: Job, engine: Engine) -> None:
    """Bring every clip into the manifest, the progress on show."""
    columns = (
        TextColumn("preparing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("clips, {task.fields[frames]} frames seen"),
        TimeRemainingColumn(),
    )
    stored_names = {record.name for record in Store(job.out).scan()}
    with Progress(*columns, console=open_progress_console()) as progress:
        task = progress.add_task("prepare", total=len(clips), frames=0)

        def done(record: ClipRecord) -> None:
            progress.advance(task)

        waiting = []
        for clip in clips:  # only what has a row may be finished, and is worth looking into its file here
            record = run_stages((), [clip], job)[0] if clip.name in stored_names else None
            if record is None:
                waiting.append(clip)
            else:
                done(record)
        if waiting:
            engine.run(waiting, job, done, lambda frames: progress.update(task, frames=frames))


def _remove_empty(out: Path) -> None:
    """Take away a store made by this run in which no clip is usable, and none is begun."""
    if Store(out).table.names or any(path.is_file() for path in out.glob("work/**/*")):
        return
    for folder in ("clips", "previews", "work"):
        shutil.rmtree(out / folder, ignore_errors=True)
    for file in out.glob(f"{MANIFEST}*"):
        file.unlink()
    remove_empty_folders(out)


def _nothing_usable(path: Path, records: Sequence[ClipRecord]) -> str:
    """The sentence for an input without a usable clip."""
    first_record = next((record for record in records if record.status != "missing"), None)
    if first_record is None:
        return f"{path} holds no clip that its metadata name ({records[0].reason}); get the files from their owners"
    remedy = "" if ";" in first_record.reason else "; give a clip or picture with a clearly visible face"
    return f"{first_record.source} {first_record.reason}{remedy}"
