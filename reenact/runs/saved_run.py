"""Settings of the run that a checkpoint lies in: values alone, because a run folder may be somebody else's."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from reenact.errors import ReenactError
from reenact.runs import presets
from reenact.runs.class_limits import shipped_classes

FILE = "config.yaml"
SECTIONS = ("data", "trainer", "checkpoint", "pictures", "metrics")
"""Settings that are read; the model's stand in the checkpoint, and where files lie follows from the command line."""
NAMED = ("data", "logger", "trainer")
"""Kinds of presets whose classes may be named, as a name would name them."""

_TRAINER_TEXT = re.compile(r"[A-Za-z0-9_,:+ -]*")
"""Values of the trainer's options; anything longer could be the path of a class or of a file with more settings."""


def run_of(checkpoint: Path) -> Path | None:
    """Return the run folder that a checkpoint lies in: `RUN/checkpoints/x.ckpt` beside `RUN/config.yaml`."""
    folder = checkpoint.absolute().parent
    inside = folder.name == "checkpoints" and (folder.parent / FILE).is_file()
    return checkpoint.parent.parent if inside else None


def load_settings(run: Path, replaced: Collection[str]) -> dict[str, Any]:
    """Return the settings of a run without the model's.

    Args:
        run: its folder.
        replaced: kinds of settings that the command line gives anew, such as `data`; they are left out.

    Raises:
        ReenactError: if the file names a class that is in no preset of this package.
    """
    path = run / FILE
    content = presets.load_preset(path)
    shipped = shipped_classes([presets.presets_folder() / kind for kind in NAMED], presets.load_preset)
    settings: dict[str, Any] = {}
    for section in (name for name in SECTIONS if isinstance(content.get(name), dict) and name not in replaced):
        settings[section] = _check_values(content[section], section, path, shipped)
    if type(content.get("seed_everything")) is int:
        settings["seed_everything"] = content["seed_everything"]
    trainer = settings.get("trainer", {})
    trainer.pop("default_root_dir", None)
    settings.get("checkpoint", {}).pop("dirpath", None)
    # An option of earlier versions: the method says how long its clips are.
    settings.get("data", {}).get("init_args", {}).pop("clip_length", None)
    _check_file_name(settings.get("checkpoint", {}).get("filename"), path)
    return settings


def title_of(run: Path) -> str | None:
    """Return the preset's name of a run that lay in `runs/NAME/DATE` when it was written, None for others."""
    parts = Path(str(presets.load_preset(run / FILE).get("out", ""))).parts
    return parts[1] if len(parts) == 3 and parts[0] == "runs" and presets.is_name(parts[1]) else None


def _check_values(value: Any, key: str, path: Path, shipped: dict[tuple[str, str], str]) -> Any:  # noqa: ANN401 - any setting
    if isinstance(value, list):
        return [_check_values(part, key, path, shipped) for part in value]
    if isinstance(value, dict):
        copy = {name: _check_values(part, f"{key}.{name}", path, shipped) for name, part in value.items()}
        if "class_path" in value:
            copy["class_path"] = _known_class(value["class_path"], key, path, shipped)
        return copy
    if isinstance(value, str) and key.startswith("trainer.") and not key.endswith(".class_path"):
        plain = _TRAINER_TEXT.fullmatch(value) or ".init_args." in key or key == "trainer.default_root_dir"
        if not plain:
            raise _refusal_error(value, key, path)
    return value


def _known_class(class_path: object, key: str, path: Path, shipped: dict[tuple[str, str], str]) -> str:
    text = class_path if isinstance(class_path, str) else ""
    class_name = shipped.get((text.partition(".")[0], text.rpartition(".")[2]))
    if class_name is None:
        raise _refusal_error(class_path, key, path)
    return class_name


def _refusal_error(value: object, key: str, path: Path) -> ReenactError:
    return ReenactError(
        f"{path}: {key} names {str(value)[:80]}, and a file beside a checkpoint may hold values alone: if you trust it,"
        f" read it with --config {path}"
    )


def _check_file_name(name: object, path: Path) -> None:
    if name is not None and (not isinstance(name, str) or Path(name).name != name):
        raise ReenactError(f"{path}: checkpoint.filename {str(name)[:80]} is no name of a file: correct it there")
