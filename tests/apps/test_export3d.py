"""What `edit` says of an Export3D: turns that are too far for one picture, and a surface without its package."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from models.zoo import CASES
from pytorch_lightning import Trainer

from reenact.cli import main
from reenact.models.export3d import Export3DModule
from reenact.models.export3d.discriminator import DiscriminatorConfig

from .conftest import SIZE


@pytest.fixture
def words(tmp_path: Path, clips: Path, known_faces: object) -> list[str]:
    toy = CASES["export3d"].make()
    assert isinstance(toy, Export3DModule)
    network = replace(toy.network.config, size=SIZE)
    module = Export3DModule("head", None, network, DiscriminatorConfig(base=128, largest=8, layers=2), toy.losses)
    module.image_size = SIZE
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(module)
    trainer.save_checkpoint(tmp_path / "toy.ckpt")
    return ["edit", "--checkpoint", f"{tmp_path}/toy.ckpt", "--source", f"{clips}/0.png", "--device", "cpu"]


@pytest.mark.parametrize(("yaw", "warned"), [(60, False), (75, True)])
def test_an_orbit_beyond_sixty_degrees_is_drawn_with_a_warning(tmp_path, capsys, words, yaw, warned):
    assert main([*words, "--sweep", f"orbit:{yaw}:15:4", "-o", f"{tmp_path}/orbit.mp4"]) == 0
    assert (tmp_path / "orbit.mp4").exists()
    said = " ".join(capsys.readouterr())
    assert (f"yaw {yaw} is beyond 60 degrees" in said) == warned


def test_a_surface_without_scikit_image_is_refused_in_a_sentence(tmp_path, monkeypatch, capsys, words):
    monkeypatch.setitem(sys.modules, "skimage.measure", None)
    assert main([*words, "-o", f"{tmp_path}/head.ply"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "needs scikit-image: pip install 'reenact-zoo[surface]'" in line
    assert not (tmp_path / "head.ply").exists()
