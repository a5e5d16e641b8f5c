from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
import torch
from media.made_videos import grey, number_of
from safetensors.numpy import load_file, save_file

from reenact.data.store import clip_files
from reenact.data.store.clip_files import PARAMS
from reenact.data.store.manifest_writer import StoreWriteError
from reenact.data.store.reader import Store, clip_stem
from reenact.data.store.root_files import MANIFEST
from reenact.data.store.writer import StoreWriter, build_failed_record
from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.portrait import to_image
from reenact.media.video import VideoReader

from .made_store import RECORD, SIZE, add_clip, made_arrays, made_store, made_writer


@pytest.fixture
def root(tmp_path):
    return made_store(tmp_path / "store")


def test_what_is_written_is_read(tmp_path):
    writer = made_writer(tmp_path / "store")
    arrays = made_arrays(12)
    record = add_clip(writer, "p#a", arrays=arrays)
    store = Store(tmp_path / "store")
    assert store.info == writer.info
    assert store.clips() == [record]
    assert store.clip("p#a") == record
    portrait = store.read(record, [3, 11, 3])
    assert portrait.identity == ["p"] * 3
    assert portrait.clip == ["p#a"] * 3
    assert portrait.frame.tolist() == [3, 11, 3]
    assert [number_of(image) for image in to_image(portrait.image)] == [3, 11, 3]
    assert np.abs(to_image(portrait.image)[1].astype(int) - grey(11, SIZE, SIZE)).max() <= 1
    assert torch.equal(portrait.landmarks, torch.from_numpy(arrays.landmarks)[[3, 11, 3]].float())
    for name in PARAMS[:7]:
        assert torch.equal(getattr(portrait.params, name), getattr(arrays.params, name)[[3, 11, 3]])
    assert portrait.params.texture is None
    carries = Contents.from_arrays(store.info.fields)
    assert (carries.params, carries.texture, carries.light) == (True, False, "light" in store.info.fields)


