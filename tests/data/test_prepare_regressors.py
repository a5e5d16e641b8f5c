"""Preparing with DECA, EMOCA and SMIRK: made weights that say "the mean face, filling the crop as it does"."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from estimators.made_regressors import resnet_state, smirk_state, write_deca, write_emoca, write_flame, write_smirk

from reenact.data.layouts.folders import find_inputs
from reenact.data.prepare import job as job_module
from reenact.data.prepare import runner
from reenact.data.prepare.job import Job, Settings
from reenact.data.prepare.stage_list import stage_names
from reenact.data.store.reader import Store
from reenact.estimators.base import FaceBox
from reenact.estimators.registry import FaceFinder
from reenact.estimators.turned import LandmarkCheck
from reenact.faces.params import FaceParams
from reenact.faces.registry import load_face_model
from reenact.media.video_writer import VideoWriter
from reenact.tracking import landmark_placer

SIDE, FRAMES = 200, 6
STAGE_NAMES = stage_names()


class Portraits:
    """Finds the mean face of the made FLAME where it is said to be: 90 pixels wide, moving to the right."""

    name = "dlib"

    def __init__(self, template):
        self.template = template
        """(68, 2) landmarks of the mean face in metres, y up."""

    def detect(self, image):
        return [FaceBox.around(self._points(image))]

    def detect_near(self, image, box):
        return self.detect(image)[0]

    def landmarks(self, image, box):
        return self._points(image)

    def _points(self, image):
        scale = 90 / np.ptp(self.template[:, 0])
        place = self.template * [scale, -scale] + [90 + int(image[0, 0, 0]) / 8, 110]
        return place.astype(np.float32)


@cache
def template(path):
    flame = load_face_model(path)
    return flame.landmarks68(flame.mean_vertices[None])[0, :, :2].numpy()


def camera_of(points, scale, rise):
    """The camera in whose crop (`scale` times the box of these points, so much higher) they lie where they do."""
    (left, low), (right, high) = points.min(0), points.max(0)
    size = (right - left + high - low) / 2
    return [2 / (size * scale * 224 / 223), -(left + right) / 2, -(low + high) / 2 - rise * size]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    flame = write_flame(folder / "flame")
    bias = torch.zeros(236)
    bias[206:209] = torch.tensor(camera_of(template(str(flame)), 1.1 * 1.25, 0))
    bias[209:] = 0.5
    coarse = resnet_state(bias, 0, gain=0.01)
    write_deca(folder / "deca" / "deca_model.tar", E_flame=coarse)
    write_emoca(
        folder / "emoca" / "EMOCA.ckpt",
        **{f"deca.E_flame.{name}": value for name, value in coarse.items()},
        **{f"deca.E_expression.{name}": value for name, value in resnet_state(torch.zeros(50), 1, 0.01).items()},
    )
    state = smirk_state()
    for name, value in state.items():
        if "_layers.0" in name:
            value.mul_(0.01)
    state["smirk_encoder.pose_encoder.pose_cam_layers.0.bias"][3:] = torch.tensor(
        camera_of(template(str(flame)), 1.08 * 1.4, 0.1)
    )
    write_smirk(folder / "smirk" / "SMIRK_em1.pt", **state)
    return folder


@pytest.fixture
def clip(tmp_path):
    """A video whose upper left pixel says where the face is."""
    path = tmp_path / "raw" / "anna#1.mp4"
    path.parent.mkdir()
    with VideoWriter(path, Fraction(25), (SIDE, SIDE)) as writer:
        for frame in range(FRAMES):
            image = np.random.default_rng(frame).integers(90, 160, (SIDE, SIDE, 3), dtype=np.uint8)
            image[:32, :32] = 100 + 16 * frame
            writer.write(image)
    return path


@pytest.mark.parametrize("choice", ["deca", "emoca", "smirk-68"])
def test_from_a_video_to_a_store_that_poses_the_mesh(choice, home, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(home))
    finder = Portraits(template(str(home / "flame" / "generic_model.pkl")))
    monkeypatch.setattr(job_module, "load_face_finder", lambda *_: FaceFinder(finder, finder))
    # the stand-in reads the frame's number from its corner, which turned copies of the face do not show
    monkeypatch.setattr(landmark_placer, "check_landmarks", lambda *_: LandmarkCheck(0, 0, 0))
    flame = load_face_model("flame")
    settings = Settings(
        face_model=flame.name, landmarks="dlib", crop="fomm", size=64, parameters=choice, regressor=choice
    )
    out = tmp_path / "store"
    (record,) = runner.run_stages(STAGE_NAMES, find_inputs(clip), Job(out=out, settings=settings, face_model="flame"))
    assert record.status == "ok", record.reason
    store = Store(out)
    (made,) = store.clips()
    arrays = store.arrays(made)
    assert arrays["shape"].shape == (FRAMES, 300 if choice == "smirk-68" else 100)
    assert arrays["expression"].shape == (FRAMES, 50)
    if choice != "smirk-68":
        assert arrays["light"].shape == (FRAMES, 9, 3)
        assert arrays["texture"].shape == (FRAMES, 50)
    assert np.ptp(arrays["camera"][:, 1]) > 0.01  # the face moves through the one crop of the clip
    parts = {name: torch.from_numpy(arrays[name]) for name in FaceParams.__dataclass_fields__ if name in arrays}
    posed = flame.landmarks68(flame.posed(FaceParams(**parts)))[..., :2].numpy()
    np.testing.assert_allclose((posed + 1) * 32, arrays["landmarks"], atol=1.5)
