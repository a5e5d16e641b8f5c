"""Cameras of a driving clip in the source's terms, measured on landmarks of the posed face model."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from reenact.apps.common_frame import align_shots, share_frame, share_size
from reenact.apps.head_mask import head_mask
from reenact.apps.reference import nearest_coefficients, reference_number
from reenact.faces.camera import carry_camera
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.landmarks import inter_ocular_distance
from reenact.faces.registry import load_face_model
from reenact.methods.registry import collect_crop_rules
from reenact.models.common.retarget import retarget
from reenact.tracking.face_clip import FaceClip
from reenact.tracking.face_track import FaceTrack
from reenact.tracking.face_tracker import track_face
from reenact.tracking.read_face import crop_track, measure_track
from reenact.tracking.target import Target

INNER = slice(17, 68)


@pytest.fixture(scope="module")
def head():
    return load_face_model("head")


def clip_of(track, face_model, fps=None):
    """A tracked face as `animate` opens it: a picture without a rate, a video with one."""
    target = Target(finder=None, face_model=face_model, size=256, crop="pwm")  # type: ignore[arg-type]  # nothing is found here
    crops = crop_track(track, target, "fixed", 1.0 if fps else collect_crop_rules()["pwm"].room)
    params = measure_track(track, [], crops, target)
    return FaceClip(
        path=Path("x"),
        fps=fps,
        crops=crops,
        found=track.visible,
        params=params,
        landmarks=track.landmarks,
        cuts=track.cuts,
    )


def walk(head, shift=240.0, frames=8):
    """A head that walks through the picture by several of its own widths."""
    params = head.neutral(frames)
    points = head.landmarks68(head.posed(params))[..., :2].numpy()
    landmarks = Crop(100, 100, 200, 256).to_frame(Crop(100, 100, 200, 256).from_ndc(points)).astype(np.float32)
    landmarks[..., 0] += np.linspace(0, shift, frames, dtype=np.float32)[:, None]
    return FaceTrack(
        landmarks=landmarks, visible=np.ones(frames, np.bool_), frames=np.arange(frames), cuts=(), width=640, height=480
    )


def landmark_error(params, clip, landmarks, head):
    """(T,) of the posed face model's landmarks in frame pixels, by the distance of the outer eye corners."""
    ndc = head.landmarks68(head.posed(params))[..., :2].numpy()
    points = clip.crops[0].to_frame(clip.crops[0].from_ndc(ndc))
    return np.linalg.norm((points - landmarks)[:, INNER], axis=-1).mean(1) / inter_ocular_distance(landmarks)


def moved(source, driving, mode, head):
    number = reference_number("auto", source, driving, head)
    if mode == "absolute":
        driving = share_size(source, share_frame(source, driving, number, "pwm"), head)
    return retarget(source.params, driving.params, mode, driving.params[number : number + 1])


@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_a_driver_who_walks_takes_the_source_along(mode, head):
    """The driving crop spans the walk and the picture's is tight; the head has its size and place in every frame."""
    track = walk(head)
    source, driving = clip_of(track.rows(slice(0, 1)), head), clip_of(track, head, Fraction(25))
    assert driving.crops[0].size_in_frame > 1.5 * source.crops[0].size_in_frame
    assert landmark_error(moved(source, driving, mode, head), source, track.landmarks, head).max() < 0.03


def test_a_face_that_leaves_its_crop_is_counted(head):
    track = walk(head)
    source, driving = clip_of(track.rows(slice(0, 1)), head), clip_of(track, head, Fraction(25))
    assert not driving.reaches_out(np.arange(8)).any()
    outside = share_frame(source, driving, 0, "pwm").reaches_out(np.arange(8))
    assert outside.tolist() == sorted(outside.tolist())
    assert not outside[0]
    assert outside[-1]


def test_shapes_of_two_sizes_are_shown_equally_large(head):
    """Parameters of a network have sizes of their own: the driving camera is for the driving shape."""
    track = walk(head, shift=0)
    source, driving = clip_of(track.rows(slice(0, 1)), head), clip_of(track, head, Fraction(25))
    shape = driving.params.shape.clone()
    shape[:, head.shape_names.index("head_size")] += 3
    large = replace(driving, params=replace(driving.params, shape=shape))
    ratio = share_size(source, large, head).params.camera[:, 0] / driving.params.camera[:, 0]
    torch.testing.assert_close(ratio, torch.full_like(ratio, 1.09), atol=0.01, rtol=0)
    same = share_size(driving, driving, head).params.camera
    torch.testing.assert_close(same, driving.params.camera, atol=1e-5, rtol=0)


