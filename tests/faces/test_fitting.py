from itertools import islice

import numpy as np
import pytest
import torch

from faces.made_flame import made_arrays, made_embedding
from reenact.faces.camera import carry_camera
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.face_size import face_size
from reenact.faces.fitting import fit_landmarks
from reenact.faces.flame import Flame
from reenact.faces.registry import load_face_model

FRAMES = 8


@pytest.fixture(scope="module")
def flame():
    embedding = {key: np.asarray(value) for key, value in made_embedding().items()}
    return Flame(made_arrays(), embedding, num_shape=30, num_expression=20)


@pytest.fixture(scope="module")
def head():
    return load_face_model("head")


def clip_of(model, frames=FRAMES, seed=0, low=-1.5, high=1.5):
    """A smoothly moving face of a random identity; jaw line excluded where it would slide."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.linspace(0, 1, frames)[:, None]
    params = model.neutral(frames)
    params.shape[:] = torch.randn(model.num_shape, generator=generator)
    ends = torch.rand(2, model.num_expression, generator=generator) * (high - low) + low
    params.expression[:] = ends[0] + time * (ends[1] - ends[0])
    params.global_pose[:] = torch.cat([0.2 * time, 0.5 - 0.9 * time, 0.15 - 0.3 * time], 1)
    params.jaw_pose[:, :1] = 0.25 * time
    params.camera[:, 0] *= (1 + 0.2 * time)[:, 0]
    params.camera[:, 1] += 0.01 * time[:, 0]
    return params, model.landmarks68(model.posed(params))[..., :2]


INNER = torch.arange(68) >= 17


@pytest.mark.parametrize("name", ["flame", "head"])
def test_recovers_a_known_clip(name, request):
    model = request.getfixturevalue(name)
    params, landmarks = clip_of(model, low=0.0 if name == "head" else -1.5, high=0.6)
    fit = fit_landmarks(model, landmarks, INNER.expand(FRAMES, -1))
    assert fit.error.max() < 0.012
    assert (fit.params.global_pose - params.global_pose).abs().mean() < 0.05
    assert (fit.params.camera[:, 0] / params.camera[:, 0] - 1).abs().mean() < 0.05
    assert (fit.params.shape == fit.params.shape[0]).all(), "the clip has one identity"
    assert (fit.params.eye_pose == 0).all()
    assert (fit.params.neck_pose == 0).all()
    points = model.landmarks68(model.posed(fit.params))[..., :2]
    torch.testing.assert_close(fit.landmarks[:, 17:], points[:, 17:], atol=1e-5, rtol=0)


def test_error_is_a_fraction_of_the_interocular_distance(flame):
    _, landmarks = clip_of(flame, 3)
    fit = fit_landmarks(flame, landmarks)
    unit = (landmarks[:, 45] - landmarks[:, 36]).norm(dim=-1)
    torch.testing.assert_close(fit.error, (fit.landmarks - landmarks).norm(dim=-1).mean(1) / unit)


def test_blinks_are_followed(head):
    """A lid that closes for some frames closes in the fit, and opens again."""
    params, _ = clip_of(head, low=0.0, high=0.0)
    blink = [index for index, name in enumerate(head.expression_names) if name.startswith("blink")]
    assert len(blink) == 2
    params.shape[:] = 0
    params.expression[4:7, blink] = torch.tensor([0.6, 1.0, 0.6])[:, None]
    landmarks = head.landmarks68(head.posed(params))[..., :2]
    fit = fit_landmarks(head, landmarks, INNER.expand(FRAMES, -1))

    def opening(points):
        return (points[:, [37, 38, 43, 44]] - points[:, [41, 40, 47, 46]]).norm(dim=-1).mean(1)

    given, found = opening(landmarks), opening(fit.landmarks)
    assert found[5] < 0.3 * found[0]
    assert (given - found).abs().mean() < 0.15 * given[0], (given, found)


def test_expressions_stay_in_their_range(head):
    _, landmarks = clip_of(head, low=0.0, high=1.0, seed=3)
    noisy = landmarks + 0.01 * torch.randn(landmarks.shape, generator=torch.Generator().manual_seed(0))
    expression = fit_landmarks(head, noisy).params.expression
    assert expression.min() > -0.1
    assert expression.max() < 1.1


def test_hidden_frames_are_filled_in_and_outliers_forgiven(flame):
    params, landmarks = clip_of(flame)
    given = landmarks.clone()
    seen = torch.ones(FRAMES, dtype=torch.bool)
    seen[3:5] = False
    given[3:5] = torch.nan
    given[7, 30] += 0.4
    fit = fit_landmarks(flame, given, seen[:, None] & INNER)
    assert fit.error[3:5].isnan().all()
    assert (fit.params.global_pose[3:5] - params.global_pose[3:5]).abs().max() < 0.15
    unit = (landmarks[:, 45] - landmarks[:, 36]).norm(dim=-1)
    distance = (fit.landmarks - landmarks)[:, 17:].norm(dim=-1).mean(1)
    assert (distance / unit).max() < 0.05


def test_smoothing_calms_noise(flame):
    params, landmarks = clip_of(flame, 16)
    unit = (landmarks[:, 45] - landmarks[:, 36]).norm(dim=-1).mean()
    noise = 0.02 * unit * torch.randn(landmarks.shape, generator=torch.Generator().manual_seed(0))
    together = fit_landmarks(flame, landmarks + noise).params.global_pose
    single = [fit_landmarks(flame, (landmarks + noise)[t : t + 1]) for t in range(0, 16, 4)]
    alone, truth = torch.cat([fit.params.global_pose for fit in single]), params.global_pose
    assert together.diff(n=2, dim=0).abs().mean() < 0.02
    assert (together - truth).abs().mean() < (alone - truth[::4]).abs().mean()


def test_jaw_line_slides_to_the_silhouette(head):
    """On a head turned by 40 degrees the far jaw line is the outermost place of the cheek, the near one stays."""
    params = head.neutral(1)
    params.global_pose[:, 1] = 0.7
    fixed = head.landmarks68(head.posed(params))[..., :2]
    fit = fit_landmarks(head, fixed, INNER[None])
    moved = (fit.landmarks - fixed)[0, :, 0]
    # turned to the image right: the far side is at the image right, landmarks 12 to 16
    assert moved[13:17].min() > 0.05
    assert moved[:5].abs().max() < 0.04


def test_fit_belongs_to_the_crop_it_was_given(flame):
    """Carrying the camera to another crop and fitting in that crop are the same."""
    _, landmarks = clip_of(flame, 2)
    first, second = Crop(10, 20, 100, 256), Crop(0, 0, 180, 256)
    moved = second.to_ndc(second.to_crop(first.to_frame(first.from_ndc(landmarks))))
    here, there = fit_landmarks(flame, landmarks), fit_landmarks(flame, moved)
    torch.testing.assert_close(here.error, there.error, atol=5e-3, rtol=0)
    carried = carry_camera(here.params.camera, first, second)
    torch.testing.assert_close(carried, there.params.camera, rtol=0.02, atol=0.02)
    assert (here.params.global_pose - there.params.global_pose).abs().max() < 0.05


class PerspectiveFlame(Flame):
    """FLAME under a perspective camera half a metre away."""

    camera_type = "perspective"

    def default_camera(self):
        scale, x, y = super().default_camera()
        return torch.stack([scale * 0.5, scale * 0.5, scale * 0, scale * 0, x, y, scale * 0 - 0.5])


def test_perspective_cameras():
    embedding = {key: np.asarray(value) for key, value in made_embedding().items()}
    model = PerspectiveFlame(made_arrays(), embedding, num_shape=30, num_expression=20)
    params = model.neutral(4)
    params.global_pose[:, 1] = torch.linspace(-0.4, 0.4, 4)
    params.camera[:, 4:] += torch.tensor([0.01, -0.02, -0.1])
    landmarks = model.landmarks68(model.posed(params))[..., :2]
    fit = fit_landmarks(model, landmarks, INNER.expand(4, -1))
    assert fit.error.max() < 0.008
    torch.testing.assert_close(fit.params.camera, params.camera, atol=0.02, rtol=0.03)


def test_bad_input(flame):
    _, landmarks = clip_of(flame, 2)
    with pytest.raises(ValueError, match="no frame has 12 visible landmarks"):
        fit_landmarks(flame, landmarks, torch.zeros(2, dtype=torch.bool))
    landmarks[1, 40] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        fit_landmarks(flame, landmarks)


def repeated(landmarks, frames, noise=0.02):
    """One picture's landmarks through a clip, with an error that repeats in every frame as a detector's does."""
    unit = (landmarks[45] - landmarks[36]).norm()
    off = landmarks + noise * unit * torch.randn(landmarks.shape, generator=torch.Generator().manual_seed(1))
    return off.expand(frames, -1, -1)


@pytest.mark.parametrize("name", ["flame", "head"])
def test_many_frames_say_no_more_about_the_shape_than_one(name, request):
    """The head neither shrinks nor turns into a caricature of the detector's errors as frames are added."""
    model = request.getfixturevalue(name)
    _, landmarks = clip_of(model, 1, low=0.0, high=0.0)
    alone = fit_landmarks(model, repeated(landmarks[0], 1)).params
    clip = fit_landmarks(model, repeated(landmarks[0], 24)).params
    assert clip.camera[0, 0] / alone.camera[0, 0] == pytest.approx(1, abs=0.01)
    assert clip.shape[0].norm() < 1.1 * alone.shape[0].norm()


