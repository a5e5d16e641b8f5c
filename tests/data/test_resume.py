"""A resumed run sees the batches that the uninterrupted run would have seen."""

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from reenact.data.datamodules.clips import Clips

from .made_store import made_store

BATCHES_PER_EPOCH = 4


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("resume") / "store", identities=4)


class Recorder(LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def training_step(self, batch, batch_idx):
        self.seen.append((batch.source.clip, batch.source.frame.tolist(), batch.source.image.sum().item()))
        return self.weight * 0.0

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def record(root, folder, workers, steps, checkpoint=None, batches_per_epoch=BATCHES_PER_EPOCH, **saving):
    data = Clips(
        root, size=16, batch_size=2, num_workers=workers, pairs_per_epoch=2 * batches_per_epoch, num_val_pairs=2
    )
    saver = ModelCheckpoint(folder, filename="{step}", save_top_k=-1, **saving)
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        callbacks=[saver],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    recorder = Recorder()
    trainer.fit(recorder, data, ckpt_path=checkpoint)
    return recorder.seen


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("done", [3, 4, 6, 8])
def test_the_batches_after_a_resume_are_those_that_would_have_come(root, tmp_path, workers, done):
    whole = record(root, tmp_path, workers, 10, every_n_train_steps=1)
    rest = record(root, tmp_path / "resumed", workers, 10, tmp_path / f"step={done}.ckpt", every_n_train_steps=100)
    assert rest == whole[done:]


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.parametrize("after_validation", [True, False])
def test_a_resume_from_the_end_of_an_epoch_starts_the_next(root, tmp_path, after_validation):
    saving = {"every_n_epochs": 1, "save_on_train_epoch_end": not after_validation}
    whole = record(root, tmp_path, 0, 10, **saving)
    rest = record(root, tmp_path / "resumed", 0, 10, tmp_path / f"step={BATCHES_PER_EPOCH}.ckpt", **saving)
    assert rest == whole[BATCHES_PER_EPOCH:]


def test_an_epoch_goes_on_where_the_last_one_ended(root, tmp_path):
    assert record(root, tmp_path, 0, 10) == record(root, tmp_path, 0, 10, batches_per_epoch=10)
