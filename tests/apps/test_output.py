import hashlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reenact.apps.compose import Composer
from reenact.apps.output import check_output, write_frames
from reenact.apps.provenance import make_mark, read_mark
from reenact.apps.sheets import labelled_grid
from reenact.errors import ReenactError
from reenact.faces.crop import Crop
from reenact.media.media_kinds import check_input


@pytest.fixture
def mark(tmp_path: Path) -> dict[str, str]:
    checkpoint = tmp_path / "weights.ckpt"
    checkpoint.write_bytes(b"weights")
    return make_mark("pwm", checkpoint)


@pytest.mark.parametrize("name", ["out.mp4", "out.png", "out.jpg"])
def test_files_carry_the_mark(tmp_path: Path, mark: dict[str, str], name: str) -> None:
    write_frames(tmp_path / name, iter([np.zeros((64, 64, 3), np.uint8)]), 1, Fraction(25), mark)
    found = read_mark(tmp_path / name)
    assert found.items() >= mark.items()
    assert found["synthetic"] == "true"
    assert found["method"] == "pwm"
    assert found["checkpoint_sha256"] == hashlib.sha256(b"weights").hexdigest()


def test_other_files_have_no_mark(tmp_path: Path) -> None:
    write_frames(tmp_path / "out.mp4", iter([np.zeros((64, 64, 3), np.uint8)]), 1, Fraction(25), {})
    assert read_mark(tmp_path / "out.mp4") == {}


def test_nothing_is_left_of_a_failed_file(tmp_path: Path) -> None:
    def frames():
        yield np.zeros((64, 64, 3), np.uint8)
        raise ReenactError("damaged")

    with pytest.raises(ReenactError, match="damaged"):
        write_frames(tmp_path / "out.mp4", frames(), 5, Fraction(25), {})
    assert list(tmp_path.iterdir()) == []


def test_bad_outputs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").write_bytes(b"x")
    for path, message in (
        (tmp_path / "there.mp4", r"exists; choose another path or pass --overwrite"),
        (tmp_path / "no" / "out.mp4", "does not exist"),
        (tmp_path / "out.xyz", "no known suffix"),
        (tmp_path, "no known suffix"),
    ):
        with pytest.raises(ReenactError, match=message):
            check_output(path, overwrite=False)
    check_output(tmp_path / "there.mp4", overwrite=True)


def test_bad_inputs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    for name, message in (("none.png", "is not a file"), ("notes.txt", "neither a picture nor a video")):
        with pytest.raises(ReenactError, match=f"--source .*{message}"):
            check_input(tmp_path / name, "--source")


def test_grid_places_pictures_in_rows() -> None:
    pictures = [np.full((40, 30, 3), 10 * i, np.uint8) for i in range(5)]
    grid = labelled_grid(pictures, list("abcde"), 3)
    assert grid.shape == (2 * 58, 90, 3)
    np.testing.assert_array_equal(grid[58 + 18 :, 30:60], pictures[4])
    assert (grid[:18, :30] < 128).any()  # a label was drawn


def test_composition() -> None:
    frame = np.full((101, 151, 3), 200, np.uint8)
    crop = Crop(40, 20, 32, 32)
    result = np.zeros((32, 32, 3), np.uint8)
    plain = Composer().frame(result, (frame, crop), (frame, crop))
    np.testing.assert_array_equal(plain, result)
    pasted = Composer(paste_back=True).frame(result, (frame, crop), None)
    assert pasted.shape == (102, 152, 3)  # even, as video asks
    assert not pasted[36, 56].any()
    assert (pasted[:20] == 200).all()
    row = Composer(side_by_side=True).frame(result, (frame, crop), (frame, crop))
    assert row.shape == (18 + 32, 96, 3)
    for column in range(3):
        assert (row[:18, 32 * column : 32 * (column + 1)] < 128).any()  # a label was drawn
    assert (row[18:, :32] == 200).all()
    assert not row[18:, 32:64].any()
    outside = Composer(side_by_side=True).frame(result, (frame, Crop(-16, -16, 32, 32)), None)
    assert (outside[18:, :32] == 200).all()
