import numpy as np
import pytest

from reenact.world.motion import compute_motion, draw_manner

FRAMES = np.arange(200)
CLIPS = [(identity, clip) for identity in range(12) for clip in range(3)]


@pytest.fixture(scope="module")
def clips():
    return [compute_motion(draw_manner(0, *clip), FRAMES) for clip in CLIPS]


def test_frames_do_not_depend_on_each_other():
    how = draw_manner(0, 3, 1)
    whole, alone = compute_motion(how, FRAMES), compute_motion(how, np.array([117]))
    for name, values in alone.items():
        assert np.array_equal(values[0], whole[name][117]), name


def test_values_stay_in_range(clips):
    signed = {"jaw_side", "breath", "gaze", "head", "shift"}
    for moves in clips:
        for name in moves.keys() - signed:
            assert moves[name].min() >= 0, name
            assert moves[name].max() <= 1, name
        assert np.abs(moves["head"]).max() < np.radians(52)
        assert np.abs(moves["gaze"]).max() < np.radians(21)


def test_motion_is_smooth(clips):
    """The head never jerks; lids close over two frames or more."""
    for moves in clips:
        assert np.degrees(np.abs(np.diff(moves["head"], axis=0))).max() < 4
        assert np.abs(np.diff(moves["jaw_open"])).max() < 0.45
        assert np.abs(np.diff(moves["blink_left"])).max() < 0.75


def test_people_speak_blink_and_turn(clips):
    openings = np.concatenate([moves["jaw_open"] for moves in clips])
    assert openings.min() < 0.05
    assert openings.max() > 0.6
    blinks = [np.sum(np.diff((moves["blink_left"] > 0.7).astype(int)) == 1) for moves in clips]
    assert 0.8 < np.mean(blinks) < 5
    turns = np.degrees(np.concatenate([moves["head"][:, 1] for moves in clips]))
    assert np.mean(np.abs(turns) < 30) > 0.8
    assert np.abs(turns).max() > 30


def test_lips_close_when_the_jaw_rises_for_m(clips):
    """Jaw and lips go together: lips press only where the jaw is nearly closed."""
    jaw, press = (np.concatenate([moves[name] for moves in clips]) for name in ("jaw_open", "press"))
    assert np.corrcoef(jaw, press)[0, 1] < 0.1
    assert jaw[press > 0.6].mean() < jaw[press < 0.1].mean() + 0.2
