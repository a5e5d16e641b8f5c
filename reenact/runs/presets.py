"""Presets: the named YAML files under `configs/`. Nothing here imports torch, so that names are checked at once."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from reenact.errors import ReenactError, suggest_names
from reenact.methods.registry import find_method_of_class, list_offered_methods, scan_methods

KINDS = ("model", "data", "scale", "trainer", "logger")
"""The folders of `configs/`, and the options that take a preset's name."""

_BARE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def presets_folder() -> Path:
    """The folder of presets: inside the installed package, or at the top of a source checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def preset_names(kind: str) -> list[str]:
    """Return the sorted names of the presets of a kind; other packages add models."""
    shipped = {path.stem for path in (presets_folder() / kind).glob("*.yaml")}
    return sorted(shipped | _offered_models().keys() if kind == "model" else shipped)


def is_name(text: str) -> bool:
    """Tell if a text has the form of a preset's name; class paths and file names have dots or slashes."""
    return _BARE_NAME.fullmatch(text) is not None


def find_preset(kind: str, name: str) -> Path:
    """Return the file of a preset.

    Raises:
        ReenactError: if there is none of that name; the message lists the near names, or all where none is near, and
            why a package's methods are left out.
    """
    path = presets_folder() / kind / f"{name}.yaml"
    if is_name(name) and path.is_file():
        return path
    if kind == "model" and name in _offered_models():
        return _offered_models()[name]
    problems = "".join(f" ({text})" for text in scan_methods().problems.values()) if kind == "model" else ""
    raise ReenactError(f"--{kind} {name}: no such preset; {suggest_names(name, preset_names(kind))}{problems}")


def load_preset(path: Path) -> dict[str, Any]:
    """Return the content of a YAML file, read once.

    Raises:
        ReenactError: if the file is missing, is not YAML or does not hold a mapping of such.
    """
    return _read_preset(path, path.absolute())


@cache
def _read_preset(path: Path, absolute: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(absolute.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReenactError(f"{path}: cannot be read ({error.strerror}); give the path of a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ReenactError(f"{path}: not a YAML file ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise ReenactError(f"{path}: not a configuration; expected keys such as model, data, trainer")
    for kind in ("model", "data", "trainer"):
        if not isinstance(content.get(kind, {}), dict):
            raise ReenactError(
                f"{path}: {kind} must hold settings such as class_path, not {content[kind]!r}; "
                f"presets are named with --{kind}"
            )
        path_of_class = content.get(kind, {}).get("class_path", "")
        if not isinstance(path_of_class, str):
            raise ReenactError(f"{path}: {kind}.class_path must be the path of a class, not {path_of_class!r}")
    return content


def describe_preset(kind: str, name: str) -> str:
    """The first comment line of a preset: what it is, in one line."""
    first = find_preset(kind, name).read_text(encoding="utf-8").split("\n", 1)[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def method_of(class_path: str) -> str | None:
    """Return the name of the method that a class path belongs to, None where no installed method offers the class."""
    match = re.match(r"reenact\.models\.(\w+)\.", class_path)
    method = find_method_of_class(class_path)
    return match.group(1) if match else method.name if method else None


def scale_files(scale: str, method: str | None, preset: str | None = None) -> list[Path]:
    """Return the overlays of a scale: the common one, then the method's and the model preset's where they have one."""
    common = find_preset("scale", scale)
    offered = next((other.configs for other in list_offered_methods() if other.name == method), None)
    folder_of_scale = (offered or presets_folder()) / "scale" / scale
    overlays = [folder_of_scale / f"{name}.yaml" for name in dict.fromkeys((method, preset)) if name]
    return [common, *(path for path in overlays if path.is_file())]


def _offered_models() -> dict[str, Path]:
    """Return the presets of other packages' methods: name -> file."""
    return {
        preset: method.configs / "model" / f"{preset}.yaml"
        for method in list_offered_methods()
        if method.configs is not None
        for preset in method.presets
    }
