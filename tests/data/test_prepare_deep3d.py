"""From videos to a trained PWM and a portrait that it animates, by Deep3D's parameters.

Made files of the official forms, a synthetic clip.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from estimators.made_deep3d import write_deep3d
from faces.made_bfm import write_bfm

from reenact.cli import main
from reenact.data.prepare.job import Job, Settings, Tools
from reenact.data.store.reader import Store
from reenact.data.synthetic.write import write_synthetic
from reenact.errors import ReenactError
from reenact.estimators.registry import load_face_finder
from reenact.faces.alignment import five_points, template_place
from reenact.faces.params import FaceParams
from reenact.faces.registry import load_face_model
from reenact.faces.template_crop import UNIT, TemplateCrop
from reenact.media.pictures import write_image
from reenact.media.video import VideoReader, probe_video

pytest.importorskip("dlib")
SIDE, FRAMES, SIZE = 128, 4, 64


def coefficients_of(bfm, landmarks) -> torch.Tensor:
    """Coefficients (257,) of the face from the front that fits these landmarks (68, 2) best in their crop, about."""
    crop = TemplateCrop.around(landmarks, SIDE, SIDE)
    seen = landmarks / crop.pixel - (crop.left + 112, crop.top + 112)
    marks = 10 * bfm.landmarks68(bfm.mean_vertices[None])[0].numpy()
    size, x, y = template_place(five_points(marks[:, :2] * (1, -1)))
    wanted = seen * (1, -1) * size / UNIT - (marks[:, :2] - (x, -y))
    rows = bfm.landmark_vertices[:, 0]
    bases = torch.cat([bfm.shape_basis[rows], bfm.expression_basis[rows]], -1)[:, :2].flatten(0, 1).numpy() * 10
    vector = torch.zeros(257)
    vector[:144] = torch.from_numpy(np.linalg.solve(bases.T @ bases + 1e-4 * np.eye(144), bases.T @ wanted.ravel()))
    vector[254:] = torch.tensor([-x, y, 10 - 1015 * size / UNIT - marks[17:, 2].mean()])
    return vector


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """One face under the names of several people, as made weights know but one."""
    folder = tmp_path_factory.mktemp("raw")
    write_synthetic(folder, 1, 0, 1, FRAMES, SIDE)
    (clip,) = folder.rglob("*.mp4")
    for name in ("berta#1", "clara#1"):
        shutil.copy(clip, clip.with_name(f"{name}.mp4"))
    (folder / "test").rmdir()
    return folder


@pytest.fixture(scope="module")
def home(raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    bfm = load_face_model(str(write_bfm(folder / "bfm")))
    finder = load_face_finder("dlib")
    picture = next(iter(VideoReader(next(raw.rglob("*.mp4")))))
    landmarks = finder.landmarks.landmarks(picture, finder.detector.detect(picture)[0])
    write_deep3d(folder / "deep3d" / "epoch_20.pth", coefficients_of(bfm, landmarks))
    return folder


def test_another_network_than_where_the_run_began_ends_it(home, tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(home))
    name = load_face_model("bfm").name
    settings = Settings(
        face_model=name, landmarks="dlib", crop="fomm", size=SIZE, parameters="deep3d", regressor="deep3d_2"
    )
    with pytest.raises(ReenactError, match="deep3d is deep3d here, but deep3d_2 where the run began"):
        _ = Tools(Job(out=tmp_path / "store", settings=settings, face_model="bfm")).regressor


def test_from_videos_to_an_animated_portrait(home, raw, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("REENACT_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    options = f"--parameters deep3d --landmarks dlib --size {SIZE} --workers 1".split()
    assert main(["prepare", str(raw), "--out", "store", *options]) == 0
    store, bfm = Store(tmp_path / "store"), load_face_model("bfm")
    assert store.info.face_model == bfm.name
    assert store.info.recipe["regressor"] == "deep3d"
    assert {"texture", "light"} <= set(store.info.fields)
    clips = store.clips()
    assert len(clips) == 3
    for clip in clips:
        arrays = store.arrays(clip)
        shapes = {name: arrays[name].shape for name in ("shape", "expression", "texture", "light", "camera")}
        wanted = {"shape": (80,), "expression": (64,), "texture": (80,), "light": (9, 3), "camera": (7,)}
        assert shapes == {name: (FRAMES, *shape) for name, shape in wanted.items()}
        parts = {name: torch.from_numpy(arrays[name]) for name in FaceParams.__dataclass_fields__ if name in arrays}
        posed = bfm.landmarks68(bfm.posed(FaceParams(**parts)))[:, 17:, :2].numpy()
        seen = arrays["landmarks"]
        far = np.linalg.norm((posed + 1) * SIZE / 2 - seen[:, 17:], axis=-1).mean()
        assert far / np.linalg.norm(seen[:, 45] - seen[:, 36], axis=-1).mean() < 0.06
    fit = "fit --model pwm_bfm --data clips --data.root store --scale tiny --trainer.max_steps 2"
    assert main([*fit.split(), "--data.size", "64", "--data.batch_size", "2", "--data.num_workers", "0"]) == 0
    (checkpoint,) = tmp_path.glob("runs/pwm_bfm/*/checkpoints/last.ckpt")
    write_image(tmp_path / "portrait.png", next(iter(VideoReader(Path(clips[0].source)))))
    animated = f"animate --checkpoint {checkpoint} --source portrait.png --driving {clips[1].source} --device cpu"
    assert main([*animated.split(), "-o", "out.mp4"]) == 0
    assert probe_video(tmp_path / "out.mp4").num_frames == FRAMES
    assert main([*animated.replace(clips[1].source, "store").split(), "-o", "by_store.mp4"]) == 0
    shutil.copytree(home / "bfm", tmp_path / "elsewhere" / "bfm")
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "elsewhere"))
    capfd.readouterr()
    assert main([*animated.split(), "-o", "refused.mp4"]) == 2
    assert "was trained on face parameters by deep3d" in capfd.readouterr().err
    assert not (tmp_path / "refused.mp4").exists()
    assert main([*animated.split(), "--parameters", "fit", "-o", "fitted.mp4"]) == 0
