"""A resumed run sees the batches that the uninterrupted run would have seen."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

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


class ValidatedInline(Clips):
    """Clips whose validations start no workers of their own, which take longer than the training."""

    def val_dataloader(self):
        workers, self.num_workers = self.num_workers, 0
        loaders = super().val_dataloader()
        self.num_workers = workers
        return loaders


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


def record(
    root, folder, workers, steps, checkpoint=None, batches_per_epoch=BATCHES_PER_EPOCH, trainer_options=None, **saving
):
    data = ValidatedInline(
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
        **(trainer_options or {}),
    )
    recorder = Recorder()
    trainer.fit(recorder, data, ckpt_path=checkpoint)
    return recorder.seen


@pytest.fixture(scope="module", params=[0, 2])
def whole_run(request, root, tmp_path_factory):
    """Workers, folder with a checkpoint of each step, and batches of a run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    return request.param, folder, record(root, folder, request.param, 10, every_n_train_steps=1)


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.parametrize("done", [3, 4, 6, 8])
def test_the_batches_after_a_resume_are_those_that_would_have_come(root, tmp_path, whole_run, done):
    workers, folder, whole = whole_run
    rest = record(root, tmp_path / "resumed", workers, 10, folder / f"step={done}.ckpt", every_n_train_steps=100)
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


OPTIONS = [
    {"limit_train_batches": 3},
    {"accumulate_grad_batches": 3},
    {"val_check_interval": 3},
    {"val_check_interval": 1, "limit_train_batches": 3, "accumulate_grad_batches": 2},
]


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_limits_accumulation_and_validation_move_nothing(root, tmp_path, options):
    saving = {"every_n_train_steps": 1, "trainer_options": options}
    whole = record(root, tmp_path, 0, 6, **saving)
    assert whole == record(root, tmp_path / "plain", 0, len(whole), batches_per_epoch=40)
    for done, workers in ((1, 2), (2, 0), (5, 1)):
        rest = record(root, tmp_path / "resumed", workers, 6, tmp_path / f"step={done}.ckpt", **saving)
        assert 0 < len(rest) < len(whole)
        assert rest == whole[-len(rest) :]


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.parametrize(("options", "epochs"), [({"limit_train_batches": 3}, 4), ({}, 3)])
def test_limited_epochs_keep_their_length(root, tmp_path, options, epochs):
    ends = []

    class Ends(Recorder):
        def on_train_epoch_end(self):
            ends.append(len(self.seen))

    for workers in (0, 2):
        data = Clips(root, size=16, batch_size=2, num_workers=workers, pairs_per_epoch=8, num_val_pairs=2)
        Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        ).fit(Ends(), data)
    assert ends == [12 * (number + 1) // epochs for number in range(epochs)] * 2


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_two_processes_share_the_sequence_and_resume_in_it(root, tmp_path, workers):
    script = Path(__file__).with_name("two_processes.py")

    def run(out, steps, checkpoint=""):
        words = [sys.executable, script, root, out, steps, workers, checkpoint]
        subprocess.run([str(word) for word in words], check=True, timeout=300)
        return [json.loads((out / f"rank{rank}.json").read_text()) for rank in (0, 1)]

    whole = run(tmp_path / "whole", 7)
    data = Clips(root, size=16, batch_size=4, num_workers=0, pairs_per_epoch=40)
    for number, batch in enumerate(islice(data.train_dataloader(), 7)):
        alone = list(zip(batch.source.clip, batch.source.frame.tolist(), strict=True))
        assert [[tuple(row) for row in rank[number]] for rank in whole] == [alone[0::2], alone[1::2]]
    for done in (2, 4, 5):
        rest = run(tmp_path / f"rest{done}", 7, tmp_path / "whole" / f"step={done}.ckpt")
        assert rest == [rank[done:] for rank in whole]
