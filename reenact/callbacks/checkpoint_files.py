"""Checkpoint files: written as a whole, of finite weights only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor

from reenact.callbacks.whole_files import replace_file
from reenact.errors import ReenactError
from reenact.models.common.checkpoint_file import read_checkpoint


class CheckpointFiles(TorchCheckpointIO):
    """Lightning's checkpoint files, written beside their place and renamed.

    Lightning writes to the temporary folder and copies from there, where the two are on different disks: a process
    that is killed leaves half a checkpoint in the run folder and a whole one in the temporary folder.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Write a checkpoint; raises `ReenactError` if the disk does not take it, or if it is not finite."""
        check_finite(checkpoint)
        with replace_file(Path(path), durable=True) as partial, _DiskFile(partial) as file:
            torch.save(checkpoint, cast(IO[bytes], file))

    def load_checkpoint(
        self, path: str | Path, map_location: object = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Map a checkpoint into memory, so that weights go from the file to their place without a copy between.

        Args:
            path: The file.
            map_location: Not read: tensors are on the CPU, and Lightning moves them.
            weights_only: Not read: nothing but tensors and plain values is ever loaded.

        Raises:
            ReenactError: as `read_checkpoint`.
        """
        return read_checkpoint(Path(path))


class _DiskFile:
    """A file for `torch.save`, which hides the disk's error behind one of its own."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write, or after an error pretend to; the end of the block raises it."""
        if self._error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error
        return len(data)

    def flush(self) -> None:
        """Flush."""
        if self._error is None:
            try:
                self._file.flush()
            except OSError as error:
                self._error = error

    def __enter__(self) -> _DiskFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        if self._error is not None:
            self._file.detach().close()  # the buffer would try again to write what the disk refuses
            raise self._error
        self._file.close()


def check_finite(checkpoint: Mapping[str, Any]) -> None:
    """Refuse a checkpoint with NaN or infinity in its weights, statistics or optimisers.

    Raises:
        ReenactError: names the first such tensor.
    """
    step = checkpoint.get("global_step")
    for part, subject in (("state_dict", "network"), ("optimizer_states", "optimiser")):
        for name, tensor in _iterate_tensors(checkpoint.get(part, {})):
            if not torch.isfinite(tensor).all():
                raise ReenactError(
                    f"The {subject} has numbers that are not finite at step {step} (first in {name}), so it is not"
                    " saved: lower the learning rate or look at the data"
                )


def _iterate_tensors(content: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The floating-point tensors in nested dictionaries and lists, with their dotted names."""
    if isinstance(content, Tensor):
        if content.is_floating_point():
            yield name, content
        return
    items = content.items() if isinstance(content, Mapping) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from _iterate_tensors(value, f"{name}.{key}" if name else str(key))
