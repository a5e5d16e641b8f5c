"""Deep3D's crop: the official code's numbers, and a camera that takes them back to the picture."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from reenact.faces.alignment import TEMPLATE
from reenact.faces.camera import project
from reenact.faces.crop import Crop
from reenact.faces.template_crop import TemplateCrop


@pytest.fixture(scope="module")
def official(parity):
    content = load_file(parity / "bfm_geometry.safetensors")
    return {name.removeprefix("align."): value for name, value in content.items() if name.startswith("align.")}


def crop_of(official):
    """The official landmarks are indices of pixels."""
    return TemplateCrop.around(official["lm68_image"] + 0.5, *official["image_u8"].shape[:2])


def test_the_crop_is_the_official_codes(official):
    crop = crop_of(official)
    left, top, width, height = official["crop_box"].tolist()
    assert crop == TemplateCrop(width=256, height=240, resized_width=width, resized_height=height, left=left, top=top)
    np.testing.assert_allclose(TEMPLATE, official["lm3d_std"], atol=1e-7)
    difference = crop.cut(official["image_u8"]).astype(int) - official["crop_u8"]
    assert abs(difference).max() <= 1


@pytest.mark.parametrize(
    "crop",
    [
        TemplateCrop(width=90, height=70, resized_width=400, resized_height=311, left=50, top=40),
        TemplateCrop(width=300, height=260, resized_width=250, resized_height=217, left=-40, top=30),
    ],
)
def test_only_what_is_seen_is_resampled(crop):
    picture = np.random.default_rng(0).integers(0, 256, (crop.height, crop.width, 3), dtype=np.uint8)
    resized = Image.fromarray(picture).resize((crop.resized_width, crop.resized_height), Image.Resampling.BICUBIC)
    wanted = np.array(resized.crop((crop.left, crop.top, crop.left + 224, crop.top + 224)))
    assert abs(crop.cut(picture).astype(int) - wanted).max() <= 1


def test_a_crop_beside_the_picture_is_black():
    assert (
        not TemplateCrop(width=100, height=100, resized_width=100, resized_height=100, left=200, top=0)
        .cut(np.full((100, 100, 3), 9, np.uint8))
        .any()
    )


@pytest.mark.parametrize("target", [Crop.whole(260, 311), Crop(20.5, -7, 180, 256)])
def test_the_camera_sees_in_the_picture_what_it_saw_in_the_crop(target):
    crop = TemplateCrop(width=311, height=260, resized_width=250, resized_height=208, left=-40, top=30)
    camera = torch.tensor([[9.0, 9.1, 0.02, -0.01, 0.005, -0.003, -1.0]], dtype=torch.float64)
    points = torch.rand(1, 50, 3, dtype=torch.float64) * 0.2 - 0.1
    in_crop = (project(points, camera)[0, :, :2].numpy() + 1) * 112
    carried = project(points, crop.carry_camera(camera, target))[0, :, :2].numpy()
    in_picture = target.to_frame(target.from_ndc(carried))
    np.testing.assert_allclose(in_picture, crop.to_frame(in_crop), atol=1e-9)
    corners = crop.to_frame(np.array([[40.0, -30.0], [290, 178]]))
    np.testing.assert_allclose(corners, [[0, 0], [311, 260]], atol=1e-9)
