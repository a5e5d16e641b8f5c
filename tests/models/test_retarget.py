"""Who gives what: absolute, relative, pose, expression; parts and strength."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from reenact.data.coefficients.rows import build_params
from reenact.errors import ReenactError
from reenact.faces.bfm import Bfm, join_coefficients, matrix_to_angles
from reenact.faces.params import FaceParams
from reenact.faces.registry import load_face_model
from reenact.faces.rotation import axis_angle_to_matrix
from reenact.models.common.base import SourceState, Transfer
from reenact.models.common.retarget import PARTS, retarget
from reenact.models.pwm.network import PWM, PWMConfig

MOTION = ("expression", "global_pose", "neck_pose", "jaw_pose", "eye_pose", "camera")


def face(seed, batch=2, camera=3):
    draw = torch.Generator().manual_seed(seed)
    cameras = torch.rand(batch, camera, generator=draw) + 0.5
    sizes = {"shape": 5, "expression": 4, "global_pose": 3, "neck_pose": 3, "jaw_pose": 3, "eye_pose": 6, "texture": 7}
    values = {name: 0.4 * torch.randn(batch, size, generator=draw) for name, size in sizes.items()}
    return FaceParams(camera=cameras, **values)


def differences(a, b):
    return {name for name in (*MOTION, "shape", "texture") if not torch.equal(getattr(a, name), getattr(b, name))}


@pytest.mark.parametrize("camera", [3, 7])
def test_absolute_takes_all_motion_and_keeps_who_it_is(camera):
    source, driving = face(0, camera=camera), face(1, camera=camera)
    result = retarget(source, driving)
    assert differences(result, driving) == {"shape", "texture"}
    assert differences(result, source) == set(MOTION)


@pytest.mark.parametrize("camera", [3, 7])
@pytest.mark.parametrize("strength", [0.3, 1.0, 1.7])
def test_relative_to_itself_is_the_source_to_the_bit(camera, strength):
    source, driving = face(0, camera=camera), face(1, camera=camera)
    assert not differences(retarget(source, driving, "relative", driving, strength), source)
    assert not differences(retarget(source[:1], source[:1], "relative", None, strength), source[:1])


def test_relative_defaults_to_the_first_driving_frame():
    source, driving = face(0, batch=1), face(1, batch=3)
    first = retarget(source, driving, "relative")
    assert not differences(first[:1], source)
    assert not differences(first, retarget(source, driving, "relative", driving[:1]))


def test_relative_composes_rotations_and_adds_coefficients():
    source, driving, reference = face(0), face(1), face(2)
    result = retarget(source, driving, "relative", reference)
    turn = [axis_angle_to_matrix(p.global_pose) for p in (driving, reference, source)]
    wanted = turn[0] @ turn[1].transpose(-1, -2) @ turn[2]
    torch.testing.assert_close(axis_angle_to_matrix(result.global_pose), wanted, atol=1e-5, rtol=0)
    wanted = source.expression + driving.expression - reference.expression
    torch.testing.assert_close(result.expression, wanted)


def test_relative_camera_moves_the_face_by_its_own_size():
    source, driving, reference = face(0), face(1), face(2)
    result = retarget(source, driving, "relative", reference)
    scale = {name: p.camera[:, :1] for name, p in (("s", source), ("d", driving), ("r", reference), ("n", result))}
    place = {name: p.camera[:, :1] * p.camera[:, 1:] for name, p in
             (("s", source), ("d", driving), ("r", reference), ("n", result))}  # fmt: skip
    torch.testing.assert_close(scale["n"] / scale["s"], scale["d"] / scale["r"])
    wanted = (place["d"] - place["r"]) / scale["r"]
    torch.testing.assert_close((place["n"] - place["s"]) / scale["s"], wanted, atol=1e-5, rtol=1e-5)


def test_pose_and_expression_split_the_motion():
    source, driving = face(0), face(1)
    pose, expression = retarget(source, driving, "pose"), retarget(source, driving, "expression")
    assert differences(pose, source) == {"global_pose", "neck_pose", "camera"}
    assert differences(expression, source) == {"expression", "jaw_pose", "eye_pose"}


@pytest.mark.parametrize("part", PARTS)
def test_one_part_alone(part):
    fields = {"pose": {"global_pose", "neck_pose"}, "jaw": {"jaw_pose"}, "eyes": {"eye_pose"}}
    source, driving = face(0), face(1)
    assert differences(retarget(source, driving, parts=(part,)), source) == fields.get(part, {part})


def test_strength_goes_from_source_to_driving():
    source, driving = face(0), face(1)
    none, half = retarget(source, driving, strength=0.0), retarget(source, driving, strength=0.5)
    for name in MOTION:
        torch.testing.assert_close(getattr(none, name), getattr(source, name), atol=1e-5, rtol=0)
    torch.testing.assert_close(half.expression, (source.expression + driving.expression) / 2)
    turn = axis_angle_to_matrix(half.jaw_pose) @ axis_angle_to_matrix(source.jaw_pose).transpose(-1, -2)
    wanted = turn @ turn @ axis_angle_to_matrix(source.jaw_pose)
    torch.testing.assert_close(axis_angle_to_matrix(driving.jaw_pose), wanted, atol=1e-5, rtol=0)


def test_one_source_serves_a_clip():
    result = retarget(face(0, batch=1), face(1, batch=5))
    assert result.shape.shape == (5, 5)
    assert result.expression.shape == (5, 4)


def test_other_models_and_unknown_parts_are_refused():
    source, driving = face(0), face(1)
    with pytest.raises(ReenactError, match="same face model"):
        retarget(source, replace(driving, expression=torch.zeros(2, 9)))
    with pytest.raises(ReenactError, match="nose"):
        retarget(source, driving, parts=("nose",))


def test_parts_that_the_face_model_has_not_are_refused(monkeypatch):
    network = PWM(PWMConfig(widths=[8, 8, 8]), load_face_model("head"))
    network.check_transfer(Transfer(parts=("jaw",)))
    monkeypatch.setattr(network.face_model, "rotations", Bfm.rotations)
    with pytest.raises(ReenactError, match="head has no part 'jaw': choose from pose, expression, camera"):
        network.check_transfer(Transfer(parts=("pose", "jaw")))


def test_without_adapted_scale_the_face_moves_as_far_in_the_picture():
    source, driving, reference = face(0), face(1), face(2)
    plain = retarget(source, driving, "relative", reference, adapt_scale=False)
    place = [p.camera[:, :1] * p.camera[:, 1:] for p in (plain, source, driving, reference)]
    torch.testing.assert_close(place[0] - place[1], place[2] - place[3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(plain.camera[:, 0], source.camera[:, 0] * driving.camera[:, 0] / reference.camera[:, 0])
    adapted = retarget(source, driving, "relative", reference)
    assert differences(plain, adapted) == {"camera"}
    assert not differences(retarget(source, driving, adapt_scale=False), retarget(source, driving))


def test_a_renormalised_scale_changes_as_the_drivers_and_the_place_is_the_drivers():
    source, driving, reference = face(0), face(1), face(2)
    result = retarget(source, driving, "absolute", reference, renormalise_scale=True)
    ratio = driving.camera[:, :1] / reference.camera[:, :1]
    torch.testing.assert_close(result.camera[:, :1], source.camera[:, :1] * ratio)
    place = [p.camera[:, :1] * p.camera[:, 1:] for p in (result, driving)]
    torch.testing.assert_close(place[0], place[1])
    assert differences(result, retarget(source, driving)) == {"camera"}
    source, driving, reference = (face(seed, camera=7) for seed in range(3))
    result = retarget(source, driving, "absolute", reference, renormalise_scale=True)
    ratio = driving.camera[:, :2] / reference.camera[:, :2]
    torch.testing.assert_close(result.camera[:, :2], source.camera[:, :2] * ratio)
    assert torch.equal(result.camera[:, 2:], driving.camera[:, 2:])


@pytest.mark.parametrize("mode", ["absolute", "pose"])
def test_the_shape_is_the_sources_unless_it_is_named(mode):
    source, driving = face(0), face(1)
    assert torch.equal(retarget(source, driving, mode).shape, source.shape)
    named = retarget(source, driving, mode, parts=(*PARTS, "shape"))
    assert torch.equal(named.shape, driving.shape)
    assert differences(named, retarget(source, driving, mode)) == {"shape"}
    with pytest.raises(ReenactError, match="5 shape values and the driving face 9"):
        retarget(source, replace(driving, shape=torch.zeros(2, 9)), mode, parts=("shape",))
    retarget(source, replace(driving, shape=torch.zeros(2, 9)), mode)


def test_a_transfer_reaches_the_parameters():
    network = PWM(PWMConfig(widths=[8, 8, 8]), load_face_model("head"))
    source, driving = face(0), face(1)
    state = SourceState(source)
    for transfer in (
        Transfer(parts=("shape",)),
        Transfer(renormalise_scale=True),
        Transfer(mode="relative", adapt_scale=False),
    ):
        network.check_transfer(transfer)
        expected = retarget(
            source,
            driving,
            transfer.mode,
            parts=transfer.parts or PARTS,
            adapt_scale=transfer.adapt_scale,
            renormalise_scale=transfer.renormalise_scale,
        )
        moved = network.retarget(state, driving, transfer)
        assert not differences(moved, expected)
        assert differences(moved, network.retarget(state, driving, Transfer(mode=transfer.mode)))


def join_params(params: FaceParams) -> torch.Tensor:
    """Deep3D's vectors (N, 257) of face parameters in its own crop."""
    parts = {name: getattr(params, name) for name in ("shape", "expression", "texture", "light")}
    parts["angles"] = matrix_to_angles(axis_angle_to_matrix(params.global_pose))
    parts["translation"] = (params.camera[:, 4:] + torch.tensor([0.0, 0.0, 1.0])) * 10
    return join_coefficients(parts)


@pytest.mark.parametrize(
    ("mode", "drivers"),
    [
        ("absolute", [slice(80, 144), slice(224, 227), slice(254, 257)]),
        ("pose", [slice(224, 227), slice(254, 257)]),
        ("expression", [slice(80, 144)]),
    ],
)
def test_coefficients_are_recombined_as_officially(parity, mode, drivers):
    tensors = load_file(parity / "bfm_geometry.safetensors")
    source, driving = tensors["coeffs"][tensors["flow.pairs"]].unbind(1)
    crop = torch.tensor([[1.0, 120, 100]]).repeat(3, 1).numpy()
    faces = (build_params(rows.numpy(), crop, 224, 224, "rows") for rows in (source, driving))
    moved = join_params(retarget(*faces, mode))
    expected = source.clone()
    for part in drivers:
        expected[:, part] = driving[:, part]
    torch.testing.assert_close(moved, expected, atol=2e-6, rtol=1e-5)
    if mode == "absolute":
        torch.testing.assert_close(moved, tensors["flow.coeffs_target"], atol=2e-6, rtol=1e-5)
