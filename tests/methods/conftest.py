"""Packages that offer methods, installed without pip."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reenact.methods.registry import GROUP, scan_methods

HEAD = """from fractions import Fraction

from reenact.assets import Asset, File
from reenact.methods import *

"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Install a package of one module; gives its folder. The value of its entry point is PACKAGE.method:METHOD."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    packages: list[str] = []

    def write(package: str, text: str, value: str = "", preset: str = "") -> Path:
        folder = site / package
        (folder / "configs" / "model").mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "method.py").write_text(HEAD + text)
        if preset:
            content = f"# A preset\nmodel: {{class_path: {package}.module.Own}}\n"
            (folder / "configs" / "model" / f"{preset}.yaml").write_text(content)
        about = site / f"{package}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[{GROUP}]\n{package} = {value or f'{package}.method:METHOD'}\n")
        packages.append(package)
        scan_methods.cache_clear()
        return folder

    yield write
    scan_methods.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]
