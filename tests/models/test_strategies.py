"""How a module leaves its strategy to Lightning."""

import pytest
import pytorch_lightning as pl
from zoo import FIRST


@pytest.mark.parametrize("case", FIRST, ids=str)
@pytest.mark.parametrize("reaches_all", [False, True])
def test_ddp_looks_for_parameters_without_a_gradient_where_a_loss_leaves_some_out(case, reaches_all, monkeypatch):
    module = case.make()
    monkeypatch.setattr(type(module), "reaches_all", reaches_all)
    trainer = pl.Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False)
    module.trainer = trainer
    module.setup("test")
    assert trainer.strategy._ddp_kwargs == ({} if reaches_all else {"find_unused_parameters": True})


@pytest.mark.parametrize("case", FIRST, ids=str)
def test_configure_model_is_free(case):
    assert type(case.make()).configure_model is pl.LightningModule.configure_model
