"""Arrows between the rooms of the package point one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "reenact"
EVERYBODY = {
    "errors",
    "assets",
    "devices",
    "names",
    "choices",
    "progress",
    "install",
    "methods",
    "compilation",
    "paths",
    "__version__",
    "provenance",
    "watermark",
    "claims",
    "packages",
    "threads",
}
_APPS = {"media", "faces", "nn", "estimators", "tracking", "world", "data", "models", "metrics", "callbacks", "runs"}
MAY_USE = {
    "media": set(),
    "faces": set(),
    "nn": set(),
    "estimators": {"faces", "nn"},
    "tracking": {"media", "faces", "estimators"},
    "world": {"faces"},
    "data": {"media", "faces", "estimators", "tracking", "world"},
    "models": {"faces", "nn"},
    "metrics": {"faces", "nn", "estimators"},
    "callbacks": {"faces", "models", "metrics"},
    "runs": {"models"},
    "apps": _APPS,
    "benchmark": {*_APPS, "apps"},
    "cli": {*_APPS, "apps", "benchmark"},
}
"""Room -> rooms it may import."""


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and room of each import from this package, wherever in the file it stands."""
    for line, parts in imported_names(path):
        yield line, parts[1]


def imported_names(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line and parts of the dotted name of each import from this package, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide the room"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "reenact" and len(parts) > 1:
                yield node.lineno, parts


def list_imported_files(path: Path) -> set[Path]:
    """Files of this package that a file imports; `__init__.py`, which collects names for users, is none of them."""
    files = set()
    for _, parts in imported_names(path):
        places = (PACKAGE.joinpath(*parts[1:end]).with_suffix(".py") for end in range(2, len(parts) + 1))
        files.update(place for place in places if place.is_file())
    return files


@pytest.mark.parametrize("room", sorted(MAY_USE))
def test_a_room_imports_only_what_it_may(room):
    wrong = [
        f"{path.relative_to(PACKAGE.parent)}:{line} imports {other}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for line, other in imported(path)
        if other not in MAY_USE[room] | EVERYBODY | {room}
    ]
    assert not wrong


def test_every_room_has_its_arrows():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(MAY_USE) | {"assets", "methods"}


def test_files_import_each_other_in_no_circle():
    files = {path: list_imported_files(path) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    while free := {path for path, others in files.items() if not others & files.keys()}:
        files = {path: others for path, others in files.items() if path not in free}
    assert not files, "these files are in a circle, or import one that is"


@pytest.mark.parametrize("name", sorted(EVERYBODY))
def test_what_everybody_imports_imports_nobody(name):
    files = [PACKAGE / f"{name}.py", *(PACKAGE / name).glob("*.py")]
    assert {other for path in files if path.is_file() for _, other in imported(path)} <= EVERYBODY


def test_no_method_is_known_by_name_outside_its_folder():
    names = {path.parent.name for path in PACKAGE.glob("models/*/network.py")}
    modules = tuple(f"reenact.models.{name}" for name in names)
    places = []
    outside = set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("models/**/*.py"))
    for path in sorted(outside):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            imports = isinstance(node, ast.ImportFrom) and str(node.module).startswith(modules)
            if imports or (isinstance(node, ast.Constant) and node.value in names):
                places.append(f"{path.relative_to(PACKAGE.parent)}:{node.lineno}")
    assert not places


def test_networks_know_nothing_of_lightning():
    for path in [*PACKAGE.glob("models/*/network.py"), *PACKAGE.glob("nn/*.py"), *PACKAGE.glob("faces/**/*.py")]:
        assert "pytorch_lightning" not in path.read_text(encoding="utf-8"), path


def test_no_room_is_ignored_by_git():
    """The build of a wheel leaves out what git ignores."""
    lines = (PACKAGE.parent / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = {line.strip("/") for line in lines if line.endswith("/") and not line.startswith("/")}
    assert not ignored & {path.name for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__"}
