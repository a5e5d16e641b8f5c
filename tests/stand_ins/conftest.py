"""Methods in packages of their own, each written in one file here and installed by an entry point without pip."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from apps.conftest import clips, known_faces, world  # noqa: F401 - fixtures

from reenact.methods.registry import GROUP, scan_methods

HERE = Path(__file__).parent


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Install `NAME.py` of this folder as a package `NAME` with the module `method`, and work in an empty folder.

    `METHOD` in the file is the method, `CONFIGS` its presets: path in its folder of presets -> text.
    """
    site, work, names = tmp_path / "site", tmp_path / "work", []
    work.mkdir()

    def write(name: str) -> Path:
        names.append(name)
        package = site / name
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "method.py").write_text((HERE / f"{name}.py").read_text())
        about = site / f"{name}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {name}.method:METHOD\n")
        monkeypatch.syspath_prepend(str(site))
        for path, text in import_module(f"{name}.method").CONFIGS.items():
            (package / "configs" / path).parent.mkdir(parents=True, exist_ok=True)
            (package / "configs" / path).write_text(text)
        monkeypatch.chdir(work)
        scan_methods.cache_clear()
        return work

    yield write
    scan_methods.cache_clear()
    for module in [module for module in sys.modules if module.partition(".")[0] in names]:
        del sys.modules[module]
