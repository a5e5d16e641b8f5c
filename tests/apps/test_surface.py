"""`edit -o head.ply`: the surface of a head as a mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from media.test_mesh_files import read_ply
from pytorch_lightning import Trainer

from reenact.apps.edit import edit
from reenact.errors import ReenactError
from reenact.faces.registry import load_face_model
from reenact.models.common.face_controls import set_parameter
from reenact.models.fomm import FOMMModule
from reenact.models.fomm.network import FOMMConfig

from .conftest import known_clip


def test_the_edited_face_of_the_face_model_is_written(checkpoint, world, clips, tmp_path, known_faces):
    edit(checkpoint, clips / "0.png", tmp_path / "head.ply", set={"yaw": 20}, device="cpu")
    lines, vertices, faces = read_ply(tmp_path / "head.ply")
    head = load_face_model("head")
    params = set_parameter(known_clip(world, clips / "0.png").params, "yaw", 20, head, "PWM")
    written = np.stack([vertices[axis] for axis in "xyz"], 1)
    torch.testing.assert_close(torch.from_numpy(written), head.vertices(params)[0])
    np.testing.assert_array_equal(faces, head.faces)
    colours = np.stack([vertices[name] for name in ("red", "green", "blue")], 1)
    expected = (255 * head.colours(params)[0].clamp(0, 1)).numpy()
    np.testing.assert_allclose(colours, expected, atol=0.51)
    assert "comment synthetic true" in lines


@pytest.mark.parametrize("options", [{"sweep": "yaw:0:20:3"}, {"script": "nod.txt"}])
def test_a_mesh_holds_one_face(clips, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    Path("nod.txt").write_text("yaw 3 frames 2 pitch 2 frames 1")
    with pytest.raises(ReenactError, match=r"head\.ply is a mesh of one face but there are 3 frames; name it \.mp4"):
        edit("read_after_the_refusal.ckpt", clips / "0.png", "head.ply", device="cpu", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["nod.txt"]


def test_a_method_without_a_surface_is_refused_before_tracking(clips, tmp_path, monkeypatch):
    sizes = {"detector_width": 4, "detector_blocks": 2, "motion_width": 4, "motion_blocks": 2, "width": 8}
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(FOMMModule(FOMMConfig(keypoints=5, reduction=2, bottleneck=1, **sizes)))
    trainer.save_checkpoint(tmp_path / "fomm.ckpt")
    monkeypatch.setattr("reenact.apps.edit.open_clip", None)  # reached only after the refusal
    with pytest.raises(ReenactError, match="fomm knows no surface of the head: give --out a picture or a video"):
        edit(tmp_path / "fomm.ckpt", clips / "0.png", tmp_path / "head.ply", device="cpu")
