"""Official checkpoints into ours: `reenact convert`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.methods.registry import check_packages, describe_error, list_methods
from reenact.models.common.checkpoint import read_checkpoint
from reenact.models.common.forward_check import check_forward
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.official_settings import (
    Setting,
    check_sizes,
    choose_values,
    describe_values,
    read_configuration,
)
from reenact.paths import PathLike, to_path

LOG = logging.getLogger("reenact")


class Converter(Protocol):
    """Interface of the module that `Method.converter` names."""

    TITLE: str
    """Common name of the format."""
    RELEASED: Mapping[str, tuple[object, ...]]
    """Sizes of the released files by their names in the official configuration, with all values that occur."""

    def recognises(self, official: Mapping[str, Any]) -> bool:
        """Return True if a file's content is of this format."""

    def read_sizes(self, official: Mapping[str, Any]) -> dict[str, object]:
        """Return what the weights tell of the official configuration, by its names.

        Raises:
            KeyError, ValueError, IndexError: if a weight that tells a size is missing.
        """

    def list_settings(self, official: Mapping[str, Any]) -> tuple[Setting, ...]:
        """Return what the weights don't tell and the method runs by."""

    def build_portrait(self, module: ReenactmentModule) -> Portrait:
        """Return a portrait that the method reads, for a check."""

    def build(
        self, official: Mapping[str, Any], path: Path, face_model: str, values: Mapping[str, Any]
    ) -> tuple[ReenactmentModule, dict[str, Tensor]]:
        """The method at the file's sizes, and the file's weights by our names.

        Raises:
            KeyError, ValueError, IndexError: if a weight that tells a size is missing.
            ReenactError: if the file does not fit for another reason.
        """


def convert(path: PathLike, out: PathLike, face_model: str = "flame", config: PathLike | None = None) -> Path:
    """Write an official checkpoint as one that `animate`, `edit` and `test` read; it holds no state of training.

    Args:
        path: as the method's authors published it; the methods' pages name the files.
        out: the .ckpt to write.
        face_model: what the parameters live in that it is driven by; PWM's official ones in FLAME 2020.
        config: the YAML file that it was trained by, for settings that its weights don't tell; files of the released
            sizes take the released settings without it, and the command names them.

    Returns:
        `out`.

    Raises:
        ReenactError: if the file is of no known format or does not fit it, its settings are neither told nor
            supported, its mesh is not the face model's, or `out` exists or can't be written.
    """
    path, out, config = Path(path), Path(out), to_path(config)
    if out.exists():
        raise ReenactError(f"--out {out} exists: choose another path or remove it")
    content = None if config is None else read_configuration(config)
    official = read_checkpoint(path)
    converter = _find_converter(official, path)
    try:
        sizes = converter.read_sizes(official)
        if content is not None and config is not None:
            check_sizes(sizes, content, config, path)
        released = all(sizes[name] in sizes_there for name, sizes_there in converter.RELEASED.items())
        settings = converter.list_settings(official)
        values, assumed = choose_values(settings, content, config, released=released, path=path)
        module, state = converter.build(official, path, face_model, values)
    except (KeyError, ValueError, IndexError) as error:
        raise ReenactError(f"{path} is no official checkpoint of {converter.TITLE}: it lacks {error}") from error
    _load_state(module, state, path)
    check_forward(module, converter.build_portrait(module), path)
    _write_checkpoint(module, int(official.get("global_step", 0)), out)
    if assumed:
        LOG.warning("assumed, since the weights of %s don't tell: %s", path, describe_values(assumed))
    return out


def _find_converter(official: Mapping[str, Any], path: Path) -> Converter:
    converters = list(_load_converters())
    converter = next((converter for converter in converters if converter.recognises(official)), None)
    if converter is None:
        titles = ", ".join(converter.TITLE for converter in converters)
        raise ReenactError(f"{path} is no official checkpoint that is known here: give one of {titles}")
    return converter


def _load_converters() -> Iterator[Converter]:
    """Import the converters of all methods; one that breaks is announced and leaves the others usable."""
    for method in list_methods():
        if method.converter is None:
            continue
        try:
            check_packages(method)
            converter: Any = import_module(method.converter)
        except Exception as error:  # whatever the user's own module raises
            LOG.warning("warning: the converter of %s is left out: %s", method.name, describe_error(error))
        else:
            yield converter


def _load_state(module: ReenactmentModule, state: dict[str, Tensor], path: Path) -> None:
    # Counts of batches, which old versions of torch did not keep, change nothing.
    counts = {name: value for name, value in module.state_dict().items() if name.endswith("num_batches_tracked")}
    try:
        module.load_state_dict(counts | state)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise ReenactError(f"{path} does not fit {module.method}: {reason}") from error


def _write_checkpoint(module: ReenactmentModule, step: int, out: Path) -> None:
    checkpoint: dict[str, Any] = {
        "epoch": 0,
        "global_step": step,
        "pytorch-lightning_version": version("pytorch-lightning"),
        "state_dict": module.state_dict(),
        "callbacks": {},
    }
    module.on_save_checkpoint(checkpoint)
    partial = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            torch.save(checkpoint, file)
        partial.replace(out)
    except OSError as error:
        raise ReenactError(f"--out {out} can't be written ({error.strerror}): choose another path") from error
    finally:
        if partial.is_file():
            partial.unlink()
