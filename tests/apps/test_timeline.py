from fractions import Fraction

import numpy as np
import pytest

from reenact.apps.timeline import make_timeline, pick_items
from reenact.errors import ReenactError

NTSC = Fraction(30000, 1001)


def test_a_still_source_follows_the_driving_clip_frame_by_frame() -> None:
    timeline = make_timeline((90, NTSC), (1, None), "min")
    assert timeline.fps == NTSC
    np.testing.assert_array_equal(timeline.driving, np.arange(90))
    assert not timeline.source.any()


def test_frames_are_matched_by_time() -> None:
    timeline = make_timeline((60, Fraction(30)), (100, Fraction(50)), "min")
    assert len(timeline) == 60
    # The middle of driving frame k lies at (k + 0.5) / 30 s, in source frame floor(50 (k + 0.5) / 30).
    np.testing.assert_array_equal(timeline.source, np.floor((np.arange(60) + 0.5) * 50 / 30))


@pytest.mark.parametrize(("length", "frames"), [("driving", 50), ("source", 25), ("min", 25)])
def test_length(length: str, frames: int) -> None:
    timeline = make_timeline((50, Fraction(25)), (12, Fraction(12)), length)
    assert len(timeline) == frames
    assert timeline.source.max() == 11
    assert (np.diff(timeline.source) >= 0).all()


def test_shots_begin_at_the_cuts_of_either_clip() -> None:
    timeline = make_timeline((10, Fraction(25)), (20, Fraction(50)), "min")
    shots = timeline.split_shots([3], [3, 14])  # frames 3 and 14 of the source meet the driving frames 1 (2) and 7
    assert [shot.driving.tolist() for shot in shots] == [[0], [1, 2], [3, 4, 5, 6], [7, 8, 9]]
    assert [len(shot) for shot in timeline.split_shots([], [])] == [10]
    kept = timeline.keep(np.arange(10) != 3)  # a cut in a frame that is left out still parts the shots
    assert [shot.driving.tolist() for shot in kept.split_shots([3], [])] == [[0, 1, 2], [4, 5, 6, 7, 8, 9]]


def test_stills_alone_give_one_frame() -> None:
    assert len(make_timeline((1, None), (1, None), "min")) == 1


def test_a_still_driving_lasts_as_long_as_the_source() -> None:
    timeline = make_timeline((1, None), (10, Fraction(24)), "min")
    assert (len(timeline), timeline.fps) == (10, 24)


def test_a_still_cannot_say_the_length() -> None:
    with pytest.raises(ReenactError, match=r"--length source.*still.*use min"):
        make_timeline((10, Fraction(25)), (1, None), "source")


def test_pick_repeats_and_leaves_out() -> None:
    assert list(pick_items("abcdef", np.array([0, 0, 2, 5]))) == ["a", "a", "c", "f"]
    with pytest.raises(ValueError, match="no item 3"):
        list(pick_items("abc", np.array([3])))
