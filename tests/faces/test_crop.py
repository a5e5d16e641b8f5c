from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reenact.faces.crop import Crop, crop_from_landmarks

squares = (st.floats(-200, 400), st.floats(-200, 400), st.floats(20, 900), st.integers(16, 512))
crops = st.builds(Crop, *squares)
turned_crops = st.builds(Crop, *squares, angle=st.floats(-3.2, 3.2))


def smooth_image(height, width):
    """A picture whose value is its own coordinate in continuous pixels."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x, y, x * 0 + 7], -1).round().astype(np.uint8)


@given(turned_crops, st.lists(st.tuples(st.floats(-500, 1500), st.floats(-500, 1500)), min_size=1, max_size=8))
def test_points_go_there_and_back(crop, points):
    for frame in (np.array(points), torch.tensor(points, dtype=torch.float64)):
        inside = crop.to_ndc(crop.to_crop(frame))
        back = crop.to_frame(crop.from_ndc(inside))
        np.testing.assert_allclose(back, frame, rtol=0, atol=1e-9)


@given(crops)
def test_edges_and_array(crop):
    corners = np.array([[crop.left, crop.top], [crop.left + crop.size_in_frame, crop.top + crop.size_in_frame]])
    np.testing.assert_allclose(crop.to_crop(corners), [[0, 0], [crop.size, crop.size]], atol=1e-9)
    np.testing.assert_allclose(crop.to_ndc(crop.to_crop(corners)), [[-1, -1], [1, 1]], atol=1e-9)
    assert Crop.from_array(crop.to_array()) == crop


def test_whole_frame_is_the_identity():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    crop = Crop.whole(32, 32)
    np.testing.assert_array_equal(crop.warp_to_crop(image), image)
    np.testing.assert_array_equal(crop.paste_back(image, image), image)


@pytest.mark.parametrize("angle", [0.0, 0.4])
@pytest.mark.parametrize(("side", "size"), [(80, 80), (40, 120), (120, 40), (100, 64)])
def test_pixels_and_points_agree(side, size, angle):
    crop = Crop(31.0, 27.0, side, size, angle=angle)
    image = crop.warp_to_crop(smooth_image(200, 200))
    y, x = np.mgrid[:size, :size] + 0.5
    expected = crop.to_frame(np.stack([x, y], -1))
    inner = slice(size // 8, -size // 8)
    assert np.abs(image[inner, inner, :2] - expected[inner, inner]).max() <= 1.01


def test_outside_is_black():
    image = Crop(-50, -50, 100, 100).warp_to_crop(np.full((80, 80, 3), 200, np.uint8))
    assert (image[:49] == 0).all()
    assert (image[51:, 51:] == 200).all()


def test_outside_is_the_nearest_pixel_of_the_edge():
    frame = np.random.default_rng(0).integers(1, 256, (80, 60, 3), np.uint8)
    image = Crop(-50, -30, 160, 160).warp_to_crop(frame, outside="edge")
    rows, columns = np.arange(160) - 30, np.arange(160) - 50
    np.testing.assert_array_equal(image, frame[np.ix_(rows.clip(0, 79), columns.clip(0, 59))])


def test_reduction_does_not_alias():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    image = Crop(0, 0, 512, 64).warp_to_crop(stripes)
    assert np.abs(image.astype(int) - 127).max() <= 2


OWN_CROPS = [Crop(20.4, 30.7, 60.3, 128), Crop(-30.5, 50.25, 90, 64), Crop(60, 60, 90, 24)]
OWN_CROPS += [replace(crop, angle=-0.6) for crop in OWN_CROPS]


@pytest.mark.parametrize("crop", OWN_CROPS)
def test_paste_back_of_the_own_crop_changes_little(crop):
    frame = smooth_image(128, 128)
    pasted = crop.paste_back(frame, crop.warp_to_crop(frame, outside="edge"))
    places = crop.to_crop(np.stack(np.meshgrid(np.arange(128) + 0.5, np.arange(128) + 0.5), -1)) / crop.size
    outside = ((places < 0) | (places > 1)).any(-1)
    np.testing.assert_array_equal(pasted[outside], frame[outside])
    rim = 6
    difference = np.abs(pasted.astype(int) - frame)[rim:-rim, rim:-rim, :2]
    assert difference.max() <= 3


def test_paste_back_replaces_the_middle_and_feathers_the_rim():
    frame = np.zeros((100, 100, 3), np.uint8)
    pasted = Crop(20, 20, 60, 30).paste_back(frame, np.full((30, 30, 3), 240, np.uint8), feather=0.2)
    row = pasted[50, :, 0].astype(int)
    assert (row[:20] == 0).all()
    assert (row[33:67] == 240).all()
    assert (np.diff(row[20:33]) >= 0).all()
    assert len(set(row[20:33])) > 8
    np.testing.assert_array_equal(row[::-1], row)
    hard = Crop(20, 20, 60, 30).paste_back(frame, np.full((30, 30, 3), 240, np.uint8), feather=0)
    assert (hard[20:80, 20:80] == 240).all()
    assert hard.astype(int).sum() == 240 * 60 * 60 * 3


def test_paste_back_outside_the_frame():
    frame = smooth_image(50, 50)
    np.testing.assert_array_equal(Crop(100, 100, 40, 16).paste_back(frame, np.zeros((16, 16, 3), np.uint8)), frame)


def landmarks_with_box(left, top, right, bottom):
    rng = np.random.default_rng(0)
    points = rng.uniform([left, top], [right, bottom], (68, 2))
    points[:2] = [left, top], [right, bottom]
    return points


def test_the_crop_of_a_tilted_source_has_level_eyes():
    rng = np.random.default_rng(0)
    upright = np.zeros((68, 2))
    upright[:] = rng.uniform(80, 120, (68, 2))
    upright[[36, 39, 42, 45]], upright[[48, 54]] = [(85, 90), (95, 90), (105, 90), (115, 90)], [(92, 112), (108, 112)]
    turn = np.array([(np.cos(0.5), np.sin(0.5)), (-np.sin(0.5), np.cos(0.5))])
    tilted = (upright - 100) @ turn + 100
    crop = crop_from_landmarks(tilted, "liveportrait", 64, turned=True)
    assert crop.angle == pytest.approx(0.5)
    expected = crop_from_landmarks(upright, "liveportrait", 64, turned=True)
    np.testing.assert_allclose(crop.to_crop(tilted), expected.to_crop(upright), atol=1e-9)
    assert crop_from_landmarks(tilted, "liveportrait", 64).angle == 0
    assert crop_from_landmarks(tilted, "pwm", 64, turned=True).angle == 0


def test_pwm_rule():
    crop = crop_from_landmarks(landmarks_with_box(100, 200, 180, 300), "pwm", 256)
    side = int(1.35 * 1.1 * (80 + 100) / 2)
    assert crop == Crop(140 - side / 2, 250 - 0.6 * side, side, 256)


def test_fomm_rule_takes_the_union_of_a_clip():
    clip = np.stack([landmarks_with_box(100, 200, 180, 300), landmarks_with_box(110, 180, 200, 280)])
    crop = crop_from_landmarks(clip, "fomm", 128)
    height = (300 - 180) * 1.25
    assert crop.size_in_frame == pytest.approx(1.2 * height)
    assert crop.left + crop.size_in_frame / 2 == pytest.approx(150)
    assert crop.top + crop.size_in_frame / 2 == pytest.approx(300 - height / 2)
