"""Stages: what is finished stays finished, through kills, changes of settings and other runs on the same store."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.layouts.folders import find_inputs
from reenact.data.prepare import job as job_module
from reenact.data.prepare import prepare, runner, stage_list, stages
from reenact.data.prepare.job import Job, Settings
from reenact.data.prepare.stage_list import find_stages, stage_keys, stage_names
from reenact.data.store.manifest_writer import StoreWriteError
from reenact.data.store.reader import Store
from reenact.errors import ReenactError
from reenact.estimators.registry import FaceFinder
from reenact.faces.registry import load_face_model
from reenact.media.pictures import write_image

from .killed_prepare import prepare_killed, prepare_together
from .made_faces import Squares, fit_in_one_step, picture, walk, write_clip

NAMES = stage_names()
UP_TO_CAMERA = NAMES[: NAMES.index("camera") + 1]
SETTINGS = Settings(face_model="head", landmarks="dlib", crop="fomm", size=32)


@pytest.fixture(autouse=True)
def squares(monkeypatch):
    found = Squares()
    monkeypatch.setattr(job_module, "load_face_finder", lambda *_: FaceFinder(found, found))
    fit_in_one_step(monkeypatch)
    runner._load_tools.cache_clear()
    return found


@pytest.fixture
def ran(monkeypatch):
    """The stages that were run, in order."""
    names: list[str] = []

    def noted(name, step):
        return lambda *arguments: names.append(name) or step(*arguments)

    for stage in find_stages():
        monkeypatch.setattr(stage, "run", noted(stage.name, stage.run))
    return names


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "anna#1.mp4", walk(6))


def run(path, out, names=NAMES, settings=SETTINGS, **about):
    (found,) = find_inputs(path)
    (record,) = runner.run_stages(names, [replace(found, **about)], Job(out=out, settings=settings, face_model="head"))
    return record


def files(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != "manifest.sqlite"
    }


def rows(root):
    return [replace(clip, seconds={}) for clip in Store(root).clips(status=None)]


def test_killed_at_any_instant_it_goes_on_and_ends_the_same(tmp_path):
    (tmp_path / "raw").mkdir()
    run(write_clip(tmp_path / "raw" / "anna#1.mp4", walk(4)), tmp_path / "warm")  # before the forks: the first is slow
    prepare_killed(tmp_path / "raw", tmp_path / "stores", tmp_path / "log")
    stores = sorted((tmp_path / "stores").iterdir(), key=lambda path: int(path.name))
    # Stages, two files of the clip, its preview in two steps, its row, the end of its work; and one in peace.
    assert len(stores) == len(NAMES) + 6 + 1
    whole = files(stores[-1])
    assert sorted(Path(name).suffix for name in whole) == [".jpg", ".mov", ".safetensors"]
    for number, store in enumerate(stores):
        assert files(store) == whole  # no claim and no work either
        assert rows(store) == rows(stores[-1])
        assert (tmp_path / f"log{number}").read_text().split()[1::2] == list(NAMES)  # each stage once, killed or not


def test_two_runs_at_once_share_the_work(tmp_path):
    (tmp_path / "raw").mkdir()
    for name in "abcd":
        clip = write_clip(tmp_path / "raw" / f"{name}.mp4", walk(3))
    run(clip, tmp_path / "warm")  # before the forks: the first is slow
    prepare_together(tmp_path / "raw", tmp_path / "store", tmp_path / "log")
    done = sorted((tmp_path / "log").read_text().splitlines())
    assert done == sorted(f"{name}.mp4 {stage}" for name in "abcd" for stage in NAMES)
    assert len(rows(tmp_path / "store")) == 4
    assert not list((tmp_path / "store" / "work").rglob("*.*"))


SHARPNESS = """
from reenact.data.prepare.stage import Stage
from reenact.data.prepare.work import Result


