"""A source picture on which no detector finds the face, with a box around it."""

from fractions import Fraction

import numpy as np
import pytest

from reenact.cli import main
from reenact.media.pictures import read_image, write_image
from reenact.media.video_writer import VideoWriter
from reenact.tracking import target
from reenact.tracking.face_box import BoxDetector, check_face_box

pytest.importorskip("dlib", reason="needs dlib to place landmarks")

from reenact.estimators.base import FaceBox
from reenact.estimators.registry import FaceFinder, load_face_finder
from reenact.tracking.read_face import read_face_file

pytestmark = pytest.mark.filterwarnings("ignore")
SIZE = 256


class BlindDetector:
    """The detector, blind to one picture."""

    name = "blind"

    def __init__(self, detector, picture):
        self._detector, self._picture = detector, picture

    def detect(self, image):
        return [] if np.array_equal(image, self._picture) else self._detector.detect(image)

    def detect_near(self, image, box):
        return None if np.array_equal(image, self._picture) else self._detector.detect_near(image, box)


@pytest.fixture(scope="module")
def dlib_finder():
    return load_face_finder("dlib")


@pytest.fixture
def files(tmp_path, world):
    """A picture and a video of the world, larger than those of the other tests."""
    write_image(tmp_path / "portrait.png", world.sequence(0, 0, [0], SIZE)[0][0])
    with VideoWriter(tmp_path / "clip.mp4", Fraction(25), (SIZE, SIZE)) as writer:
        for image in world.sequence(2, 0, range(3), SIZE)[0]:
            writer.write(image)
    return tmp_path


@pytest.fixture
def box(files, dlib_finder, monkeypatch):
    """Left, top, width and height of the face, which nothing finds any more."""
    image = read_image(files / "portrait.png")
    found = dlib_finder.detector.detect(image)[0]
    blind = FaceFinder(BlindDetector(dlib_finder.detector, image), dlib_finder.landmarks)
    monkeypatch.setattr(target, "load_face_finder", lambda device: blind)
    return [str(round(value)) for value in (found.left, found.top, found.right - found.left, found.bottom - found.top)]


def run(command, checkpoint, files, *options):
    words = ["--checkpoint", str(checkpoint), "--source", str(files / "portrait.png"), "--device", "cpu"]
    words += ["--driving", str(files / "clip.mp4"), "-o", str(files / "out.mp4")] if command == "animate" else []
    words += ["--yaw", "10", "-o", str(files / "out.png")] if command == "edit" else []
    return main([command, *words, *options])


@pytest.mark.parametrize("command", ["animate", "edit"])
def test_a_face_that_nothing_finds_is_animated_and_edited_with_its_box(command, checkpoint, files, box, capsys):
    assert run(command, checkpoint, files) == 2
    assert "portrait.png shows no face" in capsys.readouterr().err
    assert run(command, checkpoint, files, "--face-box", *box) == 0
    assert [path.name for path in files.glob("out.*")] == ["out.mp4" if command == "animate" else "out.png"]


def test_landmarks_in_the_box_are_those_of_a_found_face(files, box, dlib_finder):
    requirements = target.Target(finder=dlib_finder, face_model=None, size=64)
    found = read_face_file(files / "portrait.png", requirements)
    left, top, width, height = map(float, box)
    chosen = FaceBox(left=left, top=top, right=left + width, bottom=top + height)
    finder = FaceFinder(BoxDetector(chosen), dlib_finder.landmarks)
    placed = read_face_file(files / "portrait.png", target.Target(finder=finder, face_model=None, size=64))
    assert np.abs(placed.landmarks - found.landmarks).mean() < 2


@pytest.mark.parametrize("command", ["animate", "edit"])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--face-box 10 10 60 15", "--face-box 10 10 60 15 is too small: width and height must be at least 16 pixels"),
        ("--face-box 10 10 -60 -60", "--face-box 10 10 -60 -60 is too small"),
        ("--face-box 10 10 60", "--face-box 10 10 60: give four numbers, left, top, width and height"),
        ("--face-box 10 10 nan 60", "--face-box: expected float, got 'nan'"),
        ("--face-box 10 10 60 60 --face-index 1", "--face-box 10 10 60 60 names the face: leave out --face-index 1"),
    ],
)
def test_numbers_that_are_no_box_are_refused(command, checkpoint, files, capsys, options, sentence):
    assert run(command, checkpoint, files, *options.split()) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not list(files.glob("out.*"))


@pytest.mark.parametrize("left", ["200", "-1"])
def test_a_box_outside_of_the_picture_is_refused(checkpoint, files, box, capsys, left):
    assert run("animate", checkpoint, files, "--face-box", left, "10", "60", "60") == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"--face-box {left} 10 60 60 reaches outside of the picture of 256 x 256 pixels; give left, top" in error
    assert not list(files.glob("out.*"))


def test_a_source_of_several_pictures_is_refused(checkpoint, clips, tmp_path, capsys):
    words = ["--checkpoint", str(checkpoint), "--source", str(clips / "1.mp4"), "--driving", str(clips / "2.mp4")]
    assert main(["animate", *words, "-o", str(tmp_path / "out.mp4"), "--face-box", "1", "1", "60", "60"]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "--face-box 1 1 60 60 is of one picture, and --source" in error
    assert "has several: give a picture" in error


def test_without_a_box_the_detector_stays(tmp_path):
    assert check_face_box((), tmp_path / "any.mp4", 3) is None
