"""The stages of the folder `stages`, in order, with the keys and the row that they give a clip."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from hashlib import blake2b
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare import stages
from reenact.data.prepare.job import Job, Settings
from reenact.data.prepare.stage import Device, Stage
from reenact.data.prepare.work import ClipTask
from reenact.data.store.reader import ClipRecord


@cache
def find_stages() -> tuple[Stage, ...]:
    """Collect the stages of the folder; each comes after those whose results it reads."""
    modules = [import_module(f"{stages.__name__}.{module.name}") for module in iter_modules(stages.__path__)]
    classes = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Stage) and value.__module__ == module.__name__
    ]
    return tuple(order_stages(kind() for kind in classes))


def order_stages(stages: Iterable[Stage]) -> list[Stage]:
    """Order stages by their inputs, and by name where these leave it open.

    Raises:
        ValueError: if a stage reads the result of none, or two of each other.
    """
    waiting, ordered = sorted(stages, key=lambda stage: stage.name), list[Stage]()
    while waiting:
        finished = {"content", *(stage.name for stage in ordered)}
        ready = next((stage for stage in waiting if finished.issuperset(stage.inputs)), None)
        if ready is None:
            raise ValueError(f"stages without their inputs: {', '.join(stage.name for stage in waiting)}")
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def stage_names() -> tuple[str, ...]:
    """Names of the stages, in order."""
    return tuple(stage.name for stage in find_stages())


def pick_stages(names: Collection[str]) -> list[Stage]:
    """Stages of some names, in order."""
    return [stage for stage in find_stages() if stage.name in names]


def pick_device(stage: Stage, job: Job) -> Device:
    """Name the device that a stage keeps busy in a job."""
    return "cpu" if job.device == "cpu" else stage.pick_device(job.settings)


def count_clips(stage: Stage, job: Job) -> int:
    """Count the clips of one call of a stage in a job."""
    return stage.count_clips(job.settings) if pick_device(stage, job) == "gpu" else 1


def stage_keys(content: str, clip: ClipInput, settings: Settings) -> dict[str, str]:
    """The key of each stage's result, stages in order.

    Each hashes what the stage itself depends on and the keys of the stages whose results it reads, so that a change of
    a setting leaves valid what does not depend on it.

    Args:
        content: Hash of the clip's file.
        clip: The clip.
        settings: How it is prepared.
    """
    keys = {"content": content}
    for stage in find_stages():
        parts = stage.name, settings.version, stage.key_parts(keys, clip, settings)
        keys[stage.name] = blake2b(repr(parts).encode(), digest_size=16).hexdigest()
    del keys["content"]
    return keys


def clip_key(keys: Mapping[str, str]) -> str:
    """Key of a finished clip: that of the stage that no other reads; where there are several, a hash of theirs.

    Args:
        keys: Key of each stage.
    """
    read = {name for stage in find_stages() for name in stage.inputs}
    last = [key for name, key in keys.items() if name not in read]
    return last[0] if len(last) == 1 else blake2b(" ".join(last).encode(), digest_size=16).hexdigest()


def record_of(task: ClipTask) -> ClipRecord:
    """The row of a clip whose stages up to `camera` are finished."""
    clip, fields = task.clip, dict[str, Any]()
    for stage in find_stages():
        if task.work.has(stage.name):
            fields |= stage.describe_clip(task)
    return ClipRecord(
        name=clip.name,
        split=clip.split,
        identity=clip.identity,
        status="ok",
        source=clip.source,
        key=task.key,
        seconds=task.work.seconds(),
        **fields,
    )
