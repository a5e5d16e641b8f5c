"""Official checkpoints into ours: `reenact convert`."""

from __future__ import annotations

import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.models.common.checkpoint_file import SHARDS, read_checkpoint
from reenact.models.common.converter import BaseConverter, Converter, find_converter, find_folder_converter
from reenact.models.common.forward_check import check_forward
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.official_files import read_folder
from reenact.models.common.official_settings import (
    check_sizes,
    choose_values,
    describe_values,
    read_configuration,
)
from reenact.paths import PathLike, to_path

LOG = logging.getLogger("reenact")


def convert(
    path: PathLike,
    out: PathLike,
    face_model: str = "flame",
    config: PathLike | None = None,
    base: PathLike | None = None,
) -> Path:
    """Write an official checkpoint as one that `animate`, `edit` and `test` read; it holds no state of training.

    Args:
        path: the file as the method's authors published it, or the folder of several; the methods' pages name them.
        out: the .ckpt to write.
        face_model: what the parameters live in that it is driven by; PWM's official ones in FLAME 2020.
        config: the YAML file that it was trained by, for settings that its weights don't tell; files of the released
            sizes take the released settings without it, and the command names them.
        base: the folder of the other project that the method stands on, where the method's page names one.

    Returns:
        `out`.

    Raises:
        ReenactError: if the file or folder is of no known format or does not fit it, its settings are neither told nor
            supported, its mesh is not the face model's, `base` is missing or not read, or `out` exists or can't be
            written.
    """
    path, out, config, base = Path(path), Path(out), to_path(config), to_path(base)
    if out.exists():
        raise ReenactError(f"--out {out} exists: choose another path or remove it")
    content = None if config is None else read_configuration(config)
    official, converter = _read_official(path, base)
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


def _read_official(path: Path, base: Path | None) -> tuple[dict[str, Any], Converter]:
    """Return the content of a file or folder, with what the method takes from its base folder, and its converter."""
    official: dict[str, Any]
    converter: Converter
    if _is_official_folder(path):
        converter = find_folder_converter(path)
        _check_base(converter, path, base)
        official = read_folder(path, converter.FILES, converter.TITLE)
        if not converter.recognises(official):
            raise ReenactError(f"{path} has the files of {converter.TITLE} with other content: get them again")
    else:
        official = read_checkpoint(path)
        converter = find_converter(official, path)
        _check_base(converter, path, base)
    if isinstance(converter, BaseConverter) and base is not None:
        official = {**official, "base": converter.read_base(base)}
    return official, converter


def _is_official_folder(path: Path) -> bool:
    return path.is_dir() and not (path / SHARDS).is_file()


def _check_base(converter: Converter, path: Path, base: Path | None) -> None:
    """Refuse a base folder that the converter does not read, and a missing one that it needs."""
    if not isinstance(converter, BaseConverter):
        if base is not None:
            raise ReenactError(f"--base {base} is not read, since {path} is of {converter.TITLE}: leave --base out")
    elif base is None:
        raise ReenactError(f"{path} is of {converter.TITLE}, which stands on {converter.BASE}: give --base its folder")
    elif not base.is_dir():
        raise ReenactError(f"--base {base} is no folder: give the folder of {converter.BASE}")


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
