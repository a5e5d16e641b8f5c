"""Folders that cannot be written: a shared installation, a read-only home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reenact.cli import doctor

PACKAGE = Path(doctor.__file__).parents[1]


def test_kernels_compile_where_neither_package_nor_home_can_be_written(tmp_path):
    """Numba's own cache would have no place; root passes rights over, so files stand where folders would be made."""
    shared = tmp_path / "shared" / "reenact"
    shared.mkdir(parents=True)
    for name in ("__init__.py", "compilation.py"):
        shutil.copy(PACKAGE / name, shared)
    (shared / "__pycache__").touch()
    home = tmp_path / "home"
    home.touch()
    code = "from reenact.compilation import njit\n@njit(cache=True)\ndef f(x):\n    return x + 1\nprint(f(1))"
    script = shared.parent / "kernel.py"
    script.write_text(code)
    (shared.parent / "__pycache__").touch()
    environment = {**os.environ, "PYTHONPATH": str(shared.parent), "HOME": str(home), "TMPDIR": str(tmp_path)}
    environment = {key: value for key, value in environment.items() if key not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    run = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.stdout == "2\n", run.stderr
    folder = tmp_path / f"reenact-numba-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.rglob("*.nbi"))


@pytest.mark.parametrize(("name", "variable"), [("files", "REENACT_HOME"), ("temporary", "TMPDIR"), ("runs", None)])
def test_doctor_names_folders_that_cannot_be_written(name, variable, tmp_path, monkeypatch):
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path))
    assert {finding.state for finding in doctor.check_folders()} == {"ok"}
    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    finding = next(finding for finding in doctor.check_folders() if finding.name == name)
    assert finding.state == "bad"
    assert "cannot be written (Permission denied); " in finding.detail
