"""Run by test_two_processes: two steps of several methods, of which it saves the gradients and the samples.

In double precision, where both sides of a ReLU's kink get what they get in exact arithmetic: in float32, rounding alone
moves gradients by up to 1e-4.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from zoo import CASES as ZOO_CASES
from zoo import Case, trainer

from reenact.data.datamodules.synthetic import Synthetic
from reenact.faces.portrait import PortraitPair

CASES = [ZOO_CASES[name] for name in ("pwm-both", "fomm-adv", "face_vid2vid", "mmfa", "mmfa-guided")]
STEPS = 2


class Recorder(pl.Callback):
    """Keeps the gradients before each optimiser's step, with batch norms frozen and weights left as they are."""

    def __init__(self) -> None:
        self.gradients: dict[str, Tensor] = {}
        self.samples: list[list[Any]] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: PortraitPair, batch_idx: int
    ) -> None:
        for module in pl_module.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = 0.0
        self.samples.append([batch.source.clip, batch.source.frame.tolist(), batch.driving.frame.tolist()])

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        for name, parameter in pl_module.named_parameters():
            if parameter.requires_grad and parameter.grad is not None:
                self.gradients[f"{len(self.samples)} {name}"] = parameter.grad.clone()


def record(case: Case, folder: Path, **options: Any) -> dict[str, Any]:
    """Gradients by step and parameter, and each step's samples, of the training of a method."""
    pl.seed_everything(0)
    recorder = Recorder()
    data = Synthetic(
        size=32, batch_size=4, num_workers=0, identities=3, test_identities=1, pairs_per_epoch=8, num_val_pairs=2,
        num_test_pairs=2, jitter=0.1,
    )  # fmt: skip
    run = trainer(folder, callbacks=[recorder], max_steps=STEPS, limit_val_batches=0, precision="64-true", **options)
    run.fit(case.make(), data)
    return {"gradients": recorder.gradients, "samples": recorder.samples}


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.Tensor.float = torch.Tensor.double  # detectors of landmarks cast their images
    place = Path(sys.argv[1])
    records = {case.name: record(case, place, devices=2, strategy="ddp") for case in CASES}
    torch.save(records, place / f"rank{os.environ['LOCAL_RANK']}.pt")