@pytest.mark.parametrize("name", ["flame", "head"])
def test_the_size_of_the_face_is_the_mean_face_s(name, request):
    """The camera explains a size as well as the shape does, so that it alone is fitted."""
    model = request.getfixturevalue(name)
    params, landmarks = clip_of(model, 1, low=0.0, high=0.0)
    fit = fit_landmarks(model, landmarks)
    assert face_size(model, fit.params.shape).item() == pytest.approx(1, abs=0.005)
    assert abs(face_size(model, params.shape).item() - 1) > 0.01
    scale = params.camera[0, 0] * face_size(model, params.shape)[0]
    assert fit.params.camera[0, 0] / scale == pytest.approx(1, abs=0.03)


CLIPS = ("clip_d0", "clip_d11", "clip_d12", "clip_d18", "clip_d19", "clip_d20", "full_body_s13")


@pytest.fixture(scope="session")
def tracks(real):
    """NDC landmarks (T, 68, 2) of every real clip and portrait, dlib's, each in its own crop."""
    pytest.importorskip("dlib")
    from reenact.estimators.registry import load_face_finder
    from reenact.media.pictures import read_image
    from reenact.media.video import VideoReader
    from reenact.tracking.face_tracker import track_face

    def place(path):
        images = islice(VideoReader(path), 24) if path.suffix == ".mp4" else [read_image(path)]
        landmarks = track_face(images, load_face_finder("dlib", device="cpu")).landmarks
        crop = crop_from_landmarks(landmarks, "pwm")
        return torch.from_numpy(crop.to_ndc(crop.to_crop(landmarks))).float()

    paths = [real / f"{name}.mp4" for name in CLIPS] + sorted(real.glob("portrait_*.jpg"))
    return {path.stem: place(path) for path in paths}


