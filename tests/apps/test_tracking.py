from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reenact.apps.animate import animate
from reenact.apps.animator import Animator
from reenact.apps.face_input import open_clip
from reenact.errors import ReenactError
from reenact.estimators.registry import load_face_finder
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.landmarks import inter_ocular_distance
from reenact.faces.model import FaceModel
from reenact.faces.registry import load_face_model
from reenact.media.pictures import read_image, write_image
from reenact.media.video import VideoReader, probe_video
from reenact.media.video_writer import VideoWriter
from reenact.tracking.face_track import FaceTrack
from reenact.tracking.read_face import CropMotion, crop_track
from reenact.tracking.target import Target
from reenact.world import World

from .conftest import known_clip

pytest.importorskip("dlib", reason="needs dlib to find faces")


@pytest.fixture(scope="module")
def target() -> Target:
    return Target(finder=load_face_finder("dlib"), face_model=load_face_model("head"), size=64)


@pytest.fixture(scope="module")
def frame(world: World) -> np.ndarray:
    """A larger frame with a face off centre, left edge of its square at 100, upper at 40."""
    image = np.full((320, 480, 3), 90, np.uint8)
    image[40:296, 100:356] = world.sequence(3, 0, [0], 256)[0][0]
    return image


def posed_landmarks(clip, face_model: FaceModel) -> np.ndarray:
    """The fitted mesh's landmarks (T, 68, 2) in frame pixels."""
    ndc = face_model.landmarks68(face_model.posed(clip.params))[..., :2].numpy()
    return np.stack([crop.to_frame(crop.from_ndc(points)) for crop, points in zip(clip.crops, ndc, strict=True)])


def test_a_face_anywhere_is_cropped_and_fitted(tmp_path: Path, target: Target, world: World, frame: np.ndarray) -> None:
    write_image(tmp_path / "wide.png", frame)
    clip = open_clip(tmp_path / "wide.png", target)
    assert (len(clip), clip.fps) == (1, None)
    truth = world.landmarks(3, 0, [0], 256)[0] + [100, 40]
    error = np.linalg.norm(posed_landmarks(clip, target.face_model)[0] - truth, axis=-1).mean()
    assert error < 0.1 * inter_ocular_distance(truth)


def test_no_face_and_too_few(tmp_path: Path, target: Target, frame: np.ndarray) -> None:
    write_image(tmp_path / "grey.png", np.full((100, 100, 3), 128, np.uint8))
    with pytest.raises(ReenactError, match=r"grey\.png shows no face"):
        open_clip(tmp_path / "grey.png", target)
    write_image(tmp_path / "one.png", frame)
    with pytest.raises(
        ReenactError, match=r"one\.png shows 1 face\(s\), so there is none of index 1; 0 is the largest$"
    ):
        open_clip(tmp_path / "one.png", target, face_index=1)


def test_fixed_and_following_crops_show_the_same_mesh(
    tmp_path: Path, target: Target, frame: np.ndarray, clips: Path
) -> None:
    with VideoWriter(tmp_path / "pan.mp4", Fraction(25), (480, 320)) as writer:
        for shift in range(4):
            writer.write(np.roll(frame, 8 * shift, axis=1))
    fixed = open_clip(tmp_path / "pan.mp4", target, "fixed")
    following = open_clip(tmp_path / "pan.mp4", target, "per_frame")
    assert len(set(fixed.crops)) == 1
    assert following.crops[3].left - following.crops[0].left == pytest.approx(24, abs=3)
    meshes = [posed_landmarks(clip, target.face_model) for clip in (fixed, following)]
    assert np.abs(meshes[0] - meshes[1]).mean() < 2


def test_a_clip_knows_where_its_shots_begin(tmp_path: Path, target: Target, frame: np.ndarray, world: World) -> None:
    other = np.full((320, 480, 3), 220, np.uint8)
    other[60:316, 200:456] = world.sequence(1, 0, [0], 256)[0][0]
    with VideoWriter(tmp_path / "shots.mp4", Fraction(25), (480, 320)) as writer:
        for image in [frame] * 3 + [other] * 2:
            writer.write(image)
    assert open_clip(tmp_path / "shots.mp4", replace(target, face_model=None)).cuts == (3,)


def test_pixels_beyond_a_picture_are_those_of_its_edge(clips: Path, world: World) -> None:
    clip = replace(known_clip(world, clips / "0.png"), crops=[Crop(-40, -40, 96, 64)])
    image = read_image(clips / "0.png")
    corner = clip.portraits(np.zeros(1, np.int64), [image]).image[0, :, 5, 5]
    np.testing.assert_allclose((corner.numpy() + 1) * 127.5, image[0, 0], atol=1e-3)


def test_each_shot_of_a_clip_has_its_own_crop(target: Target) -> None:
    shots = [np.random.default_rng(seed).uniform(0, 60, (68, 2)) + place for seed, place in ((0, 20), (1, 200))]
    landmarks = np.stack([shots[0]] * 3 + [shots[1]] * 2).astype(np.float32)
    track = FaceTrack(
        landmarks=landmarks, visible=np.ones(5, np.bool_), frames=np.arange(5), cuts=(3,), width=320, height=320
    )
    crops = crop_track(track, target, "fixed")
    assert crops == [crop_from_landmarks(points, "pwm", 64) for points in landmarks]
    assert len(set(crops)) == 2


def test_from_files_to_file(tmp_path: Path, checkpoint: Path, frame: np.ndarray) -> None:
    """Everything together, nothing replaced: detection, fit, network, paste-back, watermark."""
    write_image(tmp_path / "source.png", frame)
    method = Animator(checkpoint, device="cpu")
    assert method.prepare(frame).step(frame).shape == (1, 64, 64, 3)
    made = animate(
        checkpoint, tmp_path / "source.png", tmp_path / "source.png", tmp_path / "out.mp4",
        paste_back=True, motion="relative", reference_frame="best", device="cpu",
    )  # fmt: skip
    assert made.frames == 1
    assert (probe_video(tmp_path / "out.mp4").width, probe_video(tmp_path / "out.mp4").height) == (480, 320)
    (result,) = VideoReader(tmp_path / "out.mp4")
    untouched = np.abs(result[:, :60].astype(int) - read_image(tmp_path / "source.png")[:, :60])
    assert untouched.mean() < 4  # watermark and compression alone


@pytest.mark.parametrize(
    ("frames", "motion", "turned", "is_turned"),
    [(1, "fixed", True, True), (3, "per_frame", True, True), (3, "fixed", True, False), (1, "fixed", False, False)],
)
def test_crops_of_single_frames_of_a_source_are_turned(
    target: Target, frames: int, motion: CropMotion, turned: bool, is_turned: bool
) -> None:
    points = np.random.default_rng(0).uniform(80, 120, (68, 2)).astype(np.float32)
    track = FaceTrack(
        landmarks=np.repeat(points[None], frames, 0), visible=np.ones(frames, np.bool_), frames=np.arange(frames),
        cuts=(), width=200, height=200,
    )  # fmt: skip
    source = replace(target, face_model=None, crop="liveportrait", turned=turned)
    assert [crop.angle != 0 for crop in crop_track(track, source, motion)] == [is_turned] * frames
