"""Face models that don't belong to the data or the checkpoint: one sentence, exit code 2, nothing written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from data.made_store import RECORD, SIZE
from faces.made_bfm import made_bfm, write_bfm
from media.made_videos import grey

from reenact.data.prepare.job import keep_model_name
from reenact.data.store.clip_arrays import ClipArrays, list_fields
from reenact.data.store.reader import StoreInfo
from reenact.data.store.writer import StoreWriter
from reenact.errors import ReenactError
from reenact.estimators.table import list_estimators
from reenact.faces.contents import APPEARANCE_SOURCE
from reenact.faces.registry import is_same_model, load_face_model
from reenact.media.pictures import write_image
from reenact.models.pirenderer.module import PIRendererLosses, PIRendererModule
from reenact.models.pirenderer.network import PIRendererConfig
from reenact.world.renderer import World

from .conftest import save

FRAMES = 3
NETWORK = PIRendererConfig(
    code=8, warping_width=4, warping_halvings=2, warping_doublings=1, editing_width=4, editing_halvings=1, largest=8
)
DATA = "--data clips --data.size 32 --data.batch_size 2 --data.num_workers 0 --trainer.max_steps 1 --out run"
FIT = f"fit --model pirenderer --model.losses.perceptual pixels {DATA}"
TEST = f"test --model pirenderer {DATA}"
FIT_BFM = f"{FIT} --data.root bfm_store"
ANIMATE = "animate --checkpoint bfm.ckpt --source face.png --driving face.png --device cpu -o out.png"
PREPARE = "prepare raw --face-model bfm --landmarks dlib --out bfm_store"
TOY = [f"--model.network.{name}={getattr(NETWORK, name)}" for name in NETWORK.__dataclass_fields__]

Change = Callable[[dict[str, np.ndarray]], object]


def build_arrays(model_name: str, *, textured: bool) -> ClipArrays:
    model = load_face_model(model_name)
    params = model.neutral(FRAMES)
    if textured:
        texture, light = torch.zeros(FRAMES, model.num_texture), torch.zeros(FRAMES, 9, 3)
        params = replace(params, texture=texture, light=light)
    return ClipArrays(
        crop=np.array([[0.0, 0.0, SIZE, SIZE]]),
        visible=np.ones(FRAMES, np.bool_),
        landmarks=np.full((FRAMES, 68, 2), SIZE / 2, np.float32),
        params=params,
    )


def write_store(root: Path, model_name: str, *, textured: bool = True) -> None:
    """A store of three people with neutral faces; the last is the test split."""
    arrays = build_arrays(model_name, textured=textured)
    writer = StoreWriter(root, StoreInfo(load_face_model(model_name).name, SIZE, {}, list_fields(arrays)))
    for name, split in (("a#0", "train"), ("b#0", "train"), ("c#0", "test")):
        record = replace(RECORD, name=name, identity=name[0], split=split, num_frames=FRAMES)
        writer.add(record, (grey(number, SIZE, SIZE) for number in range(FRAMES)), arrays)


def save_checkpoint(path: Path, face_model: str) -> None:
    save(path, PIRendererModule(face_model, NETWORK, PIRendererLosses(perceptual="pixels")))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores and checkpoints of the head and of a Basel Face Model, and that model's file in an asset cache."""
    folder = tmp_path_factory.mktemp("face_models")
    write_bfm(folder / "home" / "bfm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REENACT_HOME", str(folder / "home"))
        name = load_face_model("bfm").name
        write_store(folder / "bfm_store", "bfm")
        write_store(folder / "head_store", "head")
        write_store(folder / "plain_store", "head", textured=False)
        save_checkpoint(folder / "bfm.ckpt", name)
        save_checkpoint(folder / "head.ckpt", "head")
    write_image(folder / "face.png", np.zeros((64, 64, 3), np.uint8))
    return folder


