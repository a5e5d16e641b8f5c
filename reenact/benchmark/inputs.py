"""Inputs of a row's training and scores, as one short hash.

A training depends on settings, data and the version that its method declares, so that no edit of a file repeats a
training of days. Scores also depend on the code that draws and measures, which is hashed without docstrings and
comments.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from reenact.benchmark import data
from reenact.methods.registry import list_methods
from reenact.metrics.network_hashes import hash_networks
from reenact.paths import hash_file
from reenact.runs.arguments import expand_request
from reenact.runs.request import parse_request

PACKAGE = Path(__file__).resolve().parents[1]
LENGTH = 12
"""Hexadecimal digits of a fingerprint in folder names."""


def hash_inputs(inputs: Any) -> str:  # noqa: ANN401 - anything that JSON holds
    """A short hash of plain values."""
    text = json.dumps(inputs, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def read_settings(command: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return the settings of a command line: the contents of its presets in order, then its own words.

    Args:
        command: `fit` or `test`.
        arguments: Its words, without run folder and checkpoint.

    Raises:
        ReenactError: if a preset is unknown.
    """
    # The run folder and, for a test, the checkpoint are none of the settings.
    expanded = expand_request(parse_request("fit" if command == "test" else command, [*arguments, "--out", "."]))
    files, rest = [], []
    for option, value in zip(expanded[::2], expanded[1::2], strict=True):
        if option == "--config":
            files.append(yaml.safe_load(Path(value).read_text(encoding="utf-8")))
        elif option not in ("--out", "--data.root", "--data.pairs", "--data.sources"):
            rest.append([option, value])
    return {"files": files, "words": rest}


def class_modules(inputs: dict[str, Any]) -> list[str]:
    """The modules of the classes that settings name: the method's and the data's."""
    class_paths: dict[str, str] = {}
    for content in inputs["files"]:
        for kind in ("model", "data"):
            path = content.get(kind, {}).get("class_path")
            if path:
                class_paths[kind] = path.rpartition(".")[0]
    return list(class_paths.values())


def method_version(inputs: dict[str, Any]) -> list[Any]:
    """Return the class of the method that settings name, and the version that its method declares; 0 without one."""
    paths = [content["model"]["class_path"] for content in inputs["files"] if "class_path" in content.get("model", {})]
    versions = {method.class_path: method.version for method in list_methods()}
    return [[path, versions.get(path, 0)] for path in paths]


def hash_code(modules: Iterable[str]) -> str:
    """A hash of the code of modules and of all that they import of this package when they are loaded.

    Docstrings and comments are left out.

    What a function imports when it runs is not followed, so that a method added to the zoo changes no other's row.
    """
    digests: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = _module_file(module)
        if module in digests or path is None:
            continue
        digests[module] = _plain_code(path)
        waiting += _imported_modules(path)
    digest = hashlib.sha256()
    for module in sorted(digests):
        digest.update(module.encode())
        digest.update(digests[module])
    return digest.hexdigest()[:LENGTH]


def training_inputs(arguments: Sequence[str], root: str | Path | None) -> dict[str, Any]:
    """Return the inputs of a checkpoint.

    Args:
        arguments: Of `reenact fit`.
        root: The store that it trains on or the URL of its shards, None for the synthetic world.
    """
    chosen = read_settings("fit", arguments)
    return {"settings": chosen, "method": method_version(chosen), "data": data.hash_store_content(root)}


def scoring_inputs(
    arguments: Sequence[str],
    root: Path | None,
    sources: Path | None,
    pairs: Path | None,
    checkpoint: Path,
    metrics: list[str],
) -> dict[str, Any]:
    """Return the inputs of a row's scores.

    Args:
        arguments: Of `reenact test`, without checkpoint.
        root: The store that it tests on, None for the synthetic world.
        sources: The store of source portraits.
        pairs: The list of pairs.
        checkpoint: The trained weights.
        metrics: Names.
    """
    chosen = read_settings("test", arguments)
    return {
        "settings": chosen,
        "code": hash_code([*_list_modules(chosen, root), "reenact.metrics.suite", "reenact.metrics.readers"]),
        "data": [
            data.hash_store_content(root),
            data.hash_store_content(sources),
            "" if pairs is None else hash_file(pairs),
        ],
        "checkpoint": hash_file(checkpoint),
        "metrics": metrics,
        "networks": hash_networks(metrics),
    }


def _list_modules(chosen: dict[str, Any], root: Path | None) -> list[str]:
    return [*class_modules(chosen), *([] if root else ["reenact.data.synthetic.clips"])]


def _module_file(module: str) -> Path | None:
    """The file of a module of this package, None for others."""
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*parts[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@cache
def _imported_modules(path: Path) -> tuple[str, ...]:
    """Return the modules that a file imports when it is loaded or for its types, and their packages."""
    modules: list[str] = []
    body = ast.parse(path.read_text(encoding="utf-8")).body
    guarded = [inner for node in body if isinstance(node, ast.If) for inner in node.body]
    for node in (*body, *guarded):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(modules)


@cache
def _plain_code(path: Path) -> bytes:
    """The code of a file without docstrings, comments and line numbers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # A string as a statement does nothing: docstrings of modules, classes, functions and attributes.
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree).encode()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
