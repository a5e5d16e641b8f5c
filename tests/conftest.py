"""Fixtures shared by the whole suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# A loaded machine is slow, which says nothing about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

REPOSITORY = Path(__file__).resolve().parents[1]


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