def place_of(params):
    """(T, 2) of the model's origin in normalised device coordinates, and (T,) size of the head."""
    return params.camera[:, :1] * params.camera[:, 1:] * torch.tensor([1.0, -1.0]), params.camera[:, 0]


def shots(head, motion="fixed"):
    """A walk, then a close-up of the same head that stands still: exact parameters, nothing fitted."""
    bases = [Crop(100 + 60 * k, 100, 200, 256) for k in range(4)] + [Crop(80, 20, 400, 256)] * 3
    params = head.neutral(7)
    points = head.landmarks68(head.posed(params[:1]))[0, :, :2].numpy()
    landmarks = np.stack([base.to_frame(base.from_ndc(points)) for base in bases]).astype(np.float32)
    if motion == "fixed":
        crops = [crop_from_landmarks(landmarks[:4], "pwm")] * 4 + [crop_from_landmarks(landmarks[4:], "pwm")] * 3
    else:
        crops = [crop_from_landmarks(row, "pwm") for row in landmarks]
    pairs = zip(params.camera, bases, crops, strict=True)
    params = replace(params, camera=torch.stack([carry_camera(*pair) for pair in pairs]))
    found = np.ones(7, np.bool_)
    return FaceClip(
        path=Path("x"), fps=Fraction(25), crops=crops, found=found, params=params, landmarks=landmarks, cuts=(4,)
    )


@pytest.mark.parametrize("number", [0, 3, 5])
def test_a_close_up_after_a_walk_shows_the_head_in_one_size(head, number):
    clip = shots(head)
    sizes = place_of(clip.params)[1]
    assert sizes[4] > 1.5 * sizes[0], "the crop of the walk spans it"
    places, sizes = place_of(align_shots(clip, number, "pwm").params)
    torch.testing.assert_close(sizes, sizes[number].expand(7), rtol=0.01, atol=0)
    other = slice(4, 7) if number < 4 else slice(0, 1)
    torch.testing.assert_close(places[other], places[number].expand_as(places[other]), rtol=0, atol=0.01)


def test_shots_whose_crops_follow_the_face_stay_as_they_are(head):
    clip = shots(head, "per_frame")
    assert clip.follows
    assert align_shots(clip, 0, "pwm") is clip


@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_a_driver_of_two_shots_keeps_the_head_in_its_place(mode, head):
    """At the cut the head neither grows nor jumps: the close-up begins where the source is."""
    clip = shots(head)
    source = replace(clip, fps=None, crops=clip.crops[4:5], found=clip.found[:1], params=clip.params[4:5],
                     landmarks=clip.landmarks[4:5], cuts=())  # fmt: skip
    driving = align_shots(clip, 0, "pwm")
    if mode == "absolute":
        driving = share_frame(source, driving, 0, "pwm")
    result = retarget(source.params, driving.params, mode, driving.params[:1])
    places, sizes = place_of(result)
    torch.testing.assert_close(sizes, source.params.camera[:, 0].expand(7), rtol=0.01, atol=0)
    torch.testing.assert_close(places[4:], place_of(source.params)[0].expand(3, -1), rtol=0, atol=0.01)
    assert (places[3] - places[0]).norm() > 1


def test_a_picture_s_wider_crop_serves_a_driver_that_is_followed(head):
    """A picture's crop leaves room that crops which follow a face do not have; the driving crop gets the same."""
    clip = shots(head, "per_frame")
    wide = clip.crops[4].grown(1.2)
    source = replace(clip, fps=None, crops=[wide], found=clip.found[:1], params=None,
                     landmarks=clip.landmarks[4:5], cuts=())  # fmt: skip
    driving = share_frame(source, replace(clip, params=None), 2, "pwm")
    for crop, own in zip(driving.crops, clip.crops, strict=True):
        assert crop.to_array() == pytest.approx(own.grown(1.2).to_array(), abs=0.01)


