from __future__ import annotations

import contextlib
import re
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms

import reenact
from reenact.apps.provenance import read_mark
from reenact.errors import ReenactError
from reenact.media.pictures import FORMATS, read_image, write_image


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


RAMP = np.linspace(0, 1, 256)[None].repeat(8, 0)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("16.png", (RAMP * 65535).round().astype(np.uint16)),
        ("16.tif", (RAMP * 65535).round().astype(np.uint16)),
        ("unit.tif", RAMP.astype(np.float32)),
        ("byte.tif", (RAMP * 255).astype(np.float32)),
        ("integers.tif", (RAMP * 255).round().astype(np.int32)),
    ],
)
def test_grey_of_more_than_8_bits_is_scaled(tmp_path, name, values):
    PIL.Image.fromarray(values).save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert np.array_equal(image, np.rint(RAMP * 255).astype(np.uint8)[..., None].repeat(3, -1))
    assert image.mean() == 127.5


@pytest.mark.parametrize("top", [3.0, 300.0, np.nan])
def test_floats_without_a_clear_white_are_refused(tmp_path, top):
    PIL.Image.fromarray((RAMP * top).astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ReenactError, match=r"a\.tif has values up to"):
        read_image(tmp_path / "a.tif")


def wide_gamut() -> bytes:
    """Return a profile of Display P3: that of sRGB with other colorants and another name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    colorants = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    count = int.from_bytes(profile[128:132], "big")
    for entry in range(132, 132 + 12 * count, 12):
        tag, offset = bytes(profile[entry : entry + 4]), int.from_bytes(profile[entry + 4 : entry + 8], "big")
        if tag in colorants:
            profile[offset + 8 : offset + 20] = np.rint(np.array(colorants[tag]) * 65536).astype(">i4").tobytes()
        if tag == b"desc":
            length = int.from_bytes(profile[entry + 8 : entry + 12], "big")
            text = bytes(profile[offset : offset + length])
            profile[offset : offset + length] = text.replace("sRGB".encode("utf-16-be"), "Wide".encode("utf-16-be"))
    return bytes(profile)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_colour_profiles_are_converted(tmp_path, mode):
    colour = {"RGB": (200, 120, 100), "RGBA": (200, 120, 100, 255), "L": 120}[mode]
    PIL.Image.new(mode, (8, 8), colour).save(tmp_path / "a.png", icc_profile=wide_gamut())
    # Display P3 (200, 120, 100) is (214, 117, 95) in sRGB: more colourful. Greys are the same in both.
    expected = (120, 120, 120) if mode == "L" else (214, 117, 95)
    assert np.abs(read_image(tmp_path / "a.png")[0, 0].astype(int) - expected).max() <= 2


@pytest.mark.parametrize("profile", ["srgb", b"no profile"])
def test_profiles_that_change_nothing(tmp_path, image, profile):
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() if profile == "srgb" else profile
    PIL.Image.fromarray(image).save(tmp_path / "a.png", icc_profile=data)
    assert np.array_equal(read_image(tmp_path / "a.png"), image)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_hidden_pixels_do_not_show(tmp_path, mode):
    picture = PIL.Image.new("RGBA", (8, 8), (90, 90, 90, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 4, 8))
    options = {}
    if mode == "P":
        picture, options = picture.convert("L").convert("P"), {"transparency": 0}
    picture.convert(mode).save(tmp_path / "a.png", **options)
    image = read_image(tmp_path / "a.png")
    assert (image[:, :4] == 255).all()
    assert (image[:, 4:] == 90).all()


def test_half_transparent_pixels_are_mixed_with_white(tmp_path):
    PIL.Image.new("RGBA", (8, 8), (0, 100, 200, 51)).save(tmp_path / "a.png")
    assert np.abs(read_image(tmp_path / "a.png")[0, 0].astype(int) - (204, 224, 244)).max() <= 1


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_of_the_list_is_read(tmp_path, form):
    suffix = {"TIFF": "tif", "JPEG": "jpg"}.get(form, form.lower())
    PIL.Image.new("RGB", (16, 16), (90, 90, 90)).save(tmp_path / f"a.{suffix}", form)
    assert np.abs(read_image(tmp_path / f"a.{suffix}").astype(int) - 90).max() <= 2


def test_no_picture_runs_a_program(tmp_path, monkeypatch):
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n")
    with PIL.Image.open(path) as picture, contextlib.suppress(OSError):
        picture.load()
    assert (tmp_path / "ran").exists()  # what Pillow alone would do
    (tmp_path / "ran").unlink()
    for read in (read_image, read_mark):
        with pytest.raises(ReenactError, match=r"photo\.jpg is not a readable picture"):
            read(path)
    assert not (tmp_path / "ran").exists()


def test_pictures_are_opened_in_one_place():
    root = Path(reenact.__file__).parent
    opening = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"\bImage\.open\(|cv2\.imread\(|VideoCapture\(", path.read_text(encoding="utf-8"))
    }
    assert opening == {"media/pictures.py"}


@pytest.mark.parametrize(("suffix", "width"), [("png", 9000), ("gif", 20000)])
def test_sizes_are_checked_before_pixels_are_decoded(tmp_path, suffix, width):
    path = tmp_path / f"huge.{suffix}"
    PIL.Image.new("L", (16, 16)).save(path)
    data = bytearray(path.read_bytes())
    if suffix == "png":
        data[16:24] = struct.pack(">II", width, width)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    else:
        data[6:10] = struct.pack("<HH", width, width)
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ReenactError, match=r"huge\..* (has|pixels).*67 million.*make it smaller"):
            read_image(path)


def test_long_names_are_written(tmp_path, image):
    path = tmp_path / f"{'n' * 246}.png"
    write_image(path, image)
    assert np.array_equal(read_image(path), image)


def test_heic_names_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "phone.heic").write_bytes(b"x")
    with pytest.raises(ReenactError, match="pip install pillow-heif"):
        read_image(tmp_path / "phone.heic")
