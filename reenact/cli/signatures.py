"""The signature of a command's function, read from the source of its module.

Importing the module would import torch, which takes seconds; help pages and refusals of options don't need it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

PACKAGE = __name__.partition(".")[0]
IMPORTABLE = (f"{PACKAGE}.methods.choices", f"{PACKAGE}.apps.edit_options")
"""Modules of types that depend on the installed methods, or are classes of options; they import no torch."""
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The parameters of a function, with their types and defaults as values, and its docstring."""

    parameters: Mapping[str, inspect.Parameter]
    docstring: str


def read_signature(path: str) -> Signature:
    """Read the signature of `module:function` without importing the module.

    Types and defaults may use builtins, names of the standard library and of `IMPORTABLE` modules, and assignments at
    the top of any module of this package.

    Raises:
        LookupError: if a name in the signature is none of these.
    """
    module, _, name = path.partition(":")
    source = _read_source(module)
    node = source.definitions.get(name)
    if isinstance(node, str):  # imported from another module of the package
        return read_signature(f"{node}:{name}")
    if not isinstance(node, ast.FunctionDef):
        raise LookupError(f"{module} defines no function {name}")
    parameters = [*node.args.args, *node.args.kwonlyargs]
    missing: list[ast.expr | None] = [None] * (len(node.args.args) - len(node.args.defaults))
    defaults = [*missing, *node.args.defaults, *node.args.kw_defaults]
    return Signature(
        parameters={
            parameter.arg: _read_parameter(parameter, default, source)
            for parameter, default in zip(parameters, defaults, strict=True)
        },
        docstring=ast.get_docstring(node) or "",
    )


@dataclass
class _Source:
    """The names at the top of a module: functions and assignments as nodes, imported names as their module."""

    module: str
    definitions: dict[str, ast.FunctionDef | ast.expr | str] = field(default_factory=dict)


@cache
def _read_source(module: str) -> _Source:
    # `find_spec` would import the packages around the module.
    path = ROOT.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    source = _Source(module)
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            source.definitions[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            source.definitions[node.targets[0].id] = node.value
        elif isinstance(node, ast.ImportFrom) and node.module:
            source.definitions.update({alias.asname or alias.name: node.module for alias in node.names})
    return source


def _read_parameter(node: ast.arg, default: ast.expr | None, source: _Source) -> inspect.Parameter:
    return inspect.Parameter(
        node.arg,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is None else _evaluate_node(default, source),
        annotation=inspect.Parameter.empty if node.annotation is None else _evaluate_node(node.annotation, source),
    )


def _evaluate_node(node: ast.expr, source: _Source) -> Any:  # noqa: ANN401 - a type or a default value
    """Evaluate an expression of our own source with the names that it uses."""
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    values = {name: _read_value(name, source) for name in names if name in source.definitions}
    return eval(compile(ast.Expression(node), source.module, "eval"), values)


def _read_value(name: str, source: _Source) -> Any:  # noqa: ANN401 - as `_evaluate_node`
    definition = source.definitions[name]
    if isinstance(definition, ast.expr):
        return _evaluate_node(definition, source)
    if not isinstance(definition, str):
        raise LookupError(f"{source.module}.{name} is a function, which a signature can't use")
    if definition.partition(".")[0] == PACKAGE and definition not in IMPORTABLE:
        return _read_value(name, _read_source(definition))
    return getattr(import_module(definition), name)
