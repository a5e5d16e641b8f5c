"""Settings of official configurations that the weights of a file don't tell.

They are read from the YAML file of the training. Without it a file of the released sizes takes the released values, and
another file is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reenact.errors import ReenactError

LARGEST_FILE = 2**20
"""Bytes of a configuration."""
LARGEST_SIDE = 8192
"""Pixels of an image's side."""


@dataclass(frozen=True)
class Setting:
    """A setting that a network runs by and that its weights don't tell."""

    name: str
    """Its place in the official configuration: keys with dots between them."""
    released: Any
    """Its value in the released configuration."""
    implied: bool = False
    """True where the official code takes the released value if a configuration leaves the setting out."""
    allows: Callable[[Any], bool] | None = None
    """Tells the values that this package can run; None for the released one alone."""

    def supports(self, value: object) -> bool:
        """Tell if this package can run the method with a value."""
        if self.allows is None:
            return type(value) is type(self.released) and value == self.released
        return self.allows(value)


def square_image(name: str, released: list[int]) -> Setting:
    """Return the setting of the images' size, height and width first; the method runs on square ones alone."""

    def allows(value: object) -> bool:
        sides = value[:2] if isinstance(value, list) else []
        return len(sides) == 2 and sides[0] == sides[1] and type(sides[0]) is int and 1 <= sides[0] <= LARGEST_SIDE

    return Setting(name, released, implied=True, allows=allows)


def read_configuration(path: Path) -> dict[str, Any]:
    """Return the content of the YAML file of an official training.

    Raises:
        ReenactError: if there is no such file, or it holds no mapping.
    """
    try:
        if path.is_file() and path.stat().st_size > LARGEST_FILE:
            raise ReenactError(f"--config {path} has more than {LARGEST_FILE:,} bytes: give the YAML file of training")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReenactError(f"--config {path} can't be read ({error.strerror}): give the path of a YAML file") from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        line = " ".join(str(error).split())[:200] or type(error).__name__
        raise ReenactError(f"--config {path} is no YAML file ({line})") from error
    if not isinstance(content, dict):
        raise ReenactError(f"--config {path} holds no settings: give the YAML file of the official training")
    return content


def check_sizes(sizes: Mapping[str, object], content: Mapping[str, Any], config: Path, path: Path) -> None:
    """Hold the sizes in a configuration against those of a file's weights.

    Raises:
        ReenactError: if they differ, since the configuration is of another training.
    """
    for name, size in sizes.items():
        stated = _find_value(content, name)
        if stated is not None and stated != size:
            raise ReenactError(
                f"--config {config} is not the configuration of {path}: {name} is {_format_value(stated)} there"
                f" and {_format_value(size)} in the weights"
            )


def choose_values(
    settings: Iterable[Setting],
    content: Mapping[str, Any] | None,
    config: Path | None,
    *,
    released: bool,
    path: Path,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Choose the value of every setting.

    Args:
        settings: what the weights don't tell.
        content: the official configuration, None for none.
        config: its file.
        released: True for a file of the released sizes.
        path: the file of weights.

    Returns:
        The values by name, and those among them that are assumed.

    Raises:
        ReenactError: names the settings that nothing tells, or a value that this package can't run.
    """
    values, assumed, missing = {}, {}, []
    for setting in settings:
        value = None if content is None else _find_value(content, setting.name)
        if value is None:
            value = setting.released
            if not (released or (content is not None and setting.implied)):
                missing.append(f"{setting.name} ({_format_value(value)} in released files)")
            assumed[setting.name] = value
        elif not setting.supports(value):
            raise ReenactError(
                f"--config {config} has {setting.name} {_format_value(value)}, which is not supported: the released"
                f" files have {_format_value(setting.released)}"
            )
        values[setting.name] = value
    if missing:
        raise ReenactError(
            f"{path} has other sizes than the released files, and its weights don't tell {', '.join(missing)}: give"
            " --config the YAML file of its training, with each of these settings in it"
        )
    return values, assumed


def describe_values(values: Mapping[str, Any]) -> str:
    """Return settings as words for people."""
    return ", ".join(f"{name} {_format_value(value)}" for name, value in values.items())


def _find_value(content: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - a value of YAML
    value: Any = content
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _format_value(value: object) -> str:
    """Return a plain value, or a short list of them, as text; of anything else its type alone."""
    plain = value if isinstance(value, list) and len(value) <= 8 else [value]
    if all(entry is None or isinstance(entry, bool | int | float | str) for entry in plain):
        return str(value)[:60]
    return f"a {type(value).__name__}"
