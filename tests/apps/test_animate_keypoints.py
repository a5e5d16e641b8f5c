"""Methods that read images alone, through the same machinery; their motion is keypoints."""

import dataclasses

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer

from reenact.apps.animate import animate
from reenact.apps.animator import Animator
from reenact.apps.compose import Composer
from reenact.apps.edit import edit
from reenact.apps.performance import Performance
from reenact.apps.reference import anchor_number, reference_number
from reenact.apps.timeline import make_timeline
from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait, to_tensor
from reenact.media.video import VideoReader
from reenact.models.common.base import Transfer
from reenact.models.fomm import FOMMModule
from reenact.models.fomm.network import FOMMConfig

from .conftest import SIZE, known_clip


@pytest.fixture(scope="module")
def keypoints(tmp_path_factory, world):
    """A small FOMM, untrained but for its norms' statistics."""
    torch.manual_seed(0)
    sizes = {"detector_width": 4, "detector_blocks": 2, "motion_width": 4, "motion_blocks": 2, "width": 8}
    module = FOMMModule(FOMMConfig(keypoints=5, reduction=2, bottleneck=1, **sizes))
    module.image_size = SIZE
    images, _, _ = world.sequence(0, 0, range(4), SIZE)
    portrait = Portrait(to_tensor(images))
    with torch.no_grad():
        for _ in range(30):
            module.network(portrait, portrait)
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(module)
    path = tmp_path_factory.mktemp("keypoints") / "fomm.ckpt"
    trainer.save_checkpoint(path)
    return path


def performed(checkpoint, source, driving, transfer, reference="first"):
    timeline = make_timeline((len(driving), driving.fps), (len(source), source.fps), "min")
    method = Animator(checkpoint, transfer, device="cpu")
    numbers = reference_number(reference, source, driving, None), anchor_number(reference, source, driving)
    return np.stack(
        list(
            Performance(animator=method, source=source, driving=driving, composer=Composer(), batch_size=4).frames(
                timeline, *numbers
            )
        )
    )


@pytest.mark.parametrize("reference", ["first", "5"])
def test_a_moving_source_that_drives_itself_is_left_as_it_is(keypoints, world, clips, reference):
    clip = known_clip(world, clips / "1.mp4")
    result = performed(keypoints, clip, clip, Transfer(mode="relative"), reference)
    portrait = clip.portraits(np.arange(len(clip)), list(VideoReader(clip.path)))
    method = Animator(keypoints, device="cpu").prepare(portrait)
    assert np.abs(result.astype(int) - method.step(portrait)).max() <= 1


def test_edits_of_a_head_are_refused(keypoints, clips, tmp_path, known_faces):
    for options, message in (
        ({"pose_from": clips / "0.png"}, "no head pose"),
        ({"neutral": "expression"}, "no expression"),
    ):
        with pytest.raises(ReenactError, match=f"the motion of fomm has {message}"):
            edit(keypoints, clips / "0.png", tmp_path / "out.png", device="cpu", set=options)


def test_a_picture_is_driven_and_parts_are_refused(keypoints, clips, tmp_path, known_faces):
    picture, video, out = clips / "0.png", clips / "1.mp4", tmp_path / "out.mp4"
    with pytest.raises(ReenactError, match="FOMM knows no motion 'pose': choose from absolute, relative"):
        animate(keypoints, picture, video, out, motion="pose", device="cpu")
    with pytest.raises(ReenactError, match="FOMM has no part 'jaw'"):
        animate(keypoints, picture, video, out, parts=("jaw",), device="cpu")
    assert not out.exists()
    assert animate(keypoints, picture, video, out, motion="relative", device="cpu").frames == 21


def test_the_most_alike_frame_without_parameters_is_that_of_the_nearest_landmarks(world, clips):
    clip = dataclasses.replace(known_clip(world, clips / "1.mp4"), params=None)
    with pytest.raises(ReenactError, match="no landmarks are known"):
        reference_number("best", clip, clip, None)
    points = np.random.default_rng(0).normal(size=(21, 68, 2))
    source = dataclasses.replace(clip, landmarks=3 * points[7:8] + 40)
    assert reference_number("best", source, dataclasses.replace(clip, landmarks=points), None) == 7


@pytest.mark.parametrize("which", ["auto", "best", "first"])
def test_the_reference_shows_the_face(world, clips, which):
    """A frame without the face repeats the landmarks of the next one that shows it."""
    clip = dataclasses.replace(known_clip(world, clips / "1.mp4"), params=None)
    points = np.random.default_rng(0).normal(size=(21, 68, 2))
    points[:4] = points[4]
    found = np.arange(21) >= 4
    driving = dataclasses.replace(clip, landmarks=points, found=found)
    source = dataclasses.replace(clip, landmarks=points[4:5], found=np.ones(1, np.bool_))
    assert reference_number(which, source, driving, None) == 4
    assert anchor_number(which, driving, driving) == 4