@pytest.fixture
def place(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The files of `built` in the working folder, the asset cache with a file of its own."""
    for path in built.iterdir():
        if path.name != "home":
            (tmp_path / path.name).symlink_to(path)
    shutil.copytree(built / "home", tmp_path / "home")
    (tmp_path / "raw").mkdir()
    shutil.copy(built / "face.png", tmp_path / "raw" / "d.png")
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def damage(place: Path, change: Change) -> None:
    """Write the Basel Face Model of the cache with a change."""
    content = dict(made_bfm())
    change(content)
    scipy.io.savemat(place / "home" / "bfm" / "BFM_model_front.mat", content)


def lose_a_vertex(content: dict[str, np.ndarray]) -> None:
    content["meanshape"] = content["meanshape"][:, 3:]


def turn_identities(content: dict[str, np.ndarray]) -> None:
    content["idBase"] = content["idBase"][:, ::-1]


CHANGES: dict[str, tuple[Change, str]] = {
    "a key": (lambda content: content.pop("exBase"), "lacks exBase"),
    "a vertex": (lose_a_vertex, "idBase has shape"),
    "another order": (turn_identities, "bfm-"),
}


@pytest.mark.parametrize("command", [" ".join([FIT_BFM, *TOY]), ANIMATE, PREPARE], ids=["fit", "animate", "prepare"])
@pytest.mark.parametrize("change", CHANGES)
def test_another_bfm_file_is_refused(place: Path, refuse: Callable[..., str], command: str, change: str) -> None:
    if command is PREPARE:
        pytest.importorskip("dlib")
    alter, sentence = CHANGES[change]
    damage(place, alter)
    before = sorted(place.iterdir())
    assert sentence in refuse(*command.split())
    assert sorted(place.iterdir()) == before


def test_a_store_that_records_one_fingerprint_keeps_its_name(place: Path) -> None:
    """Stores of earlier versions don't tell two identity bases apart, and go on to be read and extended."""
    model = load_face_model("bfm")
    short = model.name.rpartition("-")[0]
    fields = list_fields(build_arrays("bfm", textured=True))
    StoreWriter(place / "old_store", StoreInfo(short, SIZE, {}, fields))
    assert keep_model_name(place / "old_store", model.name) == short
    assert keep_model_name(place / "bfm_store", model.name) == model.name
    assert keep_model_name(place / "absent", model.name) == model.name
    assert load_face_model(short).name == model.name
    damage(place, turn_identities)
    assert load_face_model(short).name != model.name
    with pytest.raises(ReenactError, match=f"but {model.name} is asked for"):
        load_face_model(model.name)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("bfm-00000000", "bfm-00000000-11111111", True),
        ("bfm-00000000-11111111", "bfm-00000000-11111111", True),
        ("bfm-00000000-11111111", "bfm-00000000-22222222", False),
        ("bfm-00000000", "bfm-33333333-11111111", False),
        ("head", "head", True),
        ("head", "head-00000000", False),
        ("", "bfm-00000000", False),
    ],
)
def test_names_tell_face_models_apart(first: str, second: str, same: bool) -> None:
    assert is_same_model(first, second) is is_same_model(second, first) is same


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (f"{FIT} --data.root bfm_store --weights head.ckpt", "the face model head and the data has those of bfm-"),
        (f"{FIT} --data.root head_store --weights bfm.ckpt", "the data has those of head"),
        (f"{TEST} --data.root bfm_store --ckpt_path head.ckpt", "the face model head and the data has those of bfm-"),
        (f"{TEST} --data.root head_store --ckpt_path bfm.ckpt", "the data has those of head"),
        ("animate --checkpoint bfm.ckpt --driving head_store", "has parameters of the face model 'head'"),
    ],
)
def test_another_face_model_than_the_checkpoints_is_refused(
    place: Path, refuse: Callable[..., str], words: str, sentence: str
) -> None:
    options = TOY
    if words.startswith("animate"):
        pytest.importorskip("dlib")
        write_image(place / "person.png", World(0).render(1, 0, 7, 128).image)
        options = ["--source", "person.png", "--device", "cpu", "-o", "out.mp4"]
    before = sorted(place.iterdir())
    assert sentence in refuse(*words.split(), *options)
    assert sorted(place.iterdir()) == before


def test_a_store_without_texture_and_light_names_the_stage_that_writes_them(
    place: Path, refuse: Callable[..., str]
) -> None:
    sentence = refuse(*f"fit --model bfm_flow --data.root plain_store {DATA}".split())
    assert "needs texture and light of every portrait and the data has none; the stage `parameters`" in sentence
    assert "--parameters fit, deep3d, deca, emoca or deca+smirk" in sentence


def test_the_sentence_names_every_origin_of_texture() -> None:
    textured = [name for name, entry in list_estimators("regressor").items() if "texture" in entry.fields]
    *first, last = ["fit", *textured]
    assert f"--parameters {', '.join(first)} or {last}" in APPEARANCE_SOURCE
