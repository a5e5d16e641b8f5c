"""An official checkpoint through the command line: converted, tested, trained on from, exported."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import torch

from reenact.cli import main
from reenact.models.pwm.module import DiscriminatorConfig, PWMModule
from reenact.models.pwm.network import PWMConfig

DATA = [
    *("--data.size", "32", "--data.batch_size", "2", "--data.num_workers", "0", "--trainer.accelerator", "cpu"),
    *(
        "--data.identities",
        "2",
        "--data.test_identities",
        "2",
        "--data.num_test_pairs",
        "3",
        "--data.num_val_pairs",
        "2",
    ),
]
STILL = "--trainer.max_steps 1 --model.losses.perceptual pixels --model.optimisation.generator_lr 0"


def test_an_official_checkpoint_is_tested_and_trained_on_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = PWMModule("head", PWMConfig("both", [8, 8, 12]), DiscriminatorConfig([8]))
    state = module.state_dict()
    generator = {
        name.removeprefix("network.").removeprefix("generator."): value
        for name, value in state.items()
        if name.startswith("network.")
    }
    generator |= {
        "mesh_renderer.tri": module.network.face_model.faces.int(),
        "shortcut_layers.x4.unread": torch.ones(1),
    }
    discriminator = {
        name.removeprefix("discriminator."): value for name, value in state.items() if name.startswith("discriminator.")
    }
    torch.save({"generator": generator, "discriminator": discriminator, "global_step": 9}, "PWM_both.pth")
    Path("small.yaml").write_text("MODEL: {USE_ALPHA_BLEND: false}")
    names = ["--face-model", "head", "--config", "small.yaml"]
    assert main(["convert", "PWM_both.pth", *names, "--out", "pwm.ckpt"]) == 0
    assert main(["export", "pwm.ckpt", "--out", "shared"]) == 0
    for name in ("pwm.ckpt", "shared"):
        assert main(["test", "--ckpt_path", name, *DATA, "--out", f"tested_{name}"]) == 0
    rows = [pq.read_table(f"tested_{name}/scores/test_self_0000000.parquet") for name in ("pwm.ckpt", "shared")]
    assert len(rows[0]) == 3
    assert rows[0].equals(rows[1])
    assert main(["fit", "--weights", "pwm.ckpt", *DATA, *STILL.split(), "--out", "run"]) == 0
    trained = torch.load("run/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(trained["network.embeds"], state["network.embeds"])
