"""Building a module from the arguments in a checkpoint's header, once their types and sizes are checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

import torch
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from reenact.errors import ReenactError
from reenact.models.common.checkpoint_file import first_line
from reenact.models.common.large_weights import build_around
from reenact.models.common.portrait_module import PortraitModule
from reenact.models.common.settings import change_settings

SPARE = 2**26
"""Numbers that a module may hold beyond those of its file: networks that judge or guide it are in no checkpoint."""
REGISTRATIONS = 2
"""Modules that may hold a weight while a network is built: a layer of its own kind takes that of a plain one."""
LARGEST = 2**15
"""Largest integer among the arguments but for seeds and those that training alone reads, unless a tensor of the file
is as long. The memory of a module is bounded on its own; this bounds loops and lists that a constructor makes without
parameters."""
SPARE_TENSORS = 1000
"""Tensors that a module may hold beyond those of its file."""


class _TooLargeError(Exception):
    """A module grows beyond its file."""


def build_module(cls: type[PortraitModule], arguments: Mapping[str, Any], name: str) -> PortraitModule:
    """Build a module from plain values.

    Args:
        cls: its class.
        arguments: those of its constructor; dictionaries become the dataclasses that the constructor is typed with.
        name: the checkpoint in a message.

    Raises:
        ReenactError: if an argument is unknown or of another type, or the class refuses its value.
    """
    try:
        hints = argument_hints(cls)
        return cls(**{key: _validate_value(hints[key], value, key) for key, value in arguments.items()})
    except ReenactError as error:
        raise ReenactError(f"{name} has settings that are refused: {error}") from error
    except (KeyError, TypeError, ValueError, ArithmeticError, IndexError, AssertionError, RuntimeError) as error:
        raise ReenactError(
            f"{name} has settings that this version of reenact does not know ({first_line(error)}): use the version"
            " that wrote it"
        ) from error


def build_fitting(
    cls: type[PortraitModule],
    arguments: Mapping[str, Any],
    weights: object,
    name: str,
    *,
    outline: bool = False,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> PortraitModule:
    """Build the module of a file's weights with them, after its shapes were compared with theirs without memory.

    Args:
        cls: its class.
        arguments: those of its constructor.
        weights: the file's, by name.
        name: the checkpoint in a message.
        outline: return the module without memory for its numbers, on the device `meta`.
        settings: changes of the arguments, as of `change_settings`.

    Raises:
        ReenactError: as `build_module` and `change_settings`, if a setting has no effect on a trained network, or if
            the weights have other names or shapes.
    """
    tensors = check_weights(weights, name)
    longest = max((max(tensor.shape, default=0) for tensor in tensors.values()), default=0)
    sizes = {key: value for key, value in arguments.items() if key not in cls.training_arguments}
    _check_integers(sizes, longest, name)
    if settings:
        _refuse_training_settings(cls, settings)
        arguments = change_settings(argument_hints(cls), arguments, settings)
        name = f"{name} with --set {' '.join(settings)}"
    size = sum(tensor.numel() for tensor in tensors.values())
    try:
        with torch.device("meta"), _bound_memory(REGISTRATIONS * size + SPARE, len(tensors) + SPARE_TENSORS):
            shapes = build_module(cls, arguments, name)
    except _TooLargeError as error:
        raise ReenactError(
            f"{name} has settings of a network larger than its weights, {size} numbers in {len(tensors)}"
            " tensors: get the file again"
        ) from error
    compare_weights(tensors, shapes, name)
    if outline:
        return shapes
    module = build_around(partial(build_module, cls, arguments, name), tensors)
    if isinstance(module, PortraitModule):
        return module
    module = build_module(cls, arguments, name)
    module.load_state_dict(tensors)
    return module


def _refuse_training_settings(cls: type[PortraitModule], settings: Iterable[str]) -> None:
    for name in settings:
        group = name.partition(".")[0]
        if group in cls.training_arguments:
            raise ReenactError(
                f"--set {name}: training alone reads the settings of {group}, and a trained network does not change by"
                f" them: leave it out, or train with --model.{name}"
            )


def check_recorded(module: PortraitModule) -> None:
    """Refuse a module whose checkpoints could not build it again, before it is trained.

    Raises:
        ReenactError: names an argument of its constructor that its checkpoints would not hold.
    """
    missing = argument_hints(type(module)).keys() - module.arguments.keys() - module.unrecorded
    if missing:
        raise ReenactError(
            f"{type(module).__name__} takes the argument {min(missing)}, which its checkpoints would not hold: add it"
            " to the arguments that its constructor hands on, or to self.arguments"
        )


def _check_integers(value: object, longest: int, name: str) -> None:
    """Refuse numbers of layers or channels with which a constructor would not end; a seed is no size."""
    if isinstance(value, dict):
        value = [part for key, part in value.items() if not (key == "seed" or key.endswith("_seed"))]
    if isinstance(value, list):
        for part in value:
            _check_integers(part, longest, name)
    elif isinstance(value, int) and abs(value) > max(LARGEST, longest):
        raise ReenactError(
            f"{name} has the number {value} in its settings, and its weights have no side of more than {longest}: get"
            " the file again"
        )


def check_weights(weights: object, name: str) -> dict[str, Tensor]:
    """Return weights by name; raises `ReenactError` for anything else."""
    if not isinstance(weights, dict) or not weights:
        raise ReenactError(f"{name} holds no weights: give the .ckpt of a run")
    if not all(isinstance(key, str) and _is_dense(value) for key, value in weights.items()):
        raise ReenactError(f"{name} holds weights that are no tensors of numbers: get the file again")
    return weights


def compare_weights(
    weights: Mapping[str, Tensor], module: PortraitModule, name: str, fresh: Sequence[str] = ()
) -> None:
    """Refuse weights of other names, shapes or kinds of numbers than a module's, naming the first.

    Args:
        weights: the file's.
        module: the module.
        name: the file in a message.
        fresh: beginnings of names; weights of such a beginning may be missing, all of them together.
    """
    absent = tuple(prefix for prefix in fresh if not any(key.startswith(prefix) for key in weights))
    expected = {key: value for key, value in module.state_dict().items() if not key.startswith(absent)}
    other = weights.keys() ^ expected.keys() or {
        key for key in expected if not _has_same_shape(weights[key], expected[key])
    }
    if other:
        raise ReenactError(
            f"{name} does not fit {module.method} with these settings or in this version of reenact; the weights differ"
            f" in {min(other)} and {len(other) - 1} more: use the settings and version that it was made with"
        )


def argument_hints(cls: type[PortraitModule]) -> dict[str, Any]:
    """Return the types of a constructor's arguments by name, those that it hands on by `**` included."""
    hints: dict[str, Any] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        constructor = vars(base)["__init__"]
        parameters = list(signature(constructor).parameters.values())[1:]
        types = get_type_hints(constructor)
        named = [part for part in parameters if part.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)]
        hints = {part.name: types.get(part.name, Any) for part in named} | hints
        if not any(part.kind is Parameter.VAR_KEYWORD for part in parameters):
            break
    return hints


