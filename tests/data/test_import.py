"""`reenact import`: an lmdb folder, or videos with MATLAB files, become a store with their coefficients."""

from __future__ import annotations

import io
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.io
import torch
from faces.made_bfm import write_bfm
from PIL import Image

from reenact.cli import main
from reenact.data.datamodules.clips import Clips
from reenact.data.store.reader import Store
from reenact.faces.contents import Contents
from reenact.faces.registry import load_face_model
from reenact.faces.vector import MotionVector
from reenact.media.video_writer import VideoWriter

NAMES = {"train": "id1#abc#000001#000009", "test": "id2#def#000002#000007"}
FRAMES = {"train": 4, "test": 3}


def make_rows(count: int) -> np.ndarray:
    """(T, 260) rows whose numbers tell themselves apart: coefficients, and scale and place of the crop."""
    draw = np.random.default_rng(count)
    rows = draw.normal(0, 0.3, (count, 260)).astype(np.float32)
    rows[:, 254:257] = draw.uniform(-0.2, 0.2, (count, 3))
    rows[:, 257], rows[:, 258:] = draw.uniform(1.1, 1.4, count), draw.uniform(100, 150, (count, 2))
    return rows


def make_picture(number: int) -> Image.Image:
    return Image.fromarray(np.full((64, 64, 3), (20 + 40 * number, 90, 200), np.uint8))


def make_entries() -> dict[str, bytes]:
    """The entries of an lmdb as the released script writes them."""
    entries = {"length": b"0000002"}
    for split, name in NAMES.items():
        entries[f"{name}-length"] = f"{FRAMES[split]:07d}".encode()
        entries[f"{name}-coeff_3dmm"] = make_rows(FRAMES[split]).tobytes()
        for number in range(FRAMES[split]):
            stream = io.BytesIO()
            make_picture(number).save(stream, "JPEG")
            entries[f"{name}-{number:07d}"] = stream.getvalue()
    return entries


class Database:
    """As much of an lmdb environment as is read."""

    def __init__(self, entries: dict[str, bytes]) -> None:
        self.entries = entries

    def begin(self) -> Database:
        return self

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def get(self, key: bytes) -> bytes | None:
        return self.entries.get(key.decode())


@pytest.fixture(scope="module")
def bfm_file(tmp_path_factory):
    return write_bfm(tmp_path_factory.mktemp("models") / "bfm")


@pytest.fixture
def entries(tmp_path, monkeypatch):
    """A folder `root` with lists and an lmdb folder of these entries."""
    made = make_entries()
    monkeypatch.setitem(sys.modules, "lmdb", SimpleNamespace(Error=OSError, open=lambda path, **_: Database(made)))
    (tmp_path / "root" / "256").mkdir(parents=True)
    (tmp_path / "root" / "256" / "data.mdb").write_bytes(b"")
    for split, name in NAMES.items():
        (tmp_path / "root" / f"{split}_list.txt").write_text(f"{name}\n")
    monkeypatch.chdir(tmp_path)
    return made


def project_officially(vertices: np.ndarray, row: np.ndarray, side: int) -> np.ndarray:
    """(V, 2) pixels of the picture, of posed vertices in decimetres: the facts of Deep3D's alignment."""
    scale, x, y = row[257:].astype(np.float64)
    resized = int(side * scale)
    left = int(resized / 2 - 112 + (x - side / 2) * scale)
    up = int(resized / 2 - 112 + (side / 2 - y) * scale)
    points = vertices + row[254:257]
    distance = 10 - points[:, 2:]
    crop = 1015 * points[:, :2] / distance * (1, -1) + 112
    return (crop + np.array((left, up))) * side / resized