class SharpnessStage(Stage):
    # Counts frames.

    name = "sharpness"
    inputs = ("cuts", "camera")

    def list_settings(self, clip, settings):
        return (settings.max_error,)

    def process_clip(self, task, tools):
        changed = task.work["cuts"].arrays["changed"]
        return Result({"frames": len(changed)})

    def describe_clip(self, task):
        return {"reason": f"{task.work[self.name].facts['frames']} frames are sharp"}
"""


@pytest.fixture
def folder_of_stages(tmp_path):
    """A folder beside that of the package; the stages of its files are run."""
    folder = tmp_path / "stages"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "__path__", [*stages.__path__, str(folder)])
        stage_list.find_stages.cache_clear()
        yield folder
    stage_list.find_stages.cache_clear()
    sys.modules.pop("reenact.data.prepare.stages.sharpness", None)


def test_a_stage_is_one_file(tmp_path, clip, folder_of_stages):
    keys = stage_keys("", find_inputs(clip)[0], SETTINGS)
    assert stage_list.clip_key(keys) == keys["preview"]
    (folder_of_stages / "sharpness.py").write_text(SHARPNESS)
    stage_list.find_stages.cache_clear()
    more = stage_keys("", find_inputs(clip)[0], SETTINGS)
    assert {name: key for name, key in more.items() if name != "sharpness"} == keys
    record = run(clip, tmp_path / "store", stage_names())
    assert record.reason == "6 frames are sharp"
    assert "sharpness" in record.seconds
    assert stage_list.clip_key(more) not in more.values()  # it depends on the preview and on the further stage


def test_stages_without_their_inputs_are_refused():
    with pytest.raises(ValueError, match="without their inputs: track"):
        stage_list.order_stages(stage for stage in find_stages() if stage.name in ("probe", "track"))


@pytest.mark.parametrize(
    ("settings", "about", "key"),
    [
        (Settings(face_model="head", landmarks="dlib", crop="fomm", size=256), {}, "c2f175cd"),
        (
            Settings(face_model="head", landmarks="dlib", crop="fomm", size=256),
            {"album": True, "region": (0.1, 0.2, 0.3, 0.4), "span": (1.0, 2.0)},
            "ca7290a6",
        ),
        (
            Settings(
                face_model="flame2020",
                landmarks="face-alignment",
                crop="dataset",
                size=512,
                on_missing="skip",
                face_index=1,
                parameters="deca",
                regressor="deca",
                fps=Fraction(25),
                detector="mediapipe",
                max_error=0.2,
            ),
            {},
            "791dd730",
        ),
    ],
)
def test_keys_are_those_of_the_stores_that_exist(settings, about, key):
    clip = ClipInput(path=Path("a.mp4"), name="a.mp4", split="train", identity="a", **about)
    assert stage_list.clip_key(stage_keys("content", clip, settings)).startswith(key)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({}, ()),
        ({"max_error": 0.2}, ("landmarks", "crop", "parameters", "camera")),
        ({"face_model": "other"}, ("parameters", "camera")),
        ({"size": 64}, ("crop", "parameters", "camera")),
        ({"crop": "pwm"}, ("crop", "parameters", "camera")),
        ({"on_missing": "skip"}, ("crop", "parameters", "camera")),
        ({"detector": "mediapipe"}, ("track", "landmarks", "crop", "parameters", "camera")),
        ({"face_index": 0}, ("track", "landmarks", "crop", "parameters", "camera")),
        ({"fps": 10}, ("probe", "cuts", "track", "landmarks", "crop", "parameters", "camera")),
    ],
    ids=str,
)
def test_a_setting_redoes_what_depends_on_it(tmp_path, clip, ran, monkeypatch, change, again):
    head = load_face_model("head")
    run(clip, tmp_path / "store", UP_TO_CAMERA)
    ran.clear()
    head.name = change.get("face_model", "head")
    monkeypatch.setattr(job_module, "load_face_model", lambda _: head)
    run(clip, tmp_path / "store", UP_TO_CAMERA, replace(SETTINGS, **change))
    assert tuple(ran) == again


def test_a_usable_clip_fixes_the_settings(tmp_path, clip):
    run(clip, tmp_path / "store")
    with pytest.raises(ReenactError, match="is a store with size 32, not 64; choose another output folder"):
        run(clip, tmp_path / "store", settings=replace(SETTINGS, size=64))
    assert Store(tmp_path / "store").info.size == 32


def test_stages_wait_for_those_before_them(tmp_path, clip, ran):
    assert run(clip, tmp_path / "store", NAMES[3:]) is None
    assert ran == []


def test_a_damaged_result_is_made_again(tmp_path, clip, ran):
    run(clip, tmp_path / "store", NAMES[:4])
    (path,) = (tmp_path / "store").rglob("track.safetensors")
    path.write_bytes(path.read_bytes()[:-7])
    ran.clear()
    run(clip, tmp_path / "store", NAMES[:4])
    assert ran == ["track"]


@pytest.mark.parametrize(("suffix", "size"), [(".mov", 400), (".safetensors", 400), (".safetensors", 0)])
def test_a_damaged_clip_is_prepared_again(tmp_path, clip, suffix, size):
    run(clip, tmp_path / "store")
    before = files(tmp_path / "store")
    (path,) = (tmp_path / "store" / "clips").rglob(f"*{suffix}")
    path.write_bytes(path.read_bytes()[:size])
    run(clip, tmp_path / "store")
    assert files(tmp_path / "store") == before


def test_a_file_that_was_replaced_is_prepared_again(tmp_path, clip):
    run(clip, tmp_path / "store")
    write_clip(clip, walk(9))
    assert run(clip, tmp_path / "store").num_frames == 9


@pytest.mark.parametrize("stage", ["landmarks", "write", "arrays"])
def test_a_full_disk_ends_the_run_and_loses_nothing(tmp_path, clip, monkeypatch, stage):
    write_bytes = Path.write_bytes

    def full(path, data):
        if path.stem == stage:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreWriteError, match=r"store can't be written \(.*No space left on device\); free space"):
        run(clip, tmp_path / "store")
    assert rows(tmp_path / "store") == []
    monkeypatch.undo()
    squares = Squares()
    monkeypatch.setattr(job_module, "load_face_finder", lambda *_: FaceFinder(squares, squares))
    runner._load_tools.cache_clear()
    assert run(clip, tmp_path / "store").status == "ok"


def test_a_read_only_store(tmp_path, clip, monkeypatch):
    run(clip, tmp_path / "store")
    runner._load_tools.cache_clear()

    def refuse(path, *_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ReenactError, match=r"store can't be written \(.*Read-only file system.*choose a writable"):
        run(clip, tmp_path / "store")


def test_faces_alike_are_not_guessed_at(tmp_path):
    twins = [picture((20, 50), (120, 60), smaller=2) for _ in range(4)]
    path = write_clip(tmp_path / "twins.mp4", twins)
    record = run(path, tmp_path / "a")
    assert (record.status, record.num_frames) == ("quarantined", 0)
    assert record.reason == "shows 2 faces of nearly the same size; choose one with --face-index"
    assert not list((tmp_path / "a" / "work").rglob("*.*"))
    chosen = run(path, tmp_path / "b", settings=replace(SETTINGS, face_index=0))
    named = run(path, tmp_path / "c", region=(0.55, 0.3, 1.0, 0.8))
    lefts = [Store(tmp_path / name).arrays(clip)["crop"][0, 0] for name, clip in (("b", chosen), ("c", named))]
    assert lefts[0] < 20 < 80 < lefts[1]
    record = run(path, tmp_path / "d", region=(0.3, 0.0, 0.5, 0.2))
    assert record.reason == "shows 2 face(s), none where the data set says; the file is another one"


def test_one_of_two_faces_that_comes_near_is_taken_from_then_on(tmp_path):
    images = [picture((20, 50), (120, 60), smaller=2)] * 3 + [picture((20, 50), (120, 60), smaller=20)] * 20
    record = run(write_clip(tmp_path / "two.mp4", images), tmp_path / "store")
    assert record.status == "ok"
    assert Store(tmp_path / "store").arrays(record)["crop"][0, 0] < 20


def test_landmarks_that_cannot_be_placed(tmp_path, clip, squares, monkeypatch):
    def sees_half(image, box):
        if box.left < 43:
            raise ReenactError("sees no face")
        return Squares.landmarks(squares, image, box)

    monkeypatch.setattr(squares, "landmarks", sees_half)
    record = run(clip, tmp_path / "store")
    assert record.reason == "face filled in for 3 frames"
    write_image(tmp_path / "b.png", picture((20, 50)))
    record = run(tmp_path / "b.png", tmp_path / "store")
    assert (
        record.reason
        == "shows a face on which dlib can't place landmarks; use other --landmarks, or a larger --max-error"
    )


def test_landmarks_get_boxes_of_their_own_detector(tmp_path, clip, squares, monkeypatch):
    class Wide(Squares):
        def detect(self, image):
            return [replace(box, left=box.left - 9, right=box.right + 9) for box in super().detect(image)]

    wide = Wide()
    finders = {"dlib": FaceFinder(squares, squares), "mediapipe": FaceFinder(wide, wide)}
    monkeypatch.setattr(job_module, "load_face_finder", lambda choice, _: finders[choice])
    found = []
    for name in ("mediapipe", None):
        record = run(clip, tmp_path / str(name), settings=replace(SETTINGS, detector=name))
        found.append(Store(tmp_path / str(name)).arrays(record)["landmarks"])
    assert wide.searches == 1
    np.testing.assert_array_equal(*found)


def test_black_frames(tmp_path):
    black = np.zeros((160, 200, 3), np.uint8)
    record = run(write_clip(tmp_path / "black.mp4", [black] * 4), tmp_path / "black")
    assert record.reason == "is black from beginning to end"
    record = run(write_clip(tmp_path / "a.mp4", [black] * 3 + walk(7) + [black] * 4), tmp_path / "store")
    assert (record.status, record.num_frames) == ("ok", 7)
    assert Store(tmp_path / "store").arrays(record)["visible"].all()


def test_an_album_is_kept_whole_at_its_cuts(tmp_path):
    images = walk(5) + [picture((130, 20), background=150) for _ in range(9)]
    for number, image in enumerate(images):
        folder = tmp_path / "raw" / "anna"
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{number:02}.png", image)
    record = run(tmp_path / "raw", tmp_path / "store", album=True)
    assert (record.status, record.num_frames, record.reason) == ("ok", 14, "")
    assert Store(tmp_path / "store").arrays(record)["visible"].all()
    record = run(tmp_path / "raw", tmp_path / "store")
    assert (record.num_frames, record.reason) == (9, "cut at frame 5: kept 5 to 13")


def test_frames_of_several_sizes(tmp_path):
    folder = tmp_path / "raw" / "anna"
    folder.mkdir(parents=True)
    for number in range(3):
        write_image(folder / f"{number}.png", picture((40, 40), shape=(160 + 2 * (number == 2), 200)))
    record = run(tmp_path / "raw", tmp_path / "store")
    assert record.reason == "has frames of several sizes (the first is 200 x 160, frame 2 is 200 x 162); cut it up"


def test_odd_sizes(tmp_path):
    path = tmp_path / "odd.png"
    write_image(path, picture((40, 40), shape=(151, 203)))
    assert run(path, tmp_path / "store").status == "ok"


def test_what_nobody_foresaw_costs_one_clip(tmp_path, clip, monkeypatch):
    def strange(*_):
        raise ZeroDivisionError("of\nall things")

    track = next(stage for stage in find_stages() if stage.name == "track")
    monkeypatch.setattr(track, "process_clip", strange)
    record = run(clip, tmp_path / "store")
    assert record.status == "quarantined"
    assert record.reason == "made the stage track fail: ZeroDivisionError: of all things"


def test_a_full_memory_ends_the_run_and_blames_no_clip(tmp_path, clip, monkeypatch):
    def fill_memory(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    track = next(stage for stage in find_stages() if stage.name == "track")
    monkeypatch.setattr(track, "process_clip", fill_memory)
    with pytest.raises(ReenactError, match=r"memory of the device is full.*--workers 1, --device cpu"):
        run(clip, tmp_path / "store")
    assert rows(tmp_path / "store") == []
    monkeypatch.undo()
    assert run(clip, tmp_path / "store").status == "ok"


def test_missing_weights_end_the_run(tmp_path, clip, monkeypatch):
    def absent(*_):
        raise ReenactError("weights are missing")

    monkeypatch.setattr(job_module, "load_face_finder", absent)
    with pytest.raises(ReenactError, match="weights are missing"):
        run(clip, tmp_path / "store")
    assert rows(tmp_path / "store") == []


def test_missing_clips_are_rows_too(tmp_path):
    gone = ClipInput(
        path=tmp_path / "gone.mp4", name="gone.mp4", split="test", identity="anna", missing="gone.mp4 is absent"
    )
    task = Job(out=tmp_path / "store", settings=SETTINGS, face_model="head")
    (record,) = runner.run_stages(NAMES, [gone], task)
    assert (record.status, record.reason, record.split) == ("missing", "gone.mp4 is absent", "test")
    before = (tmp_path / "store" / "manifest.sqlite").read_bytes()
    assert runner.run_stages(NAMES, [gone], task) == [record]
    assert (tmp_path / "store" / "manifest.sqlite").read_bytes() == before
    write_clip(tmp_path / "gone.mp4", walk(3))
    (record,) = runner.run_stages(NAMES, [replace(gone, missing="")], task)
    assert record.status == "ok"


def test_retry_tries_quarantined_clips_again(tmp_path, squares, ran):
    (tmp_path / "raw").mkdir()
    write_clip(tmp_path / "raw" / "a.mp4", walk(4))
    write_image(tmp_path / "raw" / "b.png", picture())
    prepare(tmp_path / "raw", tmp_path / "store", size=32, workers=1)
    ran.clear()
    prepare(tmp_path / "raw", tmp_path / "store", size=32, workers=1)
    assert ran == []
    prepare(tmp_path / "raw", tmp_path / "store", size=32, workers=1, retry=True)
    assert ran == ["probe", "cuts", "track"]


def test_a_retry_that_cannot_begin_loses_no_reason(tmp_path, squares):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_clip(tmp_path / folder / f"{folder}.mp4", walk(4))
        write_image(tmp_path / folder / f"{folder}.png", picture())
        prepare(tmp_path / folder, tmp_path / "store", size=32, workers=1)
    before = list(Store(tmp_path / "store").scan())
    assert [row.status for row in before].count("quarantined") == 2
    with pytest.raises(ReenactError, match="is for --engine ray"):
        prepare(tmp_path / "one", tmp_path / "store", size=32, workers=1, retry=True, ray_address="10.0.0.1:6379")
    assert list(Store(tmp_path / "store").scan()) == before
    prepare(tmp_path / "one", tmp_path / "store", size=32, workers=1, retry=True)
    assert [row.reason for row in Store(tmp_path / "store").scan()] == [row.reason for row in before]


def test_status_counts_by_split_and_gathers_reasons(tmp_path, clip, capsys, monkeypatch):
    monkeypatch.setattr("reenact.data.prepare.report.MOST_ROWS", 3)
    monkeypatch.setenv("COLUMNS", "160")
    run(clip, tmp_path / "store")
    for number in range(3):
        absent = ClipInput(
            path=tmp_path, name=f"v{number}", split="test", identity="berta", missing=f"video v{number}.mp4 is absent"
        )
        runner.run_stages(NAMES, [absent], Job(out=tmp_path / "store", settings=SETTINGS, face_model="head"))
    prepare(status=tmp_path / "store")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["test", "3", "0", "0", "0", "3", "0"] in lines
    assert ["train", "1", "1", "1", "0", "0", "6"] in lines
    assert ["3", "missing", "video", "...", "is", "absent", "v0:", "video", "v0.mp4", "is", "absent"] in lines
