"""Preparing made clips with a stand-in for the face finder: the face is a white square, its landmarks lie in it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from reenact.data.datamodules.clips import Clips
from reenact.data.layouts.folders import find_inputs
from reenact.data.prepare import engines, job, pipeline, prepare, runner
from reenact.data.prepare.stage_list import find_stages
from reenact.data.store.reader import Store
from reenact.errors import ReenactError
from reenact.estimators.registry import FaceFinder
from reenact.estimators.turned import LandmarkCheck
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.fitting import fit_landmarks
from reenact.faces.registry import load_face_model
from reenact.media.pictures import read_image, write_image
from reenact.media.video import VideoReader
from reenact.tracking import landmark_placer, parameters
from reenact.tracking.face_track import assemble_track
from reenact.tracking.face_tracker import track_face
from reenact.tracking.parameters import fit_track

from .made_faces import Squares, fit_in_one_step, picture, walk, write_clip
from .made_sets import SETS


@pytest.fixture(scope="session")
def head():
    return load_face_model("head")


@pytest.fixture
def finder():
    squares = Squares()
    return FaceFinder(squares, squares)


@pytest.fixture(autouse=True)
def no_dlib(monkeypatch, finder):
    monkeypatch.setattr(job, "load_face_finder", lambda *_: finder)
    fit_in_one_step(monkeypatch)
    runner._load_tools.cache_clear()


@pytest.fixture
def whole_fit(monkeypatch, no_dlib):
    """Fit faces as `prepare` does."""
    monkeypatch.setattr(parameters, "fit_landmarks", fit_landmarks)


def run(input, out, **options):
    prepare(input, out, workers=1, **options)
    return Store(out)


def test_a_folder_becomes_a_store(tmp_path, head):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_clip(raw / "anna#1.mp4", walk(10), Fraction(30000, 1001))
    write_clip(raw / "berta.mp4", walk(8))
    write_image(raw / "clara.png", picture((70, 60)))
    write_image(raw / "dog.png", picture())
    (raw / "notes.txt").write_text("no clip")
    store = run(raw, tmp_path / "store", size=64)
    clips = {clip.name: clip for clip in store.clips(status=None)}
    assert list(clips) == ["anna#1.mp4", "berta.mp4", "clara.png", "dog.png"]
    assert [clip.identity for clip in clips.values()] == ["anna", "berta", "clara", "dog"]
    assert [clip.num_frames for clip in clips.values()] == [10, 8, 1, 0]
    assert clips["anna#1.mp4"].fps == Fraction(30000, 1001)
    assert clips["dog.png"].status == "quarantined"
    assert "no face" in clips["dog.png"].reason
    assert store.info.face_model == "head"
    assert read_image(tmp_path / "store" / "previews" / "berta.mp4.jpg").shape[1] > 300
    data = Clips(tmp_path / "store", size=64, batch_size=2, num_workers=0)
    assert next(iter(data.train_dataloader())).source.params.shape.shape == (2, head.num_shape)


def test_the_stored_mesh_lies_on_the_stored_picture(tmp_path, head, whole_fit):
    write_clip(tmp_path / "a.mp4", walk(9))
    store = run(tmp_path / "a.mp4", tmp_path / "store", size=128)
    clip = store.clips()[0]
    portrait = store.read(clip, [0, 8])
    mesh = (head.landmarks68(head.posed(portrait.params))[..., :2] + 1) * 64
    eyes = (portrait.landmarks[:, 36] - portrait.landmarks[:, 45]).norm(dim=-1)
    # without the jaw line, which slides to the silhouette
    assert ((mesh - portrait.landmarks).norm(dim=-1)[:, 17:].mean(1) / eyes).max() < 0.04
    assert clip.error < 0.04
    bright = (portrait.image > 0.6).all(dim=1)[0].nonzero().float()
    box = bright.min(0).values.flip(0), bright.max(0).values.flip(0) + 1
    assert torch.allclose(portrait.landmarks[0].min(0).values, box[0], atol=2.5)
    crop = Crop.from_array(store.arrays(clip)["crop"][0])
    frame = next(iter(VideoReader(tmp_path / "a.mp4")))
    assert (
        np.abs(
            crop.warp_to_crop(frame).astype(int) - ((portrait.image[0] + 1) * 127.5).numpy().transpose(1, 2, 0)
        ).mean()
        < 3
    )


def test_a_fit_measures_texture_and_light_and_older_stores_keep_their_form(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_clip(raw / "a.mp4", walk(3))
    store = run(raw, tmp_path / "store", size=64)
    assert {"texture", "light"} <= set(store.info.fields)
    params = store.read(store.clips()[0], [0, 2]).params
    assert torch.equal(params.texture[0], params.texture[1])
    assert torch.equal(params.light[0], params.light[1])
    assert params.light.shape == (2, 9, 3)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "lacks_appearance", lambda _: True)
        older = run(raw, tmp_path / "older", size=64)
    write_clip(raw / "b.mp4", walk(3))
    again = run(raw, tmp_path / "older", size=64)
    assert len(again.clips()) == 2
    assert again.info == older.info
    assert "texture" not in again.info.fields


def test_beyond_the_frame_lie_the_pixels_of_its_edge(tmp_path):
    write_clip(tmp_path / "a.mp4", [picture((4, 4))] * 3)
    store = run(tmp_path / "a.mp4", tmp_path / "store", size=64)
    (clip,) = store.clips()
    crop = Crop.from_array(store.arrays(clip)["crop"][0])
    assert crop.top < -5
    assert store.read(clip, [0]).image.amin() > -0.7  # the background of 60; black is -1


@pytest.mark.parametrize(("recipe", "rule"), [("pwm", "fomm"), ("pwm_demo", "pwm")])
def test_the_recipe_of_a_paper_and_that_of_its_demo(tmp_path, finder, recipe, rule):
    write_image(tmp_path / "a.png", picture((60, 60)))
    store = run(tmp_path / "a.png", tmp_path / "store", recipe=recipe)
    (clip,) = store.clips()
    (box,) = finder.detector.detect(picture((60, 60)))
    points = finder.landmarks.landmarks(picture((60, 60)), box)
    np.testing.assert_allclose(store.arrays(clip)["crop"][0], crop_from_landmarks(points, rule, 256).to_array())


def test_a_second_run_does_nothing_and_changes_are_seen(tmp_path, finder):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_clip(raw / "a.mp4", walk(8))
    write_image(raw / "b.png", picture())
    store = run(raw, tmp_path / "store", size=32)
    files = {path: path.stat().st_mtime_ns for path in store.root.rglob("*.mov")}
    before, finder.detector.searches = store.clips(status=None), 0
    assert run(raw, tmp_path / "store", size=32).clips(status=None) == before
    assert finder.detector.searches == 0
    assert files == {path: path.stat().st_mtime_ns for path in store.root.rglob("*.mov")}
    write_image(raw / "b.png", picture((30, 30)))
    assert len(run(raw, tmp_path / "store", size=32).clips()) == 2
    with pytest.raises(ReenactError, match="with crop fomm, not pwm"):
        run(raw, tmp_path / "store", size=32, crop="pwm")


def test_frames_without_a_face(tmp_path):
    images = walk(12)
    images[4] = images[5] = picture()
    path = write_clip(tmp_path / "a.mp4", images)
    held = run(path, tmp_path / "hold", size=32).clips()[0]
    assert held.num_frames == 12
    assert "filled in for 2 frames" in held.reason
    visible = Store(tmp_path / "hold").arrays(held)["visible"]
    assert np.flatnonzero(~visible).tolist() == [4, 5]
    skipped = run(path, tmp_path / "skip", size=32, on_missing="skip")
    assert skipped.clips()[0].num_frames == 10
    assert skipped.arrays(skipped.clips()[0])["visible"].all()
    with pytest.raises(ReenactError, match=r"a\.mp4 shows no face in 2 frames \(first 4\)"):
        run(path, tmp_path / "error", size=32, on_missing="error")
    assert not (tmp_path / "error").exists()


def test_of_several_faces_the_largest_or_the_one_asked_for(tmp_path):
    images = [picture((20, 50), (120, 60)) for _ in range(4)]
    path = write_clip(tmp_path / "two.mp4", images)
    lefts = []
    for index in (0, 1):
        store = run(path, tmp_path / f"store{index}", size=32, face_index=index)
        lefts.append(store.arrays(store.clips()[0])["crop"][0, 0])
    assert lefts[0] < 20 < 60 < lefts[1]
    with pytest.raises(ReenactError, match=r"two\.mp4 shows 2 face\(s\), so there is none of index 2"):
        run(path, tmp_path / "store2", face_index=2)


def test_the_longest_shot_is_kept_at_a_cut(tmp_path):
    images = walk(5) + [picture((130, 20), background=150) for _ in range(9)]
    store = run(write_clip(tmp_path / "a.mp4", images), tmp_path / "store", size=32)
    clip = store.clips()[0]
    assert clip.num_frames == 9
    assert clip.reason == "cut at frame 5: kept 5 to 13"


def test_a_lost_face_is_searched_for_now_and_then(finder):
    images = [*walk(3), *(picture() for _ in range(40)), *(picture((100, 50)) for _ in range(20))]
    track = track_face(images, finder)
    assert track.visible[:3].all()
    assert track.visible[-5:].all()
    assert not track.visible[3:40].any()
    assert finder.detector.searches < 8
    assert np.isfinite(track.landmarks).all()


def test_a_track_without_pixels_can_be_fitted_per_frame_crop(finder, head, whole_fit):
    track = track_face(walk(4), finder)
    crops = [Crop(30.0 + 2 * k, 40.0, 90.0, 64) for k in range(4)]
    params, error = fit_track(track, head, crops)
    assert params.camera.shape == (4, 3)
    assert (error < 0.04).all()
    head_points = head.landmarks68(head.posed(params))[..., :2]
    placed = [crop.to_frame(crop.from_ndc(points)) for crop, points in zip(crops, head_points, strict=True)]
    assert np.abs(np.stack(placed)[:, 36:48] - track.landmarks[:, 36:48]).max() < 3


def test_layout_with_splits_keeps_whole_frames(tmp_path):
    for split, name in (("train", "id1#v#1.mp4"), ("test", "id2#v#1.mp4")):
        (tmp_path / "vox" / split).mkdir(parents=True)
        write_clip(tmp_path / "vox" / split / name, [picture((40, 40), shape=(128, 128))] * 3)
    frames = tmp_path / "vox" / "train" / "id3#v#1.mp4"
    frames.mkdir()
    for k in range(3):
        write_image(frames / f"{k:07d}.png", picture((40, 40), shape=(128, 128)))
    store = run(tmp_path / "vox", tmp_path / "store", size=64)
    assert [(clip.name, clip.split, clip.identity) for clip in store.clips()] == [
        ("id1#v#1.mp4", "train", "id1"),
        ("id2#v#1.mp4", "test", "id2"),
        ("id3#v#1.mp4", "train", "id3"),
    ]
    assert store.arrays(store.clips()[0])["crop"][0].tolist() == [0, 0, 128, 64]


def test_nested_folders_name_the_identity(tmp_path):
    (tmp_path / "raw" / "anna" / "v1").mkdir(parents=True)
    write_clip(tmp_path / "raw" / "anna" / "v1" / "0.mp4", walk(2))
    (item,) = find_inputs(tmp_path / "raw")
    assert (item.name, item.identity, item.split) == ("anna#v1#0.mp4", "anna", "train")


@pytest.mark.parametrize("kind", ["missing", "nothing", "unreadable", "no face"])
def test_input_without_a_usable_clip_leaves_nothing(tmp_path, kind):
    path = tmp_path / "raw.mp4"
    if kind == "nothing":
        path.mkdir()
    elif kind == "unreadable":
        path.write_bytes(b"text")
    elif kind == "no face":
        write_clip(path, [picture()] * 3)
    with pytest.raises(ReenactError, match=r"raw\.mp4") as error:
        run(path, tmp_path / "store")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "store").exists()


def test_a_damaged_clip_does_not_stop_the_others(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    good = write_clip(raw / "a.mp4", walk(8)).read_bytes()
    (raw / "b.mp4").write_bytes(good[: len(good) // 2])
    (raw / "c.mp4").write_bytes(b"")
    store = run(raw, tmp_path / "store", size=32)
    assert [clip.name for clip in store.clips()] == ["a.mp4"]
    assert [clip.reason for clip in store.clips(status="quarantined")][1] == "is empty; copy or download it again"


def test_output_that_is_something_else(tmp_path):
    path = write_clip(tmp_path / "a.mp4", walk(2))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("keep me")
    with pytest.raises(ReenactError, match="exists and is not a store"):
        run(path, tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "keep me"


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch, capsys):
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in "abc":
        write_clip(raw / f"{name}.mp4", walk(4))
    plain = engines.run_stages

    def interrupted(names, clips, *rest):
        if clips[0].name == "b.mp4":
            raise KeyboardInterrupt
        return plain(names, clips, *rest)

    monkeypatch.setattr(engines, "run_stages", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(raw, tmp_path / "store", size=32)
    first = Store(tmp_path / "store").clips()
    assert [clip.name for clip in first] == ["a.mp4"]
    capsys.readouterr()
    prepare(status=tmp_path / "store")
    shown = capsys.readouterr().out
    assert "1 of 3 clips usable" in shown
    assert "2 clips are waiting; run the same command again" in shown
    monkeypatch.setattr(engines, "run_stages", plain)
    store = run(raw, tmp_path / "store", size=32)
    assert store.waiting() == {}
    assert [clip.name for clip in store.clips()] == ["a.mp4", "b.mp4", "c.mp4"]
    assert store.clips()[0] == first[0]


def test_what_a_first_clip_has_cost_survives_an_interruption(tmp_path, monkeypatch, finder):
    clip = write_clip(tmp_path / "a.mp4", walk(4))
    with monkeypatch.context() as patch:
        patch.setattr(next(stage for stage in find_stages() if stage.name == "parameters"), "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(clip, tmp_path / "store", size=32)
    finder.detector.searches = 0
    assert len(run(clip, tmp_path / "store", size=32).clips()) == 1
    assert finder.detector.searches == 0


def interrupted(*_):
    raise KeyboardInterrupt


def test_metadata_of_which_nothing_is_there(tmp_path, capsys):
    SETS["voxceleb1_table"][1](tmp_path / "vox")
    (tmp_path / "vox" / "videos" / "v1.mp4").unlink()
    with pytest.raises(ReenactError, match=r"vox holds no clip that its metadata name \(videos/v1\.mp4 is absent\)"):
        run(tmp_path / "vox", tmp_path / "store")
    assert "previews" not in capsys.readouterr().out
    assert not (tmp_path / "store").exists()


def test_status_lists_the_clips(tmp_path, capsys):
    run(write_clip(tmp_path / "a.mp4", walk(4)), tmp_path / "store", size=32)
    capsys.readouterr()
    prepare(status=tmp_path / "store")
    assert "1 of 1 clips usable" in capsys.readouterr().out


def test_wrong_options(tmp_path):
    with pytest.raises(ReenactError, match="--out"):
        prepare(tmp_path)
    for options, sentence in (
        ({"size": 3}, "--size 3 must be at least 16"),
        ({"size": 0}, "--size 0 must be"),
        ({"workers": 0}, "--workers 0 must be at least 1"),
        ({"max_error": 0}, "--max-error 0 must be more than 0"),
        ({"fps": 0.00001}, "--fps 1e-05 must be from"),
        ({"fps": float("inf")}, "--fps inf must be"),
        ({"device": "cuda:77"}, "--device cuda:77 is not available"),
        ({"device": "quantum"}, "--device quantum is not available"),
        ({"device": "quantum", "engine": "ray"}, "--device quantum must be cpu or cuda with --engine ray"),
    ):
        with pytest.raises(ReenactError, match=sentence):
            prepare(tmp_path, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_absent_weights_are_named_by_worker_processes_too(tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "none"))
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        write_image(tmp_path / "in" / name, picture((40, 40)))
    with pytest.raises(ReenactError, match="s3fd"):
        prepare(tmp_path / "in", tmp_path / "out", landmarks="face-alignment", workers=2)
    assert not (tmp_path / "out").exists()


def test_poor_fits_are_quarantined(tmp_path, finder, monkeypatch, whole_fit):
    noise = np.random.default_rng(0).normal(0, 0.2, (68, 2))
    monkeypatch.setattr(landmark_placer, "check_landmarks", lambda *_: LandmarkCheck(0, 0, 0))
    finder.detector.template = finder.detector.template + noise
    with pytest.raises(ReenactError, match="does not fit a face"):
        run(write_clip(tmp_path / "a.mp4", walk(4)), tmp_path / "store", size=32)
    (clip,) = run(tmp_path / "a.mp4", tmp_path / "store", size=32, max_error=0.9).clips()
    assert 0.1 < clip.error < 0.9


@pytest.mark.slow
def test_real_clips_with_dlib_in_two_processes(tmp_path, real, monkeypatch, whole_fit):
    monkeypatch.undo()
    prepare(real, tmp_path / "store", landmarks="dlib", workers=2)
    clips = {clip.name: clip for clip in Store(tmp_path / "store").clips(status=None)}
    assert "no face" in clips.pop("not_a_face_dog.jpg").reason
    assert all(clip.status == "ok" and clip.error <= 0.04 for clip in clips.values())
    assert [clips[f"clip_d{n}.mp4"].num_frames for n in (0, 11, 12, 18, 19, 20)] == [78, 225, 183, 216, 250, 175]


@pytest.mark.parametrize("gap", [0, 1, 12])
def test_a_cut_in_whose_frame_the_face_is_not_seen_is_a_cut(gap):
    face = np.random.default_rng(0).uniform(20, 80, (68, 2)).astype(np.float32)
    points = [face] * 30 + [None] * gap + [face + 200] * 10
    changed = np.arange(len(points)) == 30
    track = assemble_track(points, changed, 640, 480)
    assert track.cuts == (30 + gap,)
    assert len(track.longest_shot()) == 30 + gap
