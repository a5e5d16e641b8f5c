"""The options of classes, for suggestions and for the page of all options."""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Sequence
from dataclasses import is_dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import get_args, get_type_hints

from jsonargparse import ArgumentParser
from pytorch_lightning import Trainer

from reenact.callbacks.checkpoint import Checkpoints
from reenact.callbacks.pictures import Pictures
from reenact.runs import presets
from reenact.runs.class_limits import check_class
from reenact.runs.request import FIXED, OPTION_KINDS


def known_options(class_path: str | None) -> list[str]:
    """Dotted names: parameters of a class, or with None the options of every run."""
    parser = ArgumentParser(exit_on_error=False)
    if class_path is not None:
        _add_class(parser, import_class(class_path), "")
        return list(parser.get_defaults().keys())
    _add_run_classes(parser)
    return [*parser.get_defaults().keys(), *OPTION_KINDS, "config", "seed_everything", "print_config"]


def print_all_options(command: str, arguments: Sequence[str]) -> None:
    """Print every option of a command line's command, with those of the chosen model and data."""
    parser = ArgumentParser(prog=f"reenact {command}", usage=argparse.SUPPRESS)
    for key, class_path in chosen_classes(arguments).items():
        _add_class(parser, import_class(class_path), key)
    _add_run_classes(parser)
    parser.print_help()


def chosen_classes(arguments: Sequence[str]) -> dict[str, str]:
    """The class paths of model and data in an expanded command line: the last one named wins."""
    chosen: dict[str, str] = {}
    for option, value in pairwise(arguments):
        if option in ("--model", "--data"):
            chosen[option.removeprefix("--")] = value
        elif option == "--config":
            content = json.loads(value) if value.startswith("{") else presets.load_preset(Path(value))
            class_paths = {key: content.get(key, {}).get("class_path") for key in ("model", "data")}
            chosen |= {key: path for key, path in class_paths.items() if path}
    return chosen


def _add_run_classes(parser: ArgumentParser) -> None:
    for key, cls in (("checkpoint", Checkpoints), ("pictures", Pictures), ("trainer", Trainer)):
        _add_class(parser, cls, key)


def _add_class(parser: ArgumentParser, cls: type, key: str) -> None:
    """Add a class's parameters; those that are dataclasses, or such or None, with their own fields."""
    hints = get_type_hints(cls.__init__)  # type: ignore[misc]  # a class, whose own constructor is meant
    nested = {
        name: option for name, hint in hints.items() for option in (hint, *get_args(hint)) if is_dataclass(option)
    }
    fixed = {name for name in inspect.signature(cls).parameters if f"{key or 'model'}.{name}" in FIXED}
    parser.add_class_arguments(cls, key or None, skip={*nested, *fixed}, fail_untyped=False)
    for name, part in nested.items():
        parser.add_class_arguments(part, f"{key}.{name}" if key else name)


def import_class(class_path: str) -> type:
    """Import a class whose package is allowed; raises `ReenactError` for others."""
    check_class(class_path)
    module, _, name = class_path.rpartition(".")
    resolved: type = getattr(import_module(module), name)
    return resolved
