"""Fixtures shared by the whole suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from reenact.assets import cache_dir

# A loaded machine is slow, which says nothing about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in place of the user's `$REENACT_HOME`: what is written stays there, weights are found through links."""
    folder, home = tmp_path_factory.mktemp("reenact-home"), cache_dir().absolute()
    for path in home.iterdir() if home.is_dir() else ():
        if path.name != "indices":
            (folder / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REENACT_HOME", str(folder))
        yield folder


def _shared(folder: str) -> Path:
    path = REPOSITORY.parent / "shared" / folder
    if not path.is_dir():
        pytest.skip(f"needs the folder shared/{folder} beside the checkout")
    return path


@pytest.fixture(scope="session")
def parity() -> Path:
    """Official-format weights with inputs and outputs of the official code."""
    return _shared("parity")


@pytest.fixture(scope="session")
def real() -> Path:
    """Real clips and portraits."""
    return _shared("real")


@pytest.fixture(scope="session")
def faults() -> Path:
    """Small made files that other programs write, with the right values in their README."""
    return _shared("faults")


@pytest.fixture(scope="session")
def data() -> Path:
    """Small files committed with the tests."""
    return REPOSITORY / "tests" / "data"
