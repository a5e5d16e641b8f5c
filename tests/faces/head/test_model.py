"""The head as a face model: joints, lids, lips, landmarks, framing, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reenact.faces.head import Head
from reenact.faces.landmarks import MIRROR
from reenact.faces.params import FaceParams
from reenact.faces.registry import load_face_model


def _act(head: Head, params: FaceParams, **actions: float) -> FaceParams:
    for name, value in actions.items():
        for full in (name, f"{name}_left", f"{name}_right"):
            if full in head.expression_names:
                params.expression[:, head.expression_names.index(full)] = value
    return params


def _marks(head: Head, params: FaceParams) -> Tensor:
    return head.landmarks68(head.vertices(params))[0]


def _random(head: Head, batch: int, seed: int = 0, spread: float = 1.0) -> FaceParams:
    generator = torch.Generator().manual_seed(seed)
    params = head.neutral(batch)

    def draw(like: Tensor, scale: float) -> Tensor:
        return scale * torch.randn(like.shape, generator=generator, dtype=like.dtype)

    params.shape = draw(params.shape, spread)
    params.expression = draw(params.expression, 0.3).abs()
    for name in ("global_pose", "neck_pose", "jaw_pose", "eye_pose"):
        setattr(params, name, draw(getattr(params, name), 0.1))
    return params


def test_is_the_registered_head() -> None:
    model = load_face_model("head")
    assert model.name == "head"
    assert model.camera_type == "orthographic"
    assert model.mean_vertices.dtype == torch.float32
    assert not list(model.state_dict())


def test_names_and_neutral(head: Head) -> None:
    assert len(head.shape_names) == head.num_shape >= 40
    assert len(head.expression_names) == head.num_expression >= 30
    neutral = head.neutral(2)
    assert neutral.expression.shape == (2, head.num_expression)
    torch.testing.assert_close(head.vertices(neutral)[1], head.mean_vertices, atol=1e-7, rtol=0)


def test_landmarks_lie_where_their_numbers_say(head: Head) -> None:
    x, y, z = head.landmarks68(head.mean_vertices[None])[0].unbind(-1)
    assert x[36] < x[39] < x[27] < x[42] < x[45]  # 36 is the subject's right: image left
    assert (x[:17].diff() > 0).all()
    assert (x[17:27].diff() > 0).all()
    assert (x[31:36].diff() > 0).all()
    assert (y[27:31].diff() < 0).all()
    assert y[30] > y[33] > y[51] > y[62] > y[57] > y[8]
    assert z.argmax() == 30
    assert 0.080 < x[45] - x[36] < 0.095
    assert (y[[37, 38, 43, 44]] > y[[41, 40, 47, 46]] + 0.005).all()


def test_landmarks_mirror(head: Head) -> None:
    marks = head.landmarks68(head.mean_vertices[None])[0]
    torch.testing.assert_close(marks[MIRROR] * torch.tensor([-1.0, 1, 1]), marks, atol=1e-9, rtol=0)


def test_default_camera_frames_the_face(head: Head) -> None:
    marks = head.landmarks68(head.posed(head.neutral()))[0, :, :2]
    box = marks.amax(0) - marks.amin(0)
    assert box.mean() / 2 == pytest.approx(1 / 1.485, abs=0.01)
    assert marks.abs().max() < 0.95
    assert marks[36, 0] < 0 < marks[45, 0]
    assert marks[8, 1] > marks[27, 1]


def test_the_jaw_opens_downwards(head: Head) -> None:
    params = head.neutral()
    params.jaw_pose[:, 0] = 0.3
    closed, opened = _marks(head, head.neutral()), _marks(head, params)
    assert opened[66, 1] < closed[66, 1] - 0.015
    assert opened[8, 1] < closed[8, 1] - 0.012
    torch.testing.assert_close(opened[17:48], closed[17:48], atol=1e-3, rtol=0)
    assert (opened[62] - closed[62]).norm() < 0.002
    moved = (head.vertices(params)[0] - head.mean_vertices).norm(dim=-1)
    assert moved[head.region("lower_teeth")].min() > 0.01
    assert moved[head.region("upper_teeth")].max() < 1e-9


def test_the_neck_keeps_its_foot_and_turns_the_face(head: Head) -> None:
    params = head.neutral()
    params.neck_pose[:, 1] = 0.3
    moved = (head.vertices(params)[0] - head.mean_vertices).norm(dim=-1)
    assert moved[head.mean_vertices[:, 1] < -0.165].max() < 1e-3
    assert _marks(head, params)[30, 0] > 0.03  # positive about y: to the subject's left, image right


def test_an_eye_turns_about_its_centre_alone(head: Head) -> None:
    params = _random(head, 3)
    params.global_pose.zero_(), params.neck_pose.zero_(), params.eye_pose.zero_()
    still = head.vertices(params)
    params.eye_pose[:, :3] = torch.tensor([0.2, 0.3, 0.0])
    turned = head.vertices(params)
    ball, other = head.region("left_eyeball"), head.region("right_eyeball")
    assert (turned[:, ball] - still[:, ball]).norm(dim=-1).max() > 0.002
    torch.testing.assert_close(turned[:, other], still[:, other])
    pole = still[:, ball][:, :1]
    radius = (head.mean_vertices[ball] - head.joints[3]).norm(dim=-1).mean()
    centre = pole - radius * torch.tensor([0.0, 0.0, 1.0])
    # A head's size scales its eyes by a few hundredths, which moves this estimate of the centre.
    for points in (still, turned):
        distance = (points[:, ball] - centre).norm(dim=-1)
        torch.testing.assert_close(distance, radius.expand_as(distance), atol=1e-3, rtol=0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("blink", [0.25, 0.5, 0.75, 1.0])
def test_lids_never_cut_into_the_eyeball(head: Head, blink: float, seed: int) -> None:
    params = _random(head, 1, seed, 0.7)
    params.global_pose.zero_(), params.neck_pose.zero_(), params.jaw_pose.zero_(), params.eye_pose.zero_()
    params.expression.zero_()
    vertices = head.vertices(_act(head, params, blink=blink))[0]
    ball = vertices[head.region("left_eyeball")]
    radius = (head.mean_vertices[head.region("left_eyeball")] - head.joints[3]).norm(dim=-1).mean()
    # The eyeball is rigid, so its front pole and radius give the centre.
    centre = ball[ball[:, 2].argmax()] - torch.tensor([0.0, 0.0, radius.item()])
    rims = head.region("left_lid_rim")
    lids = (head.region("left_upper_lid") | head.region("left_lower_lid")) & ~rims
    assert (vertices[lids] - centre).norm(dim=-1).min() > radius - 2e-4


def test_lids_travel_on_an_arc(head: Head) -> None:
    radius = (head.mean_vertices[head.region("left_eyeball")] - head.joints[3]).norm(dim=-1).mean()
    lids = (head.region("left_upper_lid") | head.region("left_lower_lid")) & ~head.region("left_lid_rim")
    for blink in (0.25, 0.5, 0.75):
        vertices = head.vertices(_act(head, head.neutral(), blink=blink))[0]
        # A straight path would come 0.4 mm nearer half-way.
        assert (vertices[lids] - head.joints[3]).norm(dim=-1).min() > radius + 1.3e-3


def test_a_blink_closes_the_gap(head: Head) -> None:
    marks = _marks(head, _act(head, head.neutral(), blink=1.0))
    before = _marks(head, head.neutral())
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        assert (before[upper] - before[lower]).norm() > 0.006
        assert (marks[upper] - marks[lower]).norm() < 0.0015


def test_lids_follow_the_gaze(head: Head) -> None:
    down, up = head.neutral(), head.neutral()
    down.eye_pose[:, [0, 3]], up.eye_pose[:, [0, 3]] = 0.35, -0.3
    heights = [_marks(head, params)[43, 1] for params in (down, head.neutral(), up)]
    assert heights[0] < heights[1] - 0.001 < heights[2] - 0.002


def test_closed_lips_stay_closed(head: Head) -> None:
    for name in ("smile", "frown", "pucker", "stretch", "lips_press", "chin_raise"):
        marks = _marks(head, _act(head, head.neutral(), **{name: 1.0}))
        assert (marks[[61, 62, 63]] - marks[[67, 66, 65]]).norm(dim=-1).max() < 5e-4, name
    params = _act(head, head.neutral(), lips_seal=1.0)
    params.jaw_pose[:, 0] = 0.16
    marks = _marks(head, params)
    assert (marks[62] - marks[66]).norm() < 5e-4
    assert marks[8, 1] < -0.1


def test_expressions_move_what_they_name(head: Head) -> None:
    rest = _marks(head, head.neutral())
    smile = _marks(head, _act(head, head.neutral(), smile=1.0)) - rest
    assert smile[54, 0] > 0.003
    assert smile[48, 0] < -0.003
    assert smile[[48, 54], 1].min() > 0.004
    pucker = _marks(head, _act(head, head.neutral(), pucker=1.0)) - rest
    assert pucker[54, 0] < -0.004
    assert pucker[51, 2] > 0.002
    brows = _marks(head, _act(head, head.neutral(), brow_inner_up=1.0)) - rest
    assert brows[[21, 22], 1].min() > 0.004
    assert brows[36:48].norm(dim=-1).max() < 0.002


@pytest.mark.parametrize("sign", [-2.5, 2.5])
def test_no_spikes_at_two_and_a_half_deviations(head: Head, sign: float) -> None:
    params = head.neutral(head.num_shape)
    params.shape = sign * torch.eye(head.num_shape, dtype=torch.float64)
    move = head.vertices(params) - head.mean_vertices
    skin = head.faces[head.part == head.part_names.index("skin")]
    corners = head.mean_vertices[skin]
    stretch = (move[:, skin] - move[:, skin.roll(1, 1)]).norm(dim=-1) / (corners - corners.roll(1, 1)).norm(dim=-1)
    assert stretch.max() < 1.6


def test_batch_entries_do_not_touch(head: Head) -> None:
    params = _random(head, 4)
    together = head.vertices(params)
    for i in range(4):
        torch.testing.assert_close(head.vertices(params[i : i + 1])[0], together[i])


def test_a_subset_is_a_part_of_the_whole(head: Head) -> None:
    params = _random(head, 2)
    subset = torch.tensor([5, 4000, 17])
    torch.testing.assert_close(head.vertices(params, subset), head.vertices(params)[:, subset])


def test_gradients_reach_every_parameter(head: Head) -> None:
    params = _random(head, 1)
    names = ("shape", "expression", "global_pose", "neck_pose", "jaw_pose", "eye_pose")
    inputs = tuple(getattr(params, name).requires_grad_() for name in names)
    chosen = torch.cat(
        [
            head.landmark_vertices[[8, 30, 37, 44, 51, 57]].unique(),
            head.faces[-1],
            torch.nonzero(head.region("left_iris"))[:2, 0],
            torch.nonzero(head.region("right_iris"))[:2, 0],
        ]
    )

    def points(*values: Tensor) -> Tensor:
        return head.vertices(FaceParams(**dict(zip(names, values, strict=True)), camera=params.camera), chosen)

    assert torch.autograd.gradcheck(points, inputs, fast_mode=True)
    whole = head.vertices(params).square().sum()
    assert all(gradient.abs().sum() > 0 for gradient in torch.autograd.grad(whole, inputs))


def test_mirrored_image_is_the_mirrored_mesh(head: Head) -> None:
    params = _random(head, 2)
    plain = head.landmarks68(head.posed(params))
    params.mirrored = torch.tensor([True, False])
    mirrored = head.landmarks68(head.posed(params))
    expected = plain[0, MIRROR] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(mirrored[0], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(mirrored[1], plain[1])
