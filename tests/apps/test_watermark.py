from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reenact.apps.output import write_frames
from reenact.apps.watermark import detect_watermark
from reenact.media.pictures import write_image
from reenact.media.video_writer import VideoWriter
from reenact.watermark import WORD, Reading, choose_crf, embed_watermark, read_bits, read_frames
from reenact.world.renderer import World


def portrait_like(seed: int, size: int = 128) -> np.ndarray:
    """Smooth colours with some grain."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    waves = [np.sin(2 * np.pi * (x * a + y * b + c)) for a, b, c in random.uniform(-2, 2, (3, 3))]
    image = 128 + 60 * np.stack(waves, -1) + random.normal(0, 3, (size, size, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def write_clip(path: Path, frames: list[np.ndarray], crf: int) -> Path:
    with VideoWriter(path, Fraction(25), frames[0].shape[1::-1], crf=crf) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.mark.parametrize("crf", [18, 23])
def test_the_mark_survives_h264(tmp_path: Path, crf: int) -> None:
    frames = [embed_watermark(portrait_like(0)) for _ in range(12)]
    assert detect_watermark(write_clip(tmp_path / "clip.mp4", frames, crf)).present


def test_unmarked_files_show_none(tmp_path: Path) -> None:
    frames = [portrait_like(seed) for seed in range(6)]
    assert not detect_watermark(write_clip(tmp_path / "clip.mp4", frames, 18)).present


def test_flat_pictures_match_half_the_word() -> None:
    for level in (0, 90, 255):
        reading = read_frames([np.full((128, 128, 3), level, np.uint8)])
        assert reading == Reading(16, 1)


def test_unmarked_pictures_stay_far_below_the_threshold() -> None:
    best = max(read_frames([portrait_like(seed)]).matching_bits for seed in range(50))
    assert best < 27


def test_the_mark_is_faint_and_survives_jpeg(tmp_path: Path) -> None:
    image = portrait_like(3)
    marked = embed_watermark(image)
    error = np.square(marked.astype(float) - image).mean()
    assert 10 * np.log10(255**2 / error) > 40
    write_image(tmp_path / "picture.jpg", marked)
    assert detect_watermark(tmp_path / "picture.jpg").present


@pytest.mark.parametrize("name", ["library", "package", "compressed", "plain"])
def test_bits_are_those_that_the_library_reads(data: Path, name: str) -> None:
    """Against `invisible-watermark` 0.2.0: its mean vote of every bit of the word, on pictures of 72 x 92 pixels.

    `library` was marked by the library itself, `package` here, `compressed` is the latter as JPEG of quality 60.
    """
    with np.load(data / "watermark_votes.npz") as stored:
        image, votes = stored[name], stored[f"{name}_votes"]
    bits = read_bits(image)
    np.testing.assert_allclose([bits[place::32].mean() for place in range(32)], votes, atol=1e-6)
    assert read_frames([image]).present == (name != "plain")


def test_the_format_is_still_the_librarys(data: Path) -> None:
    with np.load(data / "watermark_votes.npz") as stored:
        difference = embed_watermark(stored["plain"]).astype(int) - stored["package"]
    assert np.abs(difference).max() <= 1  # rounding of another machine
    assert len(WORD) == 32


@pytest.mark.parametrize("shape", [(130, 133), (64, 200), (7, 50)])
def test_odd_sizes(shape: tuple[int, int]) -> None:
    image = portrait_like(5, 200)[: shape[0], : shape[1]]
    marked = embed_watermark(image)
    assert marked.shape == image.shape
    rest = shape[0] // 8 * 8, shape[1] // 8 * 8
    np.testing.assert_array_equal(marked[rest[0] :], image[rest[0] :])
    if min(rest):
        assert read_frames([marked]).present


@pytest.mark.parametrize("size", [64, 72, 96])
@pytest.mark.parametrize("count", [1, 4])
def test_short_videos_of_few_pixels_read_back(tmp_path: Path, world: World, size: int, count: int) -> None:
    frames = world.sequence(0, 0, range(count), size)[0]
    write_frames(tmp_path / "clip.mp4", iter(frames), count, Fraction(25), {})
    assert detect_watermark(tmp_path / "clip.mp4").present


@pytest.mark.parametrize(("size", "crf"), [((64, 64), 8), ((128, 64), 8), ((128, 128), 17), ((1280, 720), 17)])
def test_frames_of_few_pixels_are_written_better(size: tuple[int, int], crf: int) -> None:
    assert choose_crf(*size) == crf


def test_frames_that_come_one_by_one_are_counted() -> None:
    assert read_frames(embed_watermark(portrait_like(seed)) for seed in range(3)) == Reading(32, 3)
    assert read_frames(iter(())) == Reading(0, 0)
