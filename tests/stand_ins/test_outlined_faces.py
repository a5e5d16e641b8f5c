"""A method that reads landmarks or masks has them in applications, or a refusal; its motion holds face parameters."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from data.made_faces import Squares, picture, walk, write_clip
from pytorch_lightning import Trainer

from reenact.apps.animate import animate
from reenact.apps.animator import Animator
from reenact.apps.edit import edit
from reenact.apps.face_input import open_clip
from reenact.apps.performance import read_portrait
from reenact.cli import main
from reenact.data.store.reader import Store
from reenact.errors import ReenactError
from reenact.estimators.registry import FaceFinder
from reenact.faces.contents import Contents
from reenact.media.pictures import read_image, write_image
from reenact.tracking import read_face, target

WORLD = "world --identities 1 --test-identities 1 --clips-per-identity 1 --frames-per-clip 4 --size 64 --masks"
FILES = ("method.ckpt", "source.png", "driving.mp4")


@pytest.fixture
def network(install, monkeypatch):
    """The class of the network; files and a checkpoint lie in the folder of work, and white squares are faces."""
    install("outlined_faces")
    monkeypatch.setattr(target, "load_face_finder", lambda *_, **__: FaceFinder(Squares(), Squares()))
    monkeypatch.setattr(read_face, "fit_track", give_neutral)
    write_image(Path("source.png"), picture((70, 60)))
    write_clip(Path("driving.mp4"), walk(4))
    torch.manual_seed(0)
    module = import_module("outlined_faces.method").OutlinedFaces()
    module.image_size = 64
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(module)
    trainer.save_checkpoint("method.ckpt")
    return type(module.network)


@pytest.fixture
def portraits(network, monkeypatch):
    """Everything that the network reads."""
    read, portraits = network.read, []

    def read_noted(self, driving):
        portraits.append(driving)
        return read(self, driving)

    monkeypatch.setattr(network, "read", read_noted)
    return portraits


def give_neutral(track, face_model, crops):
    return face_model.neutral(len(track)), np.zeros(len(track))


def expected_landmarks(clip):
    return np.stack([crop.to_crop(points) for crop, points in zip(clip.crops, clip.landmarks, strict=True)])


def test_animate_reads_the_landmarks_of_both_faces_in_pixels_of_their_crops(portraits):
    animate(*FILES, "out.mp4", device="cpu", smoothing="none", motion="relative", batch_size=2, reference_frame="0")
    faces = Animator(Path("method.ckpt"), device="cpu").faces.target
    source, driving = (expected_landmarks(open_clip(Path(name), faces)) for name in FILES[1:])
    read = [portrait.landmarks.numpy() for portrait in portraits]
    np.testing.assert_allclose(read[0], driving[:1], atol=1e-3)  # the reference
    np.testing.assert_allclose(read[1], source, atol=1e-3)
    np.testing.assert_allclose(np.concatenate(read[2:]), driving, atol=1e-3)
    assert read[0].min() > 0
    assert read[0].max() < 64


def test_edits_and_live_steps_read_landmarks(portraits):
    edit(*FILES[:2], "edited.png", set={"yaw": 10}, device="cpu")
    method = Animator(Path("method.ckpt"), device="cpu").prepare(read_image(Path("source.png")))
    method.step(picture((50, 50)))
    assert [portrait.landmarks.shape for portrait in portraits] == 3 * [(1, 68, 2)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world") / "store"
    assert main([*WORLD.split(), "--workers", "1", "-o", str(folder)]) == 0
    return folder


def test_a_store_gives_landmarks_in_pixels_of_the_input(portraits, store):
    method = Animator(Path("method.ckpt"), device="cpu")
    clip = open_clip(store, replace(method.faces.target, size=32))
    portrait = read_portrait(clip, 1, Contents(landmarks=True))
    np.testing.assert_allclose(portrait.landmarks[0], clip.landmarks[1] / 2, atol=1e-4)
    animate("method.ckpt", "source.png", store, "out.mp4", device="cpu")
    assert portraits[-1].landmarks.shape == (4, 68, 2)


def test_landmarks_of_a_motion_that_holds_parameters_count_the_frames_outside(network, monkeypatch):
    options = {"device": "cpu", "overwrite": True, "paste_back": True}
    assert animate(*FILES, "out.mp4", **options).outside == 0
    pose = network.pose_landmarks
    monkeypatch.setattr(network, "pose_landmarks", lambda self, motion: pose(self, motion) + 1.0)
    assert animate(*FILES, "out.mp4", **options).outside == 4


def test_a_portrait_without_landmarks_is_refused(network):
    method = Animator(Path("method.ckpt"), device="cpu")
    clip = open_clip(Path("source.png"), method.faces.target)
    with pytest.raises(ReenactError, match="outlined_faces reads landmarks and the portrait has none: fill"):
        method.prepare(read_portrait(clip, 0, Contents()))


@pytest.fixture
def masked(network, monkeypatch):
    """The same method, which also reads masks."""
    monkeypatch.setattr(network, "needs", Contents(params=True, landmarks=True, mask=True))
    return network


def test_masks_that_nothing_finds_are_refused_before_tracking(masked, monkeypatch, capsys):
    monkeypatch.setattr(target, "load_face_finder", lambda *_, **__: None)  # finds nothing
    files = ["--checkpoint", "method.ckpt", "--source", "source.png"]
    assert main(["animate", *files, "--driving", "driving.mp4", "-o", "out.mp4"]) == 2
    assert "source.png has no masks of the person, which this method reads" in capsys.readouterr().err
    assert main(["edit", *files, "--yaw", "10", "-o", "out.png"]) == 2
    assert "source.png has no masks of the person" in capsys.readouterr().err
    with pytest.raises(ReenactError, match="has no masks of the person"):
        Animator(Path("method.ckpt"), device="cpu").prepare(read_image(Path("source.png")))
    assert not list(Path().glob("out.*"))


def test_python_and_stores_serve_masks(masked, store):
    method = Animator(Path("method.ckpt"), device="cpu")
    clip = open_clip(store, method.faces.target)
    numbers = np.arange(4)
    portraits = clip.portraits(numbers, list(clip.images()), masked.needs)
    assert portraits.mask.shape == (4, 1, 64, 64)
    assert 0.1 < portraits.mask.mean() < 0.9
    stored = np.unpackbits(Store(store).arrays(clip.record)["mask"], axis=-1)
    torch.testing.assert_close(portraits.mask[:, 0], torch.from_numpy(stored).float())
    pictures = method.prepare(portraits[:1]).step(portraits)
    assert pictures.shape == (4, 64, 64, 3)
    torch.testing.assert_close(method.state.mask, portraits.mask[:1])
    with pytest.raises(ReenactError, match="reads masks and the portrait has none"):
        method.step(replace(portraits, mask=None))


def test_a_store_without_masks_is_refused(masked, store, monkeypatch):
    read = Store.arrays
    monkeypatch.setattr(Store, "arrays", lambda *arguments: {k: v for k, v in read(*arguments).items() if k != "mask"})
    with pytest.raises(ReenactError, match=r"store has no masks of the person.*world --masks"):
        open_clip(store, Animator(Path("method.ckpt"), device="cpu").faces.target)
