"""Run by test_processes: a command line in two processes, each of which notes what it saw and what it learned."""

import json
import os
import signal
import sys
from pathlib import Path

import pytorch_lightning as pl

from reenact.cli import main
from reenact.errors import ReenactError


class Recorder(pl.Callback):
    def __init__(self, folder: str, fail: str = "", stop: str = "") -> None:
        self.folder = Path(folder)
        self.fail = fail
        self.stop = stop
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if os.environ["LOCAL_RANK"] == self.fail:
            raise ReenactError(f"process {self.fail} refuses")
        if os.environ["LOCAL_RANK"] == self.stop and trainer.global_step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        self.note(batch)

    def on_test_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.note(batch, dataloader_idx)

    def note(self, batch, loader=0):
        sides = batch.source, batch.driving
        columns = [column for side in sides for column in (side.clip, side.frame.tolist())]
        self.seen += [[loader, *row] for row in zip(*columns, strict=True)]

    def teardown(self, trainer, pl_module, stage):
        weights = {name: p.double().sum().item() for name, p in pl_module.named_parameters()}
        text = json.dumps({"seen": self.seen, "weights": weights})
        (self.folder / f"{stage.value}{os.environ['LOCAL_RANK']}.json").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