def test_reference_frame_is_the_source_s_own_where_the_clip_holds_it(head):
    track = walk(head)
    source, driving = clip_of(track.rows(slice(5, 6)), head), clip_of(track, head, Fraction(25))
    assert reference_number("auto", source, driving, head) == 5


def test_coefficients_are_compared_as_pirenderer_does(head):
    """0.3 times the mean difference of the expression plus 0.7 times that of the angles, worked out by hand."""
    joints = 5  # root, neck, jaw and both eyes
    driving = head.neutral(4)
    driving.expression[0, 2] = -0.4
    driving.global_pose[1, 1] = 0.1
    driving.global_pose[2, 0], driving.expression[2, 0] = -0.03, 0.15
    driving.camera[3] = 2.0
    driving.jaw_pose[3, 0] = 0.06
    expression, angle = 0.3 / head.num_expression, 0.7 / (3 * joints)
    distances = [0.4 * expression, 0.1 * angle, 0.03 * angle + 0.15 * expression, 0.06 * angle]
    order = sorted(range(4), key=lambda frame: distances[frame])
    assert len({round(distance, 6) for distance in distances}) == 4
    for count in range(4):  # without the nearest ones the next is chosen
        rows = sorted(order[count:])
        assert rows[nearest_coefficients(head.neutral(1), driving[torch.tensor(rows)], head)] == order[count]


def test_renormalised_scale_has_the_reference_of_the_coefficients(head):
    track = walk(head)
    source, driving = clip_of(track.rows(slice(0, 1)), head), clip_of(track, head, Fraction(25))
    params = head.neutral(8)
    params.expression[:7] = 1.0
    source, driving = replace(source, params=head.neutral(1)), replace(driving, params=params)
    assert reference_number("best", source, driving, head, by_coefficients=True) == 7


def test_paste_back_leaves_a_plain_background_as_it_was(head):
    """The result is another grey everywhere: inside the head it is pasted, outside of it the frame stays."""
    track = walk(head, shift=0, frames=1)
    clip = clip_of(track, head)
    crop, points = clip.crops[0], track.landmarks[0]
    region = head_mask(crop.to_crop(points)[None], crop.size)
    frame = np.full((480, 640, 3), 90, np.uint8)
    pasted = crop.paste_back(frame, np.full((256, 256, 3), 180, np.uint8), region=region)
    change = np.abs(pasted.astype(int) - frame).mean(-1)
    nose, eyes, across = points[30].astype(int), points[36:48].mean(0), np.linalg.norm(points[0] - points[16])
    assert change[nose[1], nose[0]] == 90
    rows, columns = np.mgrid[:480, :640]
    middle = (crop.left + crop.size_in_frame / 2, crop.top + crop.size_in_frame / 2)
    in_crop = np.maximum(abs(columns - middle[0]), abs(rows - middle[1])) < crop.size_in_frame / 2
    outside = in_crop & (np.hypot(columns - eyes[0], rows - eyes[1]) > 1.1 * across)
    assert change[outside].mean() < 1
    assert crop.paste_back(frame, np.full((256, 256, 3), 180, np.uint8))[outside].mean() > 95


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["clip_d0", "clip_d11", "clip_d12", "clip_d18", "clip_d19", "clip_d20", "full_body_s13"]
)
def test_real_people_move_as_they_did(name, real, head):
    """Frame 0 driven by its clip: nearer to each driving frame than the copied source, and under 2 % in the first."""
    pytest.importorskip("dlib")
    from itertools import islice

    from reenact.estimators.registry import load_face_finder
    from reenact.media.video import VideoReader

    images = islice(iter(VideoReader(real / f"{name}.mp4")), 24)
    track = track_face(images, load_face_finder("dlib"))
    source, driving = clip_of(track.rows(slice(0, 1)), head), clip_of(track, head, Fraction(25))
    still = landmark_error(source.params, source, track.landmarks[:1], head)
    copied = np.linalg.norm((track.landmarks[0] - track.landmarks)[:, INNER], axis=-1).mean(1)
    copied /= inter_ocular_distance(track.landmarks)
    for mode in ("relative", "absolute"):
        error = landmark_error(moved(source, driving, mode, head), source, track.landmarks, head)
        assert error[0] < 0.02
        assert still[0] < 0.02
        assert error.mean() < 0.6 * copied.mean()
