"""Run by test_resume: trains in two processes and writes which samples each of them saw."""

import json
import sys
from pathlib import Path

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from reenact.data.datamodules.clips import Clips


class Recorder(LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def training_step(self, batch, batch_idx):
        self.seen.append(list(zip(batch.source.clip, batch.source.frame.tolist(), strict=True)))
        return self.weight * 0.0

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def main(root, out, steps, workers, checkpoint):
    data = Clips(root, size=16, batch_size=4, num_workers=int(workers), pairs_per_epoch=16, num_val_pairs=2)
    trainer = Trainer(
        max_steps=int(steps),
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        logger=False,
        callbacks=[ModelCheckpoint(out, filename="{step}", save_top_k=-1, every_n_train_steps=1)],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        val_check_interval=3,
    )
    recorder = Recorder()
    trainer.fit(recorder, data, ckpt_path=checkpoint or None)
    Path(out).mkdir(parents=True, exist_ok=True)
    (Path(out) / f"rank{trainer.global_rank}.json").write_text(json.dumps(recorder.seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
