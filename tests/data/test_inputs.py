"""Folders as people have them: order, files of the system, pipes, links, odd names, and stores beside the clips."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from media.made_videos import grey, number_of

from reenact.data.datamodules.voxceleb import FolderClips
from reenact.data.layouts import find_clips
from reenact.data.layouts.clip_input import MOST_NAME_BYTES
from reenact.data.prepare import job, prepare, runner
from reenact.data.prepare.inputs import open_frames
from reenact.data.prepare.naming import name_apart
from reenact.data.store.reader import Store
from reenact.data.store.writer import StoreWriter
from reenact.errors import ReenactError
from reenact.estimators.registry import FaceFinder
from reenact.media.listing import list_folder, walk_folders
from reenact.media.pictures import write_image

from .made_faces import Squares, fit_in_one_step, picture, walk, write_clip

SYSTEM_FILES = ("._f1.png", ".DS_Store", "Thumbs.db", "desktop.ini", ".hidden.mp4", "._a.mp4")


@pytest.fixture(autouse=True)
def squares(monkeypatch):
    finder = Squares()
    monkeypatch.setattr(job, "load_face_finder", lambda *_: FaceFinder(finder, finder))
    fit_in_one_step(monkeypatch)
    runner._load_tools.cache_clear()


def frames_folder(folder):
    folder.mkdir(parents=True)
    for number in range(1, 13):
        write_image(folder / f"f{number}.png", grey(number, 48, 48))
    return folder


def run(input, out):
    prepare(input, out, workers=1, size=32)
    return Store(out)


def test_frames_of_a_folder_come_in_natural_order(tmp_path):
    folder = frames_folder(tmp_path / "raw" / "id1#a")
    (clip,) = find_clips(tmp_path / "raw")
    assert [number_of(image) for image in open_frames(clip).read()] == list(range(1, 13))
    read = FolderClips(folder.parent, 48, 2).read(0, [0, 1, 9, 11]).image
    assert [round(float(i.add(1).mean()) * 127.5 / 8 - 2.5) for i in read] == [1, 2, 10, 12]


def test_files_of_the_system_are_left_out(tmp_path):
    folder = frames_folder(tmp_path / "raw" / "id1#a")
    write_clip(tmp_path / "raw" / "b.mp4", walk(3))
    for place in (folder, folder.parent):
        for name in SYSTEM_FILES:
            (place / name).write_bytes(b"not for people")
    left_out = Counter()
    clips = find_clips(tmp_path / "raw", "clips", left_out)
    assert [clip.name for clip in clips] == ["b.mp4", "id1#a"]
    assert not left_out
    assert len(list(open_frames(clips[1]).read())) == 12
    assert len(FolderClips(folder.parent, 16, 2).index.ids) == 2


def test_suffixes_that_are_passed_over_are_mentioned(tmp_path, capsys):
    write_clip(tmp_path / "raw.mp4", walk(3))
    raw = tmp_path / "raw"
    raw.mkdir()
    (tmp_path / "raw.mp4").rename(raw / "a.mp4")
    for name in ("b.xyz", "c.xyz", "notes.txt", "plain"):
        (raw / name).touch()
    run(raw, tmp_path / "store")
    assert "Left out 4 files that are no clips here: 2 .xyz, 1" in capsys.readouterr().out


@pytest.mark.parametrize("inside", ["", "frames"])
def test_a_pipe_is_one_clips_quarantine(tmp_path, inside):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_clip(raw / "a.mp4", walk(4))
    (raw / inside).mkdir(exist_ok=True)
    os.mkfifo(raw / inside / ("p.png" if inside else "p.mp4"))
    rows = {clip.name: clip for clip in run(raw, tmp_path / "store").clips(status=None)}
    pipe = rows.pop(inside or "p.mp4")
    assert pipe.status == "quarantined"
    assert "is not a file" in pipe.reason
    assert [row.status for row in rows.values()] == ["ok"]


def test_loops_of_links_end(tmp_path):
    deep = tmp_path / "raw" / "x" / "y"
    deep.mkdir(parents=True)
    (deep / "top").symlink_to(tmp_path / "raw")
    (deep / "self").symlink_to(deep)
    (tmp_path / "raw" / "z").symlink_to(deep)
    write_image(tmp_path / "raw" / "p.png", grey(1))
    assert [folder.name for folder, _ in walk_folders(tmp_path / "raw")] == ["raw", "x", "y"]
    assert [clip.name for clip in find_clips(tmp_path / "raw")] == ["p.png"]


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        (b"caf\xe9.mp4", "caf%E9.mp4", "has a name that is no UTF-8"),
        (b"n" * 246 + b".mp4", "n" * 246 + ".mp4", f"has a name of 250 bytes; shorten it to {MOST_NAME_BYTES}"),
        (b"a\\b.mp4", "a\\b.mp4", "holds a slash"),
    ],
)
def test_a_name_that_can_not_be_stored_is_one_clips_quarantine(tmp_path, name, row, reason):
    raw = tmp_path / "raw"
    raw.mkdir()
    good = write_clip(raw / "a.mp4", walk(4))
    try:
        os.link(good, os.fsencode(raw) + b"/" + name)
    except OSError:
        pytest.skip("the file system refuses the name")
    for _ in range(2):
        rows = {clip.name: clip for clip in run(raw, tmp_path / "store").clips(status=None)}
        assert rows["a.mp4"].status == "ok"
        assert rows[row].status == "quarantined"
        assert reason in rows[row].reason


def test_equal_names_of_different_files_are_different_clips(tmp_path, capsys):
    for folder, start in (("A", 40), ("B", 60)):
        (tmp_path / folder).mkdir()
        write_clip(tmp_path / folder / "take.mp4", walk(4, start))
    out = tmp_path / "store"
    run(tmp_path / "A", out)
    for _ in range(2):  # the second run finds its clip again
        rows = run(tmp_path / "B", out).clips()
        sources = {clip.source: clip for clip in rows}
        assert set(sources) == {str(tmp_path / folder / "take.mp4") for folder in "AB"}
        assert len({clip.identity for clip in rows}) == 2
        assert sources[str(tmp_path / "A" / "take.mp4")].name == "take.mp4"
    name = sources[str(tmp_path / "B" / "take.mp4")].name
    assert f"is stored as {name}" in capsys.readouterr().out.replace("\n", "")
    images = [Store(out).read(clip, [0]).image for clip in rows]
    assert np.abs((images[0] - images[1]).numpy()).max() > 0.5 or not np.array_equal(*images)


def test_equal_names_of_runs_that_begin_at_once_are_different_clips(tmp_path):
    for folder, start in (("A", 40), ("B", 60)):
        (tmp_path / folder).mkdir()
        write_clip(tmp_path / folder / "take.mp4", walk(4, start))
    settings = job.Settings(face_model="head", landmarks="dlib", crop="fomm", size=32)
    writer = StoreWriter(tmp_path / "store", job.store_info(settings))
    for _ in range(2):  # also where a run goes on before its clip is finished
        first, second = (name_apart(find_clips(tmp_path / folder), writer, settings)[0] for folder in "AB")
        assert first.name == "take.mp4"
        assert second.name.startswith("take-")
        assert first.identity != second.identity
    (tmp_path / "A").rename(tmp_path / "C")
    assert name_apart(find_clips(tmp_path / "C"), writer, settings)[0].name == "take.mp4"


def test_a_file_that_moved_keeps_its_name(tmp_path):
    (tmp_path / "A").mkdir()
    write_clip(tmp_path / "A" / "take.mp4", walk(4))
    before = run(tmp_path / "A", tmp_path / "store").clips()
    (tmp_path / "A").rename(tmp_path / "B")
    assert run(tmp_path / "B", tmp_path / "store").clips() == before


def test_a_store_inside_of_its_input_is_no_person(tmp_path):
    write_image(tmp_path / "a.png", picture((30, 30)))
    for _ in range(2):
        assert [clip.name for clip in run(tmp_path, tmp_path / "store").clips(status=None)] == ["a.png"]
    with pytest.raises(ReenactError, match="is a prepared store; give the videos"):
        run(tmp_path / "store", tmp_path / "other")


def test_a_folder_that_can_not_be_listed_is_refused(tmp_path):
    with pytest.raises(ReenactError, match="can't be listed"):
        list_folder(tmp_path / "absent")


def test_a_face_that_lies_on_its_side_is_refused(tmp_path, monkeypatch):
    detect = Squares.detect
    monkeypatch.setattr(Squares, "detect", lambda *words: [replace(box, roll=90.0) for box in detect(*words)])
    write_image(tmp_path / "a.png", picture((30, 30)))
    with pytest.raises(ReenactError, match="lies on its side; turn the picture or video upright"):
        run(tmp_path / "a.png", tmp_path / "store")