def test_another_size_moves_landmarks_with_the_image(root):
    store = Store(root)
    clip = store.clips()[0]
    whole, half = store.read(clip, [5]), store.read(clip, [5], size=SIZE // 2)
    assert half.image.shape[-2:] == (SIZE // 2, SIZE // 2)
    assert torch.allclose(half.landmarks * 2, whole.landmarks)
    assert torch.equal(half.params.camera, whole.params.camera)


def test_only_the_frames_asked_for_are_decoded(root, monkeypatch):
    decoded = []
    plain = clip_files.decode_frame
    monkeypatch.setattr(clip_files, "decode_frame", lambda data, side: decoded.append(len(data)) or plain(data, side))
    store = Store(root)
    store.read(store.clips()[0], [4, 9])
    assert len(decoded) == 2


def test_the_picture_file_is_a_video_that_others_play(root):
    store = Store(root)
    reader = VideoReader(store.frames_path("p0#0"))
    assert reader.fps == RECORD.fps
    assert [number_of(image) for image in reader] == list(range(12))


def test_clips_by_split_and_status(root):
    writer = made_writer(root)
    writer.put(
        build_failed_record("bad", split="train", identity="bad", source="bad.mp4", key="k", reason="shows no face")
    )
    store = Store(root)
    assert store.table.split_names == ("test", "train")
    assert [clip.name for clip in store.clips("test")] == ["p2#0", "p2#1", "p3#0", "p3#1"]
    assert [clip.reason for clip in store.clips(status="quarantined")] == ["shows no face"]
    assert len(store.clips(status=None)) == 9
    index = store.table.index("test", min_frames=15)
    assert [store.table.names[row] for row in index.ids.tolist()] == ["p3#0", "p3#1"]
    assert index.identities.tolist() == [0, 0]
    assert index.num_frames.tolist() == [15, 15]


def test_read_only_store(root):
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        store = Store(root)
        assert store.read(store.clips()[0], [0]).image.shape == (1, 3, SIZE, SIZE)
    finally:
        for path in [root, *root.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


def damage(root, how):
    video, arrays = clip_stem(root, "p0#0", ".mov"), clip_stem(root, "p0#0", ".safetensors")
    if how == "no video":
        video.unlink()
    elif how == "no arrays":
        arrays.unlink()
    elif how == "cut video":
        video.write_bytes(video.read_bytes()[:900])
    elif how == "cut arrays":
        arrays.write_bytes(arrays.read_bytes()[:500])
    elif how == "zeros":
        video.write_bytes(bytes(video.stat().st_size))
    else:
        tables = load_file(arrays)
        tables["landmarks"] = tables["landmarks"][:7]
        save_file(tables, arrays)


@pytest.mark.parametrize("how", ["no video", "no arrays", "cut video", "cut arrays", "zeros", "unequal lengths"])
def test_damage_is_named_by_clip(root, how):
    damage(root, how)
    store = Store(root)
    with pytest.raises(ReenactError, match="p0#0") as error:
        store.read(store.clip("p0#0"), [9])
    assert "\n" not in str(error.value)
    assert store.read(store.clip("p0#1"), [9]).image.shape[0] == 1


def test_frames_and_clips_that_do_not_exist(root):
    store = Store(root)
    with pytest.raises(ReenactError, match="no frame 12"):
        store.read(store.clip("p0#0"), [0, 12])
    with pytest.raises(ReenactError, match="no clip 'nobody'"):
        store.clip("nobody")


def set_schema(root, schema):
    with sqlite3.connect(root / MANIFEST) as database:
        database.execute("UPDATE store SET value = ? WHERE key = 'schema'", (str(schema),))


def test_an_older_store_is_read_and_not_written(root):
    set_schema(root, 1)
    store = Store(root)
    assert store.read(store.clips()[0], [0]).image.shape == (1, 3, SIZE, SIZE)
    with pytest.raises(ReenactError, match="of schema 1, which this version reads but does not write; prepare into"):
        made_writer(root)


def test_a_store_of_which_nothing_was_written_is_begun_again(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / MANIFEST).touch()
    add_clip(made_writer(tmp_path / "store"), "a")
    assert len(Store(tmp_path / "store").clips()) == 1


def test_another_runs_settings_are_noticed(tmp_path):
    first = made_writer(tmp_path / "store")
    second = StoreWriter(tmp_path / "store", replace(first.info, recipe={"crop": "pwm"}))
    add_clip(second, "a")
    with pytest.raises(ReenactError, match="is a store with crop pwm, not fomm;"):
        add_clip(first, "b")
    assert [clip.name for clip in Store(tmp_path / "store").scan()] == ["a"]


def test_a_digest_is_made_once_for_a_stamp(root, tmp_path):
    made = []
    writer = made_writer(root)
    for stamp in ("1", "1", "2", "2"):
        assert writer.digest(tmp_path, stamp, lambda stamp=stamp: made.append(stamp) or f"of {stamp}") == f"of {stamp}"
    assert made == ["1", "2"]


def test_what_is_no_store(root, tmp_path):
    with pytest.raises(ReenactError, match="is not a store"):
        Store(tmp_path)
    set_schema(root, 99)
    for use in (Store, made_writer):
        with pytest.raises(ReenactError, match="has schema 99, this version reads 1 to 2; update reenact"):
            use(root)
    (root / MANIFEST).write_bytes(b"not a database, but long enough to look like a file of some kind" * 20)
    with pytest.raises(ReenactError, match="damaged"):
        Store(root)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "/etc/passwd", "a\\b"])
def test_names_stay_in_the_store(tmp_path, name):
    with pytest.raises(ReenactError, match="no name for a clip"):
        clip_stem(tmp_path, name, ".mov")


def test_unequal_lengths_are_not_written(tmp_path):
    writer = made_writer(tmp_path / "store")
    with pytest.raises(ReenactError, match="12 rows of places for 11"):
        writer.add(replace(RECORD, name="a", num_frames=11), (grey(k, SIZE, SIZE) for k in range(12)), made_arrays(11))
    with pytest.raises(ReenactError, match="rows of"):
        add_clip(writer, "a", 12, arrays=made_arrays(11))
    assert not Store(tmp_path / "store").clips(status=None)
    assert not list((tmp_path / "store").rglob("*a.*"))


def test_an_interrupted_clip_leaves_no_row_and_no_file(tmp_path):
    writer = made_writer(tmp_path / "store")

    def frames():
        yield grey(0, SIZE, SIZE)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer.add(replace(RECORD, name="a", num_frames=12), frames(), made_arrays(12))
    assert not Store(tmp_path / "store").clips(status=None)
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == [MANIFEST]


def test_a_clip_is_finished_with_its_row_and_files_alone(root):
    writer = made_writer(root)
    assert writer.finished("p0#0", "key") == Store(root).clip("p0#0")
    assert writer.finished("p0#0", "other settings") is None
    assert writer.finished("p9#9", "key") is None
    damage(root, "no video")
    assert writer.finished("p0#0", "key") is None


def test_other_settings_are_refused(root):
    info = made_writer(root).info
    for change in ({"size": 64}, {"face_model": "flame"}, {"recipe": {"crop": "pwm"}}, {"fields": ("crop",)}):
        with pytest.raises(ReenactError, match=f"with {'crop' if 'recipe' in change else next(iter(change))} "):
            type(made_writer(root))(root, replace(info, **change))


def test_output_that_is_something_else(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("keep me")
    (tmp_path / "file").write_text("keep me")
    for name in ("full", "file"):
        with pytest.raises(ReenactError, match="exists and is not a store"):
            made_writer(tmp_path / name)
    assert (tmp_path / "full" / "letter.txt").read_text() == "keep me"
    with pytest.raises(ReenactError, match="can't be written"):
        made_writer(tmp_path / "file" / "store")


def test_a_full_disk_is_no_fault_of_the_clip(root, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reenact.data.store.writer.write_frames", full)
    with pytest.raises(StoreWriteError, match="No space left"):
        add_clip(made_writer(root), "p0#0")
    assert "p0#0" not in {clip.name for clip in Store(root).clips()}


def test_replacing_a_clip(root):
    add_clip(made_writer(root), "p0#0", 5)
    store = Store(root)
    assert store.clip("p0#0").num_frames == 5
    assert store.read(store.clip("p0#0"), range(5)).image.shape[0] == 5
    shutil.rmtree(root)


@pytest.mark.parametrize("statement", ["DROP TABLE clips", "DELETE FROM store WHERE key = 'size'"])
def test_a_manifest_that_lacks_something_is_refused(tmp_path, statement):
    made_store(tmp_path / "store")
    with sqlite3.connect(tmp_path / "store" / MANIFEST) as database:
        database.execute(statement)
    database.close()
    with pytest.raises(ReenactError, match="is damaged"):
        Store(tmp_path / "store").clips()
