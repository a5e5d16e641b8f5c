"""Settings of a trained method that people change where they use it, by dotted names such as `network.window`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from reenact.errors import ReenactError, suggest_names


def parse_settings(items: Sequence[str]) -> dict[str, str]:
    """Split texts NAME=VALUE; the last one of a name holds.

    Raises:
        ReenactError: if one has another form.
    """
    settings = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise ReenactError(f"--set {item}: write NAME=VALUE, as in network.sampling.steps=10")
        settings[name.strip()] = value.strip()
    return settings


def list_settings(hints: Mapping[str, Any]) -> dict[str, Any]:
    """List the fields of the dataclasses among a constructor's arguments.

    Args:
        hints: types of the arguments by name.

    Returns:
        Dotted names and their types. Arguments that are no dataclasses are left out: they tell what a checkpoint is of.
    """
    settings: dict[str, Any] = {}
    for name, hint in hints.items():
        for part in filter(is_dataclass, (hint, *get_args(hint))):
            settings |= _list_fields(name, part)
    return settings


def change_settings(
    hints: Mapping[str, Any], arguments: Mapping[str, Any], settings: Mapping[str, str]
) -> dict[str, Any]:
    """Change plain arguments of a constructor.

    Args:
        hints: types of the arguments by name.
        arguments: plain values, dictionaries in place of dataclasses.
        settings: dotted names and values as typed: numbers, words, `true`, `null`, lists as in JSON.

    Raises:
        ReenactError: if a name is unknown or a value is of another type.
    """
    settable, changed = list_settings(hints), deepcopy(dict(arguments))
    for name, text in settings.items():
        if name not in settable:
            raise ReenactError(f"--set {name}: the method has no such setting; {suggest_names(name, list(settable))}")
        *groups, last = name.split(".")
        values = changed
        for group in groups:
            values = values.setdefault(group, {})
        values[last] = _parse_value(settable[name], text, name)
    return changed


def _list_fields(group: str, kind: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    types = get_type_hints(kind)
    settings: dict[str, Any] = {}
    for name in (field.name for field in fields(kind) if field.init):
        inner = f"{group}.{name}"
        settings |= _list_fields(inner, types[name]) if is_dataclass(types[name]) else {inner: types[name]}
    return settings


def _parse_value(hint: Any, text: str, name: str) -> object:  # noqa: ANN401 - any type of a field
    try:
        adapter = TypeAdapter(hint)
    except PydanticUserError as error:
        raise ReenactError(f"--set {name}: its type can't be typed on a command line; train with another") from error
    for parse in (adapter.validate_json, adapter.validate_strings):
        try:
            return adapter.dump_python(parse(text, strict=False), mode="json")
        except ValidationError as error:
            reason = str(error.errors()[0]["msg"])
    raise ReenactError(f"--set {name}={text}: {reason}; give a value of its type, {_name_type(hint)}")


def _name_type(hint: Any) -> str:  # noqa: ANN401 - any type of a field
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