def eye_distance(model, shape):
    neutral = model.neutral(1)
    neutral.shape[:] = shape
    points = model.landmarks68(model.vertices(neutral))[0]
    return (points[36] - points[45]).norm()


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
def test_first_frame_alone_and_within_its_clip_agree(clip, tracks, head):
    together, alone = fit_landmarks(head, tracks[clip]), fit_landmarks(head, tracks[clip][:1])
    assert together.error.mean() <= 0.024
    assert together.params.camera[0, 0] / alone.params.camera[0, 0] == pytest.approx(1, abs=0.03)
    sizes = [eye_distance(head, fit.params.shape[0]) for fit in (together, alone)]
    assert sizes[0] / sizes[1] == pytest.approx(1, abs=0.03)
    assert max(fit.params.shape[0].norm() for fit in (together, alone)) < 3


@pytest.mark.slow
def test_portraits_and_clips_have_one_size(tracks, head):
    """Pictures and clips of people are fitted on one scale; a drawn character has a shape that no person has."""
    people = [points for name, points in tracks.items() if name != "portrait_s7"]
    shapes = torch.stack([fit_landmarks(head, points).params.shape[0] for points in people])
    assert shapes.norm(dim=-1).max() < 3
    assert (face_size(head, shapes) - 1).abs().max() < 0.01