def test_an_lmdb_becomes_a_store(entries, bfm_file, capsys):
    assert main(["import", "root", "-o", "store", "--face-model", str(bfm_file), "--size", "64"]) == 0
    assert "2 of 2 clips" in capsys.readouterr().out
    store, model = Store(Path("store")), load_face_model(str(bfm_file))
    assert store.info.face_model == model.name
    assert (store.info.size, store.info.recipe["parameters"], store.info.recipe["fps"]) == (64, "deep3d", "25")
    module = Clips("store", size=64, num_workers=0)
    module.serve(Contents(params=True, texture=True, light=True, landmarks=True))
    for split, clips in (("train", module.train_clips()), ("test", module.test_clips())):
        rows = make_rows(FRAMES[split])
        portrait = clips.read(int(clips.index.ids[0]), range(FRAMES[split]))
        assert portrait.identity == [NAMES[split].partition("#")[0]] * len(rows)
        params = portrait.params
        vector = MotionVector(model).of(params).numpy()
        expected = np.concatenate([rows[:, 80:144], rows[:, 224:227], rows[:, 254:]], 1)
        np.testing.assert_allclose(vector[:, :70], expected[:, :70], atol=1e-4)
        np.testing.assert_allclose(vector[:, 70], expected[:, 70], rtol=0.005)
        np.testing.assert_allclose(vector[:, 71:], expected[:, 71:], atol=1)
        np.testing.assert_array_equal(params.texture, rows[:, 144:224])
        np.testing.assert_array_equal(params.light.mT.flatten(1), rows[:, 227:254])
        posed = (model.posed(params)[0, :, :2].numpy() + 1) * 128
        official = project_officially(10 * model.vertices(params)[0].numpy(), rows[0], 256)
        np.testing.assert_allclose(posed, official, atol=0.01)
        marks = model.landmarks68(torch.from_numpy(posed)[None])[0] / 4
        np.testing.assert_allclose(portrait.landmarks[0], marks, atol=0.01)
        red = portrait.image[:, 0].float().mean((1, 2)).numpy()
        assert (np.diff(red) > 0).all()


def read_errors(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


ROWS = f"{NAMES['train']}-coeff_3dmm"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({ROWS: bytes(4 * 4 * 262)}, "has 262 numbers a frame for 4 frames, not 260"),
        ({ROWS: bytes(4 * 4 * 257)}, "has 257 numbers a frame"),
        ({ROWS: None}, "has no entry id1#abc#000001#000009-coeff_3dmm"),
        ({f"{NAMES['train']}-length": b"many"}, "no number of frames"),
        ({ROWS: np.roll(make_rows(4), 3, axis=1).tobytes()}, "coefficients in another order"),
        ({ROWS: (make_rows(4) * np.nan).tobytes()}, "numbers that are none"),
    ],
    ids=["262", "257", "absent", "length", "order", "nan"],
)
def test_other_rows_are_refused_before_anything_is_written(entries, bfm_file, tmp_path, capsys, change, sentence):
    entries.update(change)
    assert main(["import", "root", "-o", "store", "--face-model", str(bfm_file)]) == 2
    assert sentence in read_errors(capsys)
    assert not (tmp_path / "store").exists()


def test_a_damaged_clip_is_recorded_and_tried_again(entries, bfm_file, capsys):
    picture = entries[f"{NAMES['test']}-0000001"]
    entries[f"{NAMES['test']}-0000001"] = b"no picture"
    words = ["import", "root", "-o", "store", "--face-model", str(bfm_file)]
    assert main(words) == 0
    assert "1 of 2 clips" in capsys.readouterr().out
    assert len(Store(Path("store")).table.names) == 1
    entries[f"{NAMES['test']}-0000001"] = picture
    assert main(words) == 0
    assert "2 of 2 clips" in capsys.readouterr().out
    assert len(Store(Path("store")).table.names) == 2


