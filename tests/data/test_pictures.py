from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from reenact.data.pictures import read_image, write_image
from reenact.errors import ReenactError


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def test_round_trip_with_metadata(tmp_path, image):
    write_image(tmp_path / "a.png", image, {"synthetic": "yes"})
    assert np.array_equal(read_image(tmp_path / "a.png"), image)
    assert PIL.Image.open(tmp_path / "a.png").text == {"synthetic": "yes"}
    write_image(tmp_path / "a.jpg", image, {"synthetic": "yes"})
    assert "synthetic=yes" in PIL.Image.open(tmp_path / "a.jpg").getexif()[270]


def test_orientation_is_applied(tmp_path, image):
    picture = PIL.Image.fromarray(image)
    exif = picture.getexif()
    exif[274] = 6  # the camera was turned: show rotated by 90 degrees clockwise
    picture.save(tmp_path / "phone.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "phone.png"), np.rot90(image, -1))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_modes_become_rgb(tmp_path, image, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    PIL.Image.fromarray(image).convert(mode).save(path)
    assert read_image(path).shape == (24, 32, 3)


@pytest.mark.parametrize("content", [None, b"", b"text", "truncated"])
def test_bad_files_get_one_sentence(tmp_path, image, content):
    path = tmp_path / "bad.png"
    if content == "truncated":
        write_image(path, image)
        path.write_bytes(path.read_bytes()[:600])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ReenactError, match=r"bad\.png"):
        read_image(path)


@pytest.mark.parametrize("name", ["nowhere/a.png", "a.unknown"])
def test_unwritable(tmp_path, image, name):
    with pytest.raises(ReenactError, match="can't be written"):
        write_image(tmp_path / name, image)
    assert not list(tmp_path.iterdir())
