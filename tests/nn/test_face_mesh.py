"""MediaPipe's landmark network in torch against MediaPipe's own points of real frames, and FAN's reading in torch."""

from __future__ import annotations

import itertools
import zipfile

import av
import cv2
import numpy as np
import pytest
import torch
from torch import nn

from reenact.errors import ReenactError
from reenact.nn import fan
from reenact.nn.face_mesh import MEMBER, FaceMesh
from reenact.nn.regions import cut_region, points_in_image, turned_region, whole_region
from reenact.nn.tflite import TFLiteNetwork


@pytest.fixture(scope="module")
def content(request) -> bytes:
    task = request.config.rootpath.parent / "shared" / "weights" / "face_landmarker.task"
    if not task.is_file():
        pytest.skip("needs shared/weights/face_landmarker.task beside the checkout")
    return zipfile.ZipFile(task).read(MEMBER)


@pytest.fixture(scope="module")
def mesh(content) -> FaceMesh:
    return FaceMesh(content, MEMBER)


@pytest.fixture(scope="module")
def frames(real, data):
    """Frames (12, 3, 256, 256) in [-1, 1], and the points (12, 478, 2) that MediaPipe tracks there, in pixels.

    `mediapipe_points.npz` was written by MediaPipe 1.2.3 in video mode, each frame shown 12 times.
    """
    reference = np.load(data / "mediapipe_points.npz")
    pictures = []
    for clip, number in zip(reference["clip"], reference["frame"], strict=True):
        with av.open(str(real / f"{clip}.mp4")) as container:
            frame = next(itertools.islice(container.decode(video=0), int(number), None))
        pictures.append(cv2.resize(frame.to_ndarray(format="rgb24"), (256, 256), interpolation=cv2.INTER_AREA))
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return images, torch.from_numpy(reference["points"].astype(np.float32) / 128)


def test_points_are_those_of_mediapipe(mesh, frames):
    images, points = frames
    ours = (mesh(images, mesh.locate(images)) + 1) * 128
    errors = (ours - points).norm(dim=-1).mean(1)
    assert errors.mean() < 0.25
    assert errors.max() < 0.5


def test_points_turn_with_the_picture(mesh, frames):
    """The region turns with the eyes, so a face is read upright."""
    image = frames[0][:2]
    turn = turned_region(torch.zeros(2, 2), torch.ones(2), torch.tensor([[3**0.5 / 2, 0.5]]).expand(2, 2))
    turned = cut_region(image, turn, 256)
    back = points_in_image(mesh(turned, mesh.locate(turned)), turn)
    assert (back - mesh(image, mesh.locate(image))).norm(dim=-1).mean() * 128 < 1.5


def test_gradients_reach_the_image_and_never_the_region(mesh, frames):
    image = frames[0][:1].clone().requires_grad_()
    region = mesh.locate(image)
    assert not region.requires_grad
    (gradient,) = torch.autograd.grad(mesh(image, region).square().sum(), image)
    assert torch.isfinite(gradient).all()
    assert (gradient != 0).float().mean() > 0.3


def test_a_damaged_network_is_refused_in_a_sentence(content):
    for damaged in (b"", content[:1000], b"PK" + content[2:8], content[:200_000]):
        with pytest.raises(ReenactError, match=r"net\.tflite .*(damaged|no TensorFlow Lite file)"):
            TFLiteNetwork(damaged, "net.tflite")


def test_local_centres_are_the_centres_of_gaussians_between_cells():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    places = torch.tensor([[20.3, 41.6], [50.0, 12.5]])  # x, y in cells
    maps = torch.stack([torch.exp(-((x - a) ** 2 + (y - b) ** 2) / 2) for a, b in places.tolist()])[None]
    maps += 0.01 * torch.rand(maps.shape, generator=torch.Generator().manual_seed(0))
    centres = (fan.local_centres(maps.requires_grad_()) + 1) * 32 - 0.5
    torch.testing.assert_close(centres[0], places, atol=0.06, rtol=0)
    (gradient,) = torch.autograd.grad(centres.sum(), maps)
    assert gradient.abs().sum() > 0


class Corners(nn.Module):
    """Heat maps with their maxima where the red channel is: at the coarse cell of each of 68 dots' common square."""

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        map_ = torch.nn.functional.avg_pool2d(image[:, :1], 4)
        return [map_.expand(-1, 68, -1, -1)]


def test_heat_maps_are_read_in_the_picture_s_frame():
    image = torch.full((1, 3, 256, 256), -1.0)
    image[:, 0, 100:108, 60:68] = 1.0
    detector = fan.LandmarkHeatMaps(Corners())
    points = (detector(image, whole_region(image)) + 1) * 128
    torch.testing.assert_close(points[0, 0], torch.tensor([64.0, 104.0]), atol=1e-3, rtol=0)


def test_fan_s_region_is_face_alignment_s_crop():
    crop = pytest.importorskip("face_alignment.utils")
    left, top, right, bottom = 70.0, 60.0, 190.0, 210.0
    centre = torch.tensor([(left + right) / 2, (top + bottom) / 2 - 0.12 * (bottom - top)])
    scale = (right - left + bottom - top) / 195
    corners = [crop.transform([at, at], centre, scale, 256.0, True).float() for at in (0, 256)]
    box = torch.tensor([[left, top], [right, bottom]])[None] / 128 - 1
    ours = (points_in_image(torch.tensor([[[-1.0, -1.0], [1.0, 1.0]]]), fan.region_around(box)) + 1) * 128
    # face-alignment rounds towards zero
    torch.testing.assert_close(ours[0], torch.stack(corners), atol=1.0, rtol=0)
