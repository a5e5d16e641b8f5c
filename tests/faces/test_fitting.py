import numpy as np
import pytest
import torch

from faces.made_flame import made_arrays, made_embedding
from reenact.faces.camera import carry_camera
from reenact.faces.crop import Crop
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


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["d0", "d11", "d12", "d18", "d19", "d20"])
def test_real_clips(real, head, clip):
    """Every real clip, dlib's landmarks, built-in head: at most 4 % of the inter-ocular distance."""
    av = pytest.importorskip("av")
    dlib = pytest.importorskip("dlib")
    from reenact.faces.crop import crop_from_landmarks

    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(dlib_weights()))
    found = []
    with av.open(str(real / f"clip_{clip}.mp4")) as container:
        for frame in container.decode(video=0):
            image = frame.to_ndarray(format="rgb24")
            box = max(detector(image), key=lambda face: face.area())
            found.append([(point.x + 0.5, point.y + 0.5) for point in predictor(image, box).parts()])
    landmarks = np.array(found)
    crop = crop_from_landmarks(landmarks)
    ndc = torch.from_numpy(crop.to_ndc(crop.to_crop(landmarks))).float()
    fit = fit_landmarks(head, ndc)
    assert fit.error.mean() <= 0.04


def dlib_weights():
    import importlib.util
    from pathlib import Path

    package = importlib.util.find_spec("face_recognition_models")
    if package is None:
        pytest.skip("needs the package face_recognition_models")
    return Path(package.submodule_search_locations[0]) / "models" / "shape_predictor_68_face_landmarks.dat"