def test_folders_of_another_layout_are_refused(entries, bfm_file, monkeypatch, tmp_path, capsys):
    words = ["import", "root", "-o", "store", "--face-model", str(bfm_file)]
    (tmp_path / "root" / "test_list.txt").unlink()
    assert main(words) == 2
    assert "test_list.txt can't be read" in read_errors(capsys)
    assert main([*words[:-1], "head"]) == 2
    assert "--face-model head: these coefficients are of the Basel Face Model" in " ".join(
        capsys.readouterr().err.split()
    )
    monkeypatch.setitem(sys.modules, "lmdb", None)
    assert main(words) == 2
    assert "needs the package lmdb: pip install 'reenact-zoo[lmdb]'" in read_errors(capsys)
    (tmp_path / "root" / "256" / "data.mdb").unlink()
    assert main(words) == 2
    assert "root has 0 folders with data.mdb" in read_errors(capsys)


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        ("", "name no clip"),
        (f"{NAMES['test']}\n", f"root has 2 clips of the name {NAMES['test']}; rename or remove one"),
    ],
    ids=["none", "twice"],
)
def test_lists_without_names_or_with_one_twice_are_refused(entries, bfm_file, tmp_path, capsys, train, sentence):
    (tmp_path / "root" / "train_list.txt").write_text(train)
    if not train:
        (tmp_path / "root" / "test_list.txt").write_text("\n")
    assert main(["import", "root", "-o", "store", "--face-model", str(bfm_file)]) == 2
    assert sentence in read_errors(capsys)
    assert not (tmp_path / "store").exists()


@pytest.fixture
def videos(tmp_path, monkeypatch):
    """Folders `videos` and `rows` with a clip in `train`, and the content of its MATLAB file."""
    monkeypatch.chdir(tmp_path)
    for name in ("videos/train", "rows/train"):
        (tmp_path / name).mkdir(parents=True)
    with VideoWriter(tmp_path / "videos" / "train" / "id1#abc.mp4", Fraction(25), (64, 64)) as writer:
        for number in range(3):
            writer.write(np.asarray(make_picture(number)))
    rows = make_rows(3)
    places = np.concatenate([np.full((3, 2), 64.0), rows[:, 257:] * (4, 0.25, 0.25)], 1)
    return {"coeff": rows[:, :257], "transform_params": places}


def import_videos(content: dict[str, np.ndarray], bfm_file) -> int:
    scipy.io.savemat("rows/train/id1#abc.mat", content)
    words = ["import", "videos", "--coefficients", "rows", "-o", "store", "--size", "64"]
    return main([*words, "--face-model", str(bfm_file)])


def test_videos_with_matlab_files_become_a_store(videos, bfm_file):
    assert import_videos(videos, bfm_file) == 0
    clips = Clips("store", size=64, num_workers=0)
    clips.serve(Contents(params=True))
    source = clips.train_clips()
    params = source.read(int(source.index.ids[0]), [2]).params
    np.testing.assert_array_equal(params.expression[0], videos["coeff"][2, 80:144])
    model = load_face_model(str(bfm_file))
    row = np.concatenate([videos["coeff"], videos["transform_params"][:, 2:]], 1)[2]
    posed = (model.posed(params)[0, :, :2].numpy() + 1) * 32
    official = project_officially(10 * model.vertices(params)[0].numpy(), row, 64)
    np.testing.assert_allclose(posed, official, atol=0.01)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.pop("transform_params"), "lacks transform_params"),
        (lambda c: c.update(coeff=np.zeros((3, 260))), "coefficients of shape (3, 260), not (frames, 257)"),
        (lambda c: c.update(transform_params=c["transform_params"][:, 2:]), "transform_params has shape (3, 3)"),
        (lambda c: c.update(transform_params=4 * c["transform_params"]), "belongs to pictures of [256.0] pixels"),
        (lambda c: c.update(coeff=c["coeff"][:2]), "has 2 rows and videos/train/id1#abc.mp4 3 frames"),
    ],
    ids=["absent", "260", "crop", "side", "rows"],
)
def test_other_matlab_files_are_refused(videos, bfm_file, tmp_path, capsys, change, sentence):
    change(videos)
    assert import_videos(videos, bfm_file) == 2
    assert sentence in read_errors(capsys)
    assert not (tmp_path / "store").exists()
