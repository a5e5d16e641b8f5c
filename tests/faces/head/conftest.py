from __future__ import annotations

import pytest

from reenact.faces.head import Head


@pytest.fixture(scope="session")
def head() -> Head:
    return Head().double()
