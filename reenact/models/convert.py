"""Official checkpoints into ours: `reenact convert`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.models.base import Needs
from reenact.models.checkpoint import read
from reenact.models.module import ReenactmentModule
from reenact.paths import PathLike

SIDE = 128
"""Pixels of the image of a check, rounded up to what the method reads."""
State = Mapping[str, Tensor]
FORMATS = ("pwm", "fomm", "face_vid2vid")
"""Methods whose folder has a `convert.py` that keeps `Converter`."""


class Converter(Protocol):
    """What a method's `convert.py` offers."""

    TITLE: str
    """What people call the format."""

    def recognises(self, official: Mapping[str, Any]) -> bool:
        """Whether a file's content is of this format."""

    def build(
        self, official: Mapping[str, Any], path: Path, face_model: str
    ) -> tuple[ReenactmentModule, dict[str, Tensor]]:
        """The method at the file's sizes, and the file's weights by our names.

        Raises:
            KeyError, ValueError, IndexError: if a weight that tells a size is missing.
            ReenactError: if the file does not fit for another reason.
        """


def convert(path: PathLike, out: PathLike, face_model: str = "flame") -> Path:
    """Write an official checkpoint as one that `animate`, `edit` and `test` read; it holds no state of training.

    Args:
        path: as its authors published it: PWM (`PWM_*.pth`), FOMM (`vox-cpk.pth.tar`, `vox-adv-cpk.pth.tar`),
            Face-vid2vid (`*.pth.tar` of zhanglonghao1992's reimplementation).
        out: the .ckpt to write.
        face_model: what the parameters live in that it is driven by; PWM's official ones in FLAME 2020.

    Returns:
        `out`.

    Raises:
        ReenactError: if the file is of no known format or does not fit it, its mesh is not the face model's, or `out`
            exists or can't be written.
    """
    path, out = Path(path), Path(out)
    if out.exists():
        raise ReenactError(f"--out {out} exists: choose another path or remove it")
    official = read(path)
    converters: list[Converter] = [import_module(f"reenact.models.{name}.convert") for name in FORMATS]
    converter = next((converter for converter in converters if converter.recognises(official)), None)
    if converter is None:
        titles = ", ".join(converter.TITLE for converter in converters)
        raise ReenactError(f"{path} is no official checkpoint that is known here: give one of {titles}")
    try:
        module, state = converter.build(official, path, face_model)
    except (KeyError, ValueError, IndexError) as error:
        raise ReenactError(f"{path} is no official checkpoint of {converter.TITLE}: it lacks {error}") from error
    _load(module, state, path)
    _check(module, path)
    _write(module, int(official.get("global_step", 0)), out)
    return out


def _load(module: ReenactmentModule, state: dict[str, Tensor], path: Path) -> None:
    # Counts of batches, which old versions of torch did not keep, change nothing.
    counts = {name: value for name, value in module.state_dict().items() if name.endswith("num_batches_tracked")}
    try:
        module.load_state_dict(counts | state)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise ReenactError(f"{path} does not fit {module.method}: {reason}") from error


@torch.no_grad()
def _check(module: ReenactmentModule, path: Path) -> None:
    """Run a method that reads images alone once: its settings were read off the weights.

    Raises:
        ReenactError: if the result is not an image of the input's size.
    """
    if module.network.needs != Needs():
        return
    config: Any = module.network.config
    side = config.stride * -(-SIDE // config.stride)
    portrait = Portrait(torch.zeros(1, 3, side, side))
    try:
        image = module.network.eval()(portrait, portrait).image
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ReenactError(
            f"{path} does not run as {module.method}, its parts do not fit each other: {reason}"
        ) from error
    if image.shape != portrait.image.shape or not torch.isfinite(image).all():
        raise ReenactError(f"{path} does not run as {module.method}: it gives no finite image of the input's size")


def _write(module: ReenactmentModule, step: int, out: Path) -> None:
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
