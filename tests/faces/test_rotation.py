import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from reenact.faces.rotation import (
    axis_angle_to_euler,
    axis_angle_to_matrix,
    euler_to_axis_angle,
    euler_to_matrix,
    matrix_to_axis_angle,
)

vectors = st.lists(st.floats(-1.7, 1.7), min_size=3, max_size=3).map(lambda v: torch.tensor(v, dtype=torch.float64))


@given(vectors)
def test_matrices_are_scipys(vector):
    expected = Rotation.from_rotvec(vector.numpy()).as_matrix()
    np.testing.assert_allclose(axis_angle_to_matrix(vector), expected, atol=1e-12)


@given(vectors)
def test_axis_angle_round_trip(vector):
    back = matrix_to_axis_angle(axis_angle_to_matrix(vector))
    np.testing.assert_allclose(back, vector, atol=1e-7)


@pytest.mark.parametrize("axis", [*np.eye(3).tolist(), [0.6, -0.8, 0.0], [-0.48, 0.6, 0.64]])
def test_half_turn(axis):
    matrix = torch.from_numpy(Rotation.from_rotvec(np.pi * np.array(axis)).as_matrix())
    back = axis_angle_to_matrix(matrix_to_axis_angle(matrix))
    np.testing.assert_allclose(back, matrix, atol=1e-9)


@given(vectors)
def test_euler_angles_are_scipys_extrinsic_yxz(angles):
    angles = angles * 0.9
    expected = Rotation.from_euler("yxz", angles.numpy())
    np.testing.assert_allclose(euler_to_matrix(angles), expected.as_matrix(), atol=1e-12)
    np.testing.assert_allclose(axis_angle_to_euler(euler_to_axis_angle(angles)), angles, atol=1e-6)


def test_signs_are_those_of_the_docs():
    yaw, pitch, roll = (euler_to_matrix(torch.eye(3)[k] * 0.3) for k in range(3))
    forward, right = torch.tensor([0.0, 0, 1]), torch.tensor([1.0, 0, 0])
    assert (yaw @ forward)[0] > 0, "yaw turns the face to the subject's left"
    assert (pitch @ forward)[1] < 0, "pitch bends the face down"
    assert (roll @ right)[1] > 0, "roll tilts counter-clockwise"


def test_deca_angle_agrees():
    vectors = torch.randn(100, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    angle = (vectors + 1e-8).norm(dim=1)[:, None, None]
    cross = torch.linalg.cross(vectors[:, None].expand(-1, 3, -1), torch.eye(3, dtype=torch.float64)[None], dim=-1).mT
    cross = cross / angle
    deca = torch.eye(3) + angle.sin() * cross + (1 - angle.cos()) * cross @ cross
    torch.testing.assert_close(axis_angle_to_matrix(vectors), deca, atol=2e-7, rtol=0)


@pytest.mark.parametrize("vector", [[0.0, 0, 0], [1e-6, 0, 0], [0.3, -0.5, 0.2], [2.0, 1.0, -1.5]])
def test_gradients(vector):
    value = torch.tensor([vector], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(axis_angle_to_matrix, value)
    assert torch.autograd.gradcheck(lambda x: matrix_to_axis_angle(axis_angle_to_matrix(x)), value)
    assert torch.autograd.gradcheck(axis_angle_to_euler, value)
