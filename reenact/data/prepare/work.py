"""The results of a clip's stages: one small file each under `STORE/work/`, gone when the clip is in the manifest.

A result belongs to a key: a hash of the clip's content, and of the settings that matter to the stage and to those that
it needs. A file of another key counts for nothing and is written over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.job import Settings
from reenact.data.store.manifest_writer import StoreWriteError
from reenact.devices import is_memory_full
from reenact.errors import ReenactError

Array = NDArray[Any]


@dataclass(frozen=True)
class Result:
    """Result of a stage."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    """Anything that JSON can say."""
    arrays: Mapping[str, Array] = field(default_factory=dict)


class Work:
    """The results of one clip.

    Args:
        folder: Where they lie; made when the first is saved.
        keys: Key of each stage.
    """

    def __init__(self, folder: Path, keys: dict[str, str]) -> None:
        self.folder = folder
        self._keys = keys
        self._known: dict[str, Result] = {}

    def __getitem__(self, stage: str) -> Result:
        """The result of a finished stage."""
        return self._known[stage]

    def has(self, stage: str) -> bool:
        """Tell if a stage is finished for the keys of this clip; a damaged file counts as unfinished."""
        if stage not in self._known:
            result = _load_result(self._path(stage), self._keys[stage])
            if result is not None:
                self._known[stage] = result
        return stage in self._known

    def save(self, stage: str, result: Result, seconds: float) -> None:
        """Keep a stage's result and how long it took; raises `OSError` or `SafetensorError` if the disk refuses."""
        result = Result({**result.facts, "seconds": round(seconds, 3)}, result.arrays)
        temporary = self.folder / f"{stage}.tmp"
        # One entry alone: safetensors writes several in an order that changes from file to file.
        about = {"about": json.dumps({"key": self._keys[stage], "facts": dict(result.facts)}, sort_keys=True)}
        arrays = {name: np.ascontiguousarray(array) for name, array in result.arrays.items()}
        temporary.write_bytes(save(arrays, about))  # `save_file` makes files for their owner alone
        temporary.replace(self._path(stage))
        self._known[stage] = result

    def seconds(self) -> dict[str, float]:
        """Time that each finished stage took."""
        return {stage: self._known[stage].facts["seconds"] for stage in self._keys if stage in self._known}

    def _path(self, stage: str) -> Path:
        return self.folder / f"{stage}.safetensors"


@dataclass(kw_only=True)
class ClipTask:
    """A clip that this process has in hand."""

    clip: ClipInput
    settings: Settings
    keys: dict[str, str]
    """Key of each stage, in order."""
    work: Work
    key: str
    """Key of the finished clip."""
    on_frame: Callable[[], None]
    """Called after each frame that is tracked."""
    reason: str = ""
    """Reason why the clip is unusable; empty while there is none."""

    def is_next(self, stage: str) -> bool:
        """Tell if a stage is due: it is unfinished, those before it are finished, and the clip is usable."""
        before = list(self.keys)[: list(self.keys).index(stage)]
        return not self.reason and not self.work.has(stage) and all(map(self.work.has, before))

    @contextmanager
    def blamed(self, stage: str) -> Iterator[None]:
        """Take what goes wrong within the block for a fault of the clip.

        Raises:
            StoreWriteError: if the disk refuses.
            RuntimeError: if the memory of the device is full, which is no clip's fault.
        """
        try:
            yield
        except StoreWriteError:
            raise
        except ReenactError as error:
            self.reason = error.describe_within(self.clip.path)
        except Exception as error:
            if is_memory_full(error):
                raise
            # One strange file must not end a run over a million; the report says what happened, `--retry` tries again.
            self.reason = f"made the stage {stage} fail: {type(error).__name__}: {' '.join(str(error).split())}"


def remove_empty_folders(folder: Path) -> None:
    """Remove a folder and those in it, as far as they hold no file; other runs may still use it."""
    for path, _, _ in os.walk(folder, topdown=False):
        try:
            Path(path).rmdir()
        except OSError:  # not empty, or gone
            continue


def _load_result(path: Path, key: str) -> Result | None:
    try:
        with safe_open(path, "np") as file:
            about = json.loads((file.metadata() or {})["about"])
            if about["key"] != key:
                return None
            return Result(about["facts"], {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (FileNotFoundError, SafetensorError, ValueError, KeyError):
        return None
