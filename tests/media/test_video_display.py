"""Pictures as a player shows them: upright, mirrored where the file says so, of square pixels, in BT.709."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from reenact.media.video import VideoReader, probe_video
from reenact.media.video_display import Display, to_image

UNIT = 1 << 16
MATRICES = {
    "as stored": ((1, 0, 0, 1), lambda image: image),
    "mirrored": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda image: image[::-1]),
    "turned 180": ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
    "turned 90 clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "turned 90 counter-clockwise": ((0, -1, 1, 0), lambda image: np.rot90(image)),
    "transposed": ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    "transposed the other way": ((0, -1, -1, 0), lambda image: np.rot90(image.transpose(1, 0, 2), 2)),
}


def corners() -> np.ndarray:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32], image[:24, 32:], image[24:, :32], image[24:, 32:] = 30, 90, 150, 210
    return image


def write_lossless(path, *, matrix=None, pixel_shape=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        if matrix:
            a, b, c, d = (UNIT * value for value in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        if pixel_shape:
            stream.codec_context.sample_aspect_ratio = pixel_shape
        for _ in range(2):
            container.mux(stream.encode(VideoFrame.from_ndarray(corners(), format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("name", MATRICES)
def test_display_matrices_turn_and_mirror(tmp_path, name):
    matrix, transform = MATRICES[name]
    path = write_lossless(tmp_path / "camera.mp4", matrix=matrix)
    expected = transform(corners())
    info, images = probe_video(path), list(VideoReader(path))
    assert (info.height, info.width) == expected.shape[:2] == images[0].shape[:2]
    assert np.abs(images[1].astype(int) - expected).max() <= 2
    stored = corners()[:, ::-1] if info.mirrored else corners()
    assert np.array_equal(np.rot90(stored, info.rotation // 90), expected)


def test_a_mirrored_file(data):
    with av.open(str(data / "videos" / "display_hflip.mp4")) as container:
        stored = to_image(next(container.decode(video=0)), Display(128, 96, 0, False))
    shown = next(iter(VideoReader(data / "videos" / "display_hflip.mp4")))
    assert np.array_equal(shown, stored[:, ::-1])


@pytest.mark.parametrize(("shape", "width"), [((4, 3), 85), ((1, 2), 32), ((1, 1), 64)])
def test_pixels_become_square(tmp_path, shape, width):
    path = write_lossless(tmp_path / "dv.mp4", pixel_shape=Fraction(*shape))
    image = next(iter(VideoReader(path)))
    assert image.shape == (48, width, 3)
    assert probe_video(path).width == width
    assert np.abs(image[::47, :: width - 1].astype(int) - corners()[::47, ::63]).max() <= 2


def test_a_file_of_wide_pixels(data):
    assert next(iter(VideoReader(data / "videos" / "sar_4_3.mp4"))).shape == (96, 128, 3)


def write_high_range(path, transfer):
    """Ten bits of BT.2020: black, and the reference white of 203 cd/m2, grey at half of its light, twice its light."""
    codes = {"arib-std-b67": (64, 721, 618, 818), "smpte2084": (64, 573, 510, 637)}[transfer]
    frame = VideoFrame(64, 64, "yuv420p10le")
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    luma = np.repeat(np.array(codes, np.uint16), 16)[None].repeat(64, 0)
    for plane, values in zip(frame.planes, (luma, *[np.full((32, 32), 512, np.uint16)] * 2), strict=True):
        rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        rows[:, : values.shape[1]] = values
        plane.update(rows.tobytes())
    options = {
        "x265-params": f"lossless=1:log-level=0:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited"
    }
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25, options=options)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p10le"
        packets = [*stream.encode(frame), *stream.encode()]
        for packet in packets:
            packet.pts = packet.dts = 0
        container.mux(packets)
    return path


@pytest.mark.parametrize("transfer", ["arib-std-b67", "smpte2084"])
def test_high_dynamic_range_becomes_bt709(tmp_path, transfer):
    path = write_high_range(tmp_path / "phone.mp4", transfer)
    image = next(iter(VideoReader(path)))
    black, white, half, bright = image[32, 8::16].mean(1)
    assert black <= 1
    assert half == pytest.approx(255 * 0.5 ** (1 / 2.4), abs=2.5)  # light is kept below the roll-off
    assert white == pytest.approx(255 * 0.908 ** (1 / 2.4), abs=2.5)
    assert white < bright <= 255
