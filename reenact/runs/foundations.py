"""The foundation of a run: the trained checkpoint that its preset stands on. No torch here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reenact.errors import ReenactError
from reenact.methods.method import Foundation, Method
from reenact.methods.registry import find_foundation
from reenact.packages import OPTION
from reenact.runs import presets
from reenact.runs.request import Request
from reenact.runs.saved_run import FILE

NAMES = ("data", "scale", "trainer")
"""Presets that hold for a foundation as for what stands on it."""
ENDLESS = ("--print_config", "--help")
"""Options that end the command before anything is trained."""


def find_missing_foundation(request: Request, arguments: Sequence[str]) -> Foundation | None:
    """Return the foundation that a new training needs and that no option and no file names.

    Args:
        request: The command line, expanded.
        arguments: Its words for the parser.
    """
    preset = request.names.get("model")
    is_new = request.command == "fit" and "ckpt_path" not in request.names and not request.all_options
    if not is_new or preset is None or not presets.is_name(preset):
        return None
    if any(word.startswith(ENDLESS) for word in request.rest):
        return None
    foundation = find_foundation(preset)
    return None if foundation is None or find_value(arguments, foundation.option) is not None else foundation


def list_foundation_options(request: Request, foundation: Foundation) -> tuple[list[str], list[str]]:
    """Return the words by which `fit` trains a foundation for a request, and those of its loggers.

    Everything holds for both but the settings of the model.

    Raises:
        ReenactError: if a file has settings of the model and others, of which the foundation can't take a part.
    """
    options = ["--model", foundation.preset]
    options += [word for kind in NAMES if kind in request.names for word in (f"--{kind}", request.names[kind])]
    options += [word for package in request.packages for word in (OPTION, package)]
    for path in request.configs:
        keys = presets.load_preset(path).keys()
        if "model" in keys and keys != {"model"}:
            raise ReenactError(
                f"--config {path} has settings of the model and others, and the foundation {foundation.preset} takes"
                f" the others alone: give them in two files, or name its checkpoint with --{foundation.option}"
            )
        options += [] if "model" in keys else ["--config", str(path)]
    logging = ["--logger", request.names["logger"]] if "logger" in request.names else []
    for option, value in _split_options(request.rest):
        if not option.startswith("--model"):
            (logging if option.startswith("--trainer.logger") else options).extend((option, value))
    return options, logging


def find_saved_foundation(run: Path, method: Method, arguments: Sequence[str]) -> list[str]:
    """Return the words that name the foundation of a run whose checkpoint is read, where nothing else names it.

    Args:
        run: The run folder.
        method: The run's.
        arguments: The words for the parser.
    """
    content = presets.load_preset(run / FILE)
    options: list[str] = []
    for option in sorted({foundation.option for foundation in method.stands_on.values()}):
        value = _look_up(content, option)
        named = find_value(arguments, option) is not None
        if option.startswith("model.") and not named and isinstance(value, str) and Path(value).exists():
            options += [f"--{option}", value]
    return options


def find_value(arguments: Sequence[str], option: str) -> Any | None:  # noqa: ANN401 - any setting
    """Return the last value of a dotted option in expanded words, None where none sets it."""
    value = None
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, text = word.partition("=")
        text = text if equals else following
        if name == "--config":
            content = json.loads(text) if text.startswith("{") else presets.load_preset(Path(text))
            value = _look_up(content, option) or value
        elif name.replace(".init_args.", ".") == f"--{option}":
            value = None if text == "null" else text
    return value


def _look_up(content: Any, option: str) -> Any | None:  # noqa: ANN401 - any setting
    head, *keys = option.split(".")
    for key in (head, *(["init_args"] if keys else []), *keys):
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _split_options(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Return options and their values; whatever the parser accepts is of this form."""
    pairs: list[tuple[str, str]] = []
    for word in arguments:
        name, equals, value = word.partition("=")
        if word.startswith("--"):
            pairs.append((name, value if equals else ""))
        elif pairs:
            pairs[-1] = (pairs[-1][0], word)
    return pairs