def _validate_value(hint: Any, value: object, key: str) -> Any:  # noqa: ANN401 - any argument of any method
    _check_fields(hint, value, key)
    try:
        return TypeAdapter(hint).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        location = ".".join(str(part) for part in (key, *first["loc"]))
        raise TypeError(f"{location}: {first['msg']}") from error
    except PydanticUserError:  # a type of the user's own, which has no form in JSON
        return value


def _check_fields(hint: Any, value: object, key: str) -> None:  # noqa: ANN401 - any argument of any method
    """Refuse keys that a dataclass has not, which pydantic would pass over."""
    if not isinstance(value, dict):
        return
    for part in (hint, *get_args(hint)):
        if isinstance(part, type) and is_dataclass(part):
            types = get_type_hints(part)
            unknown = sorted(value.keys() - {field.name for field in fields(part)})
            if unknown:
                raise TypeError(f"{key} has no {unknown[0]}")
            for name, inner in value.items():
                _check_fields(types[name], inner, f"{key}.{name}")


def _is_dense(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided and value.device.type == "cpu"


def _has_same_shape(weight: Tensor, expected: Tensor) -> bool:
    kinds = [(tensor.is_floating_point(), tensor.is_complex()) for tensor in (weight, expected)]
    return weight.shape == expected.shape and kinds[0] == kinds[1]


@contextmanager
def _bound_memory(numbers: int, tensors: int) -> Iterator[None]:
    """Stop the building of modules in this context that hold more."""
    used = [0, 0]

    def count(module: nn.Module, name: str, parameter: Tensor | None) -> None:
        if parameter is not None:
            used[0] += parameter.numel()
            used[1] += 1
        if used[0] > numbers or used[1] > tensors:
            raise _TooLargeError

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()
