"""Options of a command that are no parameters of its function: fields of a class, and spellings of `--set`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from inspect import Parameter
from typing import Any, Literal, get_args, get_origin, get_type_hints

import docstring_parser
from jsonargparse import ActionYesNo, ArgumentParser

from reenact.apps.edit_options import EditOption, spell_items
from reenact.choices import list_words
from reenact.cli.commands import Command

SETTINGS = "set"
"""Parameter that takes items `NAME=VALUE`."""
_TYPES = {"number": float, "whole": int, "path": str, "coefficients": str}


@dataclass(frozen=True)
class SpelledItems:
    """Items of `--set` that options spell."""

    items: list[str]
    subjects: Mapping[str, str]
    """Beginning of a message about an item -> the option that spells it."""

    def restore_options(self, message: str) -> str:
        """Name options in a message in place of the items that they spell."""
        for subject, option in self.subjects.items():
            message = re.sub(rf"{re.escape(subject)}(?![\w.=])", option, message)
        return message


def list_spellings(command: Command) -> dict[str, EditOption]:
    """Options of a command that spell items of `--set`, with `_` in their names."""
    if not command.spellings:
        return {}
    module, _, name = command.spellings.partition(":")
    spellings: dict[str, EditOption] = getattr(import_module(module), name)()
    return spellings


def list_fields(parameter: Parameter) -> list[str]:
    """Names of the fields of a parameter whose type is a class of options; none for other parameters."""
    return [field.name for field in fields(parameter.annotation)] if is_dataclass(parameter.annotation) else []


def add_field_options(parser: ArgumentParser, options: Any) -> None:  # noqa: ANN401 - any dataclass
    """Add an option for each field of a class of options."""
    documentation = docstring_parser.parse(options.__doc__ or "")
    helps = {field.arg_name: " ".join((field.description or "").split()) for field in documentation.params}
    defaults, hints = options(), get_type_hints(options)
    for field in fields(options):
        default = getattr(defaults, field.name)
        name, text = _dash_name(field.name), helps.get(field.name, "")
        if isinstance(default, bool):
            parser.add_argument(name, action=ActionYesNo(no_prefix="no-"), default=default, help=text)
        elif get_origin(hints[field.name]) is Sequence:
            item = get_args(hints[field.name])[0]
            parser.add_argument(name, nargs="+", type=item, default=list(default), help=text)
        else:
            action = parser.add_argument(name, type=hints[field.name], default=default, help=text)
            if choices := list_words(hints[field.name]):
                action.metavar = f"{{{','.join(choices)}}}"


def add_setting_options(parser: ArgumentParser, command: Command, text: str) -> None:
    """Add the options that spell items of `--set`, and `--set` itself."""
    for option, spelling in list_spellings(command).items():
        name = _dash_name(option)
        if spelling.kind == "flag":
            parser.add_argument(name, action=ActionYesNo(no_prefix="no-"), default=False, help=spelling.help)
        elif spelling.kind == "choice":
            action = parser.add_argument(name, type=Literal[spelling.choices] | None, default=None, help=spelling.help)
            action.metavar = f"{{{','.join(spelling.choices)}}}"
        elif spelling.kind == "coefficients":
            parser.add_argument(name, nargs="+", type=str, default=[], help=spelling.help)
        else:
            parser.add_argument(name, type=_TYPES[spelling.kind], default=None, help=spelling.help)
    parser.add_argument(
        _dash_name(SETTINGS), nargs="+", action="extend", type=str, default=[], metavar="NAME=VALUE", help=text
    )


def spell_settings(command: Command, values: Mapping[str, Any]) -> SpelledItems:
    """Items of `--set` that the options of a command line spell, and those of `--set` itself after them.

    Raises:
        ReenactError: if coefficients have another form.
    """
    items: list[str] = []
    subjects = {}
    for option, spelling in list_spellings(command).items():
        value = values[option]
        if value is None or value is False or value == []:
            continue
        spelled = spell_items(option, value)
        items += spelled
        for name in (item.partition("=")[0] for item in spelled):
            key = name.removeprefix(f"{spelling.item}.") if spelling.kind == "coefficients" else ""
            subjects[f"--{SETTINGS} {name}"] = f"{_dash_name(option)} {key}".strip()
    return SpelledItems([*items, *(values[SETTINGS] or [])], subjects)


def list_option_names(command: Command, parameters: Collection[Parameter]) -> list[str]:
    """Names of every option of a command, with `_`."""
    names = []
    for parameter in parameters:
        names += list_fields(parameter) or [parameter.name]
    return [*names, *list_spellings(command)]


def _dash_name(name: str) -> str:
    return f"--{name.replace('_', '-')}"
