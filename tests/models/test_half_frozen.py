"""Weights that are not trained take half of their memory under autocast, and nothing else changes."""

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from zoo import portrait, trainer

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from reenact.faces.portrait import PortraitPair
from reenact.models.magicportrait.module import MagicPortraitModule
from reenact.models.magicportrait.toys import build_toy
from reenact.nn.frozen import Frozen, hash_weights

pytestmark = pytest.mark.filterwarnings("ignore")


class Clips(pl.LightningDataModule):
    def train_dataloader(self):
        pair = PortraitPair(portrait(2, 0, "a"), portrait(8, 1, "a").split(4))
        return torch.utils.data.DataLoader([pair, pair], batch_size=None)


class NoteTypes(pl.Callback):
    """Precisions of the weights of linear layers and convolutions while they are trained."""

    def on_train_batch_start(self, run, module, *_):
        layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
        self.types = {(layer.weight.requires_grad, layer.weight.dtype) for layer in layers}
        norms = [layer for layer in module.modules() if isinstance(layer, nn.GroupNorm | nn.LayerNorm)]
        self.norm_types = {layer.weight.dtype for layer in norms if layer.weight is not None}


def fit(folder, *, precision="bf16-mixed", epochs=1, module=None, resume=None):
    """Train the second stage; return it, the notes and the checkpoint."""
    torch.manual_seed(0)
    module = module or build_toy(temporal=True)
    notes = NoteTypes()
    run = trainer(folder, max_epochs=epochs, limit_val_batches=0, precision=precision, callbacks=[notes])
    torch.manual_seed(1)
    run.fit(module, Clips(), ckpt_path=resume)
    return module, notes, run


def read_checkpoint(run, folder):
    run.save_checkpoint(folder / "last.ckpt")
    return torch.load(folder / "last.ckpt", weights_only=False)["state_dict"]


def test_weights_that_are_not_trained_are_in_bf16_and_norms_are_not(tmp_path):
    assert fit(tmp_path)[1].types == {(True, torch.float32), (False, torch.bfloat16)}
    assert fit(tmp_path)[1].norm_types == {torch.float32}


@pytest.mark.parametrize("precision", ["32-true", "64-true"])
def test_without_autocast_nothing_is_halved(tmp_path, precision):
    kind = torch.float32 if precision == "32-true" else torch.float64
    assert fit(tmp_path, precision=precision)[1].types == {(True, kind), (False, kind)}


def test_the_training_is_that_of_whole_weights_to_the_bit(tmp_path, monkeypatch):
    halved = fit(tmp_path)[0].state_dict()
    monkeypatch.setattr(MagicPortraitModule, "halve_frozen", lambda module, networks: None)
    module, notes, _ = fit(tmp_path)
    assert notes.types == {(True, torch.float32), (False, torch.float32)}
    assert all(torch.equal(value, halved[name]) for name, value in module.state_dict().items())


def test_the_module_and_its_checkpoints_have_the_whole_weights(tmp_path):
    torch.manual_seed(0)
    start = {name: value.clone() for name, value in build_toy(temporal=True).state_dict().items()}

    class Save(pl.Callback):
        def on_train_batch_end(self, run, module, *_):
            self.saved = read_checkpoint(run, tmp_path)

    save, module = Save(), build_toy(temporal=True)
    module.load_state_dict(start)
    run = trainer(tmp_path, max_steps=1, limit_val_batches=0, precision="bf16-mixed", callbacks=[save])
    run.fit(module, Clips())
    for state in (save.saved, module.state_dict()):
        assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float32}
        frozen = [name for name in state if ".motion_modules." not in name]
        assert all(torch.equal(state[name], start[name]) for name in frozen)


def test_it_goes_on_exactly(tmp_path):
    whole = fit(tmp_path, epochs=2)[0].state_dict()
    run = fit(tmp_path, epochs=1)[2]
    read_checkpoint(run, tmp_path)
    resumed = fit(tmp_path, epochs=2, resume=tmp_path / "last.ckpt")[0].state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_networks_outside_of_the_module_are_halved_and_keep_their_digest(tmp_path, monkeypatch):
    torch.manual_seed(3)
    state = nn.Linear(4, 4).state_dict()

    def build():
        layer = nn.Linear(4, 4)
        layer.load_state_dict(state)
        return layer

    outside = Frozen(build)
    monkeypatch.setattr(MagicPortraitModule, "frozen_parts", lambda module: {"autoencoder": outside})
    monkeypatch.setattr(MagicPortraitModule, "assets", lambda module, stage: ())
    during = []

    def note(*_):
        during.append((outside.load().weight.dtype, outside.digest))

    monkeypatch.setattr(NoteTypes, "on_train_batch_end", note)
    fit(tmp_path)
    assert set(during) == {(torch.bfloat16, hash_weights(state))}
    assert torch.equal(outside.load().weight, state["weight"])
