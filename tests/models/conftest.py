"""The zoo as a fixture."""

import pytest
import pytorch_lightning as pl
from zoo import ZOO


@pytest.fixture(scope="module", params=ZOO, ids=str)
def case(request):
    return request.param


@pytest.fixture
def module(case):
    pl.seed_everything(0)
    return case.make()


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
