"""Commands of ours: the parameters of a typed function become options, its docstring becomes the help."""

from __future__ import annotations

import inspect
import re
import sys
from argparse import Action, ArgumentError
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from typing import Literal, get_args, get_origin

import docstring_parser
from jsonargparse import ActionYesNo, ArgumentParser, DefaultHelpFormatter
from rich.console import Console

from reenact.cli import sentences
from reenact.cli.commands import COMMANDS, Command
from reenact.cli.settings import (
    SETTINGS,
    SpelledItems,
    add_field_options,
    add_setting_options,
    list_fields,
    list_option_names,
    spell_settings,
)
from reenact.cli.signatures import Signature, read_signature
from reenact.errors import ReenactError
from reenact.packages import OPTION, allow_packages
from reenact.runs.run_folder import checkpoint_of

_OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*(?![\w-]|\.\w)")
PACKAGES = OPTION.removeprefix("--").replace("-", "_")


class _HelpFormatter(DefaultHelpFormatter):
    """Help for people who type: no types of Python, and no default that says "nothing" or "no"."""

    def _get_type_str(self, action: Action) -> str | None:
        return None

    def _get_help_string(self, action: Action) -> str:
        text = super()._get_help_string(action)
        silent = action.default is None or action.default is False or action.default == []
        return text.removesuffix(" (default: %(default)s)") if silent else text


def run_command(name: str, arguments: list[str]) -> int:
    """Run a command of the table.

    Args:
        name: Its name.
        arguments: What follows it on the command line; options may be spelled with `-` or `_`.

    Raises:
        ReenactError: for wrong options and for what the function refuses.
    """
    command = COMMANDS[name]
    signature = read_signature(command.function)
    parser = build_parser(name, command, signature)
    spelled = [dash_option(word) for word in arguments]
    try:
        values = parser.parse_args(spelled)
    except ArgumentError as error:
        raise _option_error(str(error), command, signature, spelled) from error
    except SystemExit as stop:  # --help
        return int(stop.code or 0)
    chosen = {name: values[name] for name, item in signature.parameters.items() if not list_fields(item)}
    spelled_items = spell_settings(command, vars(values)) if command.spellings else SpelledItems([], {})
    if command.spellings:
        chosen[SETTINGS] = spelled_items.items
    if command.checkpoint and str(chosen[command.checkpoint]) == "last":
        chosen[command.checkpoint] = checkpoint_of(f"--{command.checkpoint}", "last")
    with Console(stderr=True).status("loading"):
        function = import_command(command)
    try:
        with allow_packages(values.get(PACKAGES) or ()):
            for name, item in signature.parameters.items():
                if names := list_fields(item):
                    chosen[name] = item.annotation(**{field: values[field] for field in names})
            result = function(**chosen)
    except ReenactError as error:
        message = spell_options(spelled_items.restore_options(str(error)), command, signature, arguments)
        if message == str(error):
            raise
        raise ReenactError(message) from error
    if isinstance(result, int):
        return result
    if result is not None:
        sys.stdout.write(f"{result}\n")
    return 0


def import_command(command: Command) -> Callable[..., object]:
    """Import a command's function."""
    module, _, attribute = command.function.partition(":")
    function: Callable[..., object] = getattr(import_module(module), attribute)
    return function


def build_parser(name: str, command: Command, signature: Signature) -> ArgumentParser:
    """Build a parser with one option a parameter: flags for booleans, dashes in names, types checked."""
    documentation = docstring_parser.parse(signature.docstring)
    helps = {parameter.arg_name: " ".join((parameter.description or "").split()) for parameter in documentation.params}
    parser = ArgumentParser(
        prog=f"reenact {name}",
        description=documentation.short_description,
        exit_on_error=False,
        formatter_class=_HelpFormatter,
    )
    for parameter in signature.parameters.values():
        text = helps.get(parameter.name, "")
        if list_fields(parameter):
            add_field_options(parser, parameter.annotation)
        elif parameter.name == SETTINGS:
            add_setting_options(parser, command, text)
        else:
            _add_option(parser, command, parameter, text)
    if command.takes_packages:
        text = "package of a method of your own that the checkpoint may be of; may be given again"
        parser.add_argument(OPTION, action="append", type=str, metavar="NAME", help=text)
    return parser


def _add_option(parser: ArgumentParser, command: Command, parameter: inspect.Parameter, text: str) -> None:
    hint = parameter.annotation
    required = parameter.default is inspect.Parameter.empty
    if parameter.name in command.positional:
        optional = {} if required else {"nargs": "?", "default": parameter.default}
        parser.add_argument(parameter.name, type=hint, help=text, **optional)
        return
    aliases = command.aliases.get(parameter.name, ())
    # The first long option names the value; one-letter options come before it in the help.
    names = sorted([f"--{parameter.name.replace('_', '-')}", *aliases], key=lambda name: name.startswith("--"))
    if get_origin(hint) in (list, Sequence, Collection):  # several words: --parts jaw eyes
        default = None if required else list(parameter.default)
        parser.add_argument(*names, nargs="+", type=get_args(hint)[0], required=required, default=default, help=text)
    elif hint in (bool, bool | None):
        parser.add_argument(*names, action=ActionYesNo(no_prefix="no-"), default=parameter.default, help=text)
    elif required:
        parser.add_argument(*names, type=hint, required=True, help=text)
    else:
        action = parser.add_argument(*names, type=hint, default=parameter.default, help=text)
        choices = [value for option in get_args(hint) if get_origin(option) is Literal for value in get_args(option)]
        if choices:  # one that may be left out; the parser shows plain ones itself
            action.metavar = f"{{{','.join(choices)}}}"


def dash_option(word: str) -> str:
    """An option in the spelling of the parser, with `-` for each `_` of its name; other words as they are."""
    if not word.startswith("--"):
        return word
    option, equals, value = word.partition("=")
    return f"--{option[2:].replace('_', '-')}{equals}{value}"


def spell_options(message: str, command: Command, signature: Signature, arguments: list[str]) -> str:
    """Spell the command's own options in a message as they were typed, others of them as the help does.

    Args:
        message: A function's complaint, which names options by its parameters.
        command: The command.
        signature: The function's.
        arguments: The words of the command line.
    """
    typed = {
        dash_option(option): option for option in (word.partition("=")[0] for word in arguments) if option[:1] == "-"
    }

    option_names = list_option_names(command, signature.parameters.values())
    complaint = message.partition(";")[0]  # the remedy may name other commands, which have no short names

    def spell(match: re.Match[str]) -> str:
        option = dash_option(match.group())
        parameter = option.removeprefix("--").replace("-", "_")
        if parameter not in option_names:
            return match.group()
        names = (option, *(command.aliases.get(parameter, ()) if match.start() < len(complaint) else ()))
        return next((typed[name] for name in names if name in typed), option)

    return _OPTION.sub(spell, message)


def _option_error(message: str, command: Command, signature: Signature, arguments: list[str]) -> ReenactError:
    names = [name.replace("_", "-") for name in list_option_names(command, signature.parameters.values())]
    return sentences.from_parser(message, lambda class_path: names, arguments, command.positional)
