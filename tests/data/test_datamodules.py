from __future__ import annotations

import re
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from media.made_videos import grey, make_video

from reenact.data.datamodules.clips import Clips
from reenact.data.datamodules.colours import jitter_colours
from reenact.data.datamodules.synthetic import Synthetic
from reenact.data.datamodules.voxceleb import VoxCeleb, count_frames
from reenact.data.pairs.lists import NamedPair, write_pairs
from reenact.data.store.reader import Store
from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.media.pictures import write_image

from .made_store import SIZE, made_store


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("modules") / "store", identities=4)


def seen(loader, count):
    return [(batch.source.clip, batch.source.frame.tolist(), batch.source.image) for batch in islice(loader, count)]


def equal(first, second):
    return all(a[:2] == b[:2] and torch.equal(a[2], b[2]) for a, b in zip(first, second, strict=True))


def test_what_a_store_offers(root):
    data = Clips(root, size=16, batch_size=3, num_workers=0)
    assert data.face_model == "head"
    assert data.describe() == Contents(params=True, landmarks=True)
    batch = next(iter(data.train_dataloader()))
    assert batch.source.image.shape == (3, 3, 16, 16)
    assert batch.source.image.dtype == torch.uint8
    encoded = batch.source.image
    batch = data.on_after_batch_transfer(batch, 0)
    assert torch.equal(batch.source.image, encoded.float() * (2 / 255) - 1)
    assert batch.source.image.dtype == torch.float32
    assert -1 <= batch.source.image.min() <= batch.source.image.max() <= 1
    assert batch.same_identity
    assert set(batch.source.identity) <= {"p0", "p1"}


def test_held_out_pairs_come_as_self_and_cross(root):
    loaders = Clips(root, size=16, batch_size=4, num_workers=0, num_val_pairs=6).val_dataloader()
    assert list(loaders) == ["self", "cross"]
    for name, loader in loaders.items():
        batches = list(loader)
        assert sum(len(batch.source.image) for batch in batches) == 6
        assert {identity for batch in batches for identity in batch.source.identity} == {"p2", "p3"}
        assert all(batch.same_identity == (name == "self") for batch in batches)
        assert equal(seen(loader, 2), seen(loader, 2))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_clip_is_one_sentence_from_workers_too(tmp_path, workers):
    store = Store(made_store(tmp_path / "store", identities=3))
    for clip in store.clips():
        store.arrays_path(clip.name).write_bytes(store.arrays_path(clip.name).read_bytes()[:300])
    batches = Clips(store.root, size=16, batch_size=2, num_workers=workers).train_dataloader()
    with pytest.raises(ReenactError) as error:
        list(batches)
    assert re.match(r"\S+\.safetensors of clip \S+ is damaged; prepare the clip again \(2 of 2", str(error.value))


def test_the_number_of_workers_changes_nothing(root):
    batches = [
        seen(Clips(root, size=16, batch_size=3, num_workers=workers, pairs_per_epoch=12).train_dataloader(), 4)
        for workers in (0, 2)
    ]
    assert equal(*batches)


@pytest.mark.parametrize(("identities", "held_out"), [(1, 1), (2, 1), (3, 1), (5, 2)])
def test_identities_are_held_out_of_a_store_of_one_split(tmp_path, identities, held_out):
    store = made_store(tmp_path / "store", identities, split="train")
    data = Clips(store, size=16, num_workers=0)
    train, test = (
        {
            name
            for clip, frames in zip(part.index.ids, part.index.num_frames, strict=True)
            for name in part.read(int(clip), [0]).identity
        }
        for part in (data.train_clips(), data.test_clips())
    )
    assert len(test) == held_out
    assert len(train | test) == identities
    assert identities == 1 or not train & test


def test_one_identity_gives_no_cross_loader(tmp_path):
    data = Clips(made_store(tmp_path / "store", 1, split="train"), size=16, num_workers=0)
    with pytest.warns(UserWarning, match="one identity"):
        assert list(data.val_dataloader()) == ["self"]


def test_clips_that_are_too_short(root):
    data = Clips(root)
    data.serve(Contents(clip_length=40))
    with pytest.raises(ReenactError, match="no usable train clip of 40 frames"):
        data.train_clips()


def test_colour_jitter_is_the_same_for_source_and_driving():
    image = torch.rand(3, 3, 8, 8) * 2 - 1
    batch = PortraitPair(Portrait(image), Portrait(image.clone()))
    changed = jitter_colours(batch, 0.1, np.random.default_rng(0))
    assert torch.equal(changed.source.image, changed.driving.image)
    assert not torch.allclose(changed.source.image, image, atol=0.02)
    assert changed.source.image.abs().max() <= 1
    difference = (changed.source.image - image).flatten(1).mean(1)
    assert len({round(float(value), 4) for value in difference}) == 3


def test_a_process_jitters_its_share_as_one_process_does():
    whole = torch.rand(6, 3, 8, 8) * 2 - 1
    alone = jitter_colours(PortraitPair(Portrait(whole), Portrait(whole)), 0.1, np.random.default_rng(0))
    for rank in range(3):
        share = PortraitPair(Portrait(whole[rank::3]), Portrait(whole[rank::3]))
        jittered = jitter_colours(share, 0.1, np.random.default_rng(0), rank, 3)
        assert torch.equal(jittered.driving.image, alone.driving.image[rank::3])


def test_jitter_touches_training_alone(root):
    data = Clips(root, size=16, batch_size=2, num_workers=0)
    batch = next(iter(data.train_dataloader())).normalised()
    fit_loop = SimpleNamespace(total_batch_idx=-1)
    for training, jitter, same in ((True, 0.1, False), (False, 0.1, True), (True, 0.0, True)):
        data.trainer = SimpleNamespace(training=training, global_rank=0, world_size=1, fit_loop=fit_loop)
        data.jitter = jitter
        assert (torch.equal(data.on_after_batch_transfer(batch, 0).source.image, batch.source.image)) is same


def raw_layout(root):
    for split, people in (("train", "ab"), ("test", "cd")):
        for person in people:
            (root / split).mkdir(parents=True, exist_ok=True)
            make_video(root / split / f"{person}#v1#000.mp4", 6)
            frames = root / split / f"{person}#v2#000.mp4"
            frames.mkdir()
            for number in range(5):
                write_image(frames / f"{number:07d}.png", grey(number))
    return root


def test_the_raw_layout_of_voxceleb_gives_images(tmp_path):
    data = VoxCeleb(raw_layout(tmp_path / "vox"), size=16, batch_size=2, num_workers=0, num_val_pairs=4)
    assert data.face_model == ""
    assert data.describe() == Contents()
    assert data.train_clips().index.num_frames.tolist() == [6, 5, 6, 5]
    batch = next(iter(data.train_dataloader()))
    assert batch.source.image.shape == (2, 3, 16, 16)
    assert batch.source.params is None
    assert set(batch.source.identity) <= {"a", "b"}
    assert {name for loader in data.val_dataloader().values() for b in loader for name in b.source.identity} == {
        "c",
        "d",
    }


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi", ".mov"])
def test_raw_clips_of_every_container_are_counted(tmp_path, suffix):
    clip = make_video(tmp_path / f"a{suffix}", 6, codec="libvpx" if suffix == ".webm" else "libx264")
    assert count_frames(clip) == 6


def test_a_prepared_voxceleb_gives_everything(root):
    assert VoxCeleb(root, size=SIZE).describe().params


def test_folders_in_another_layout_say_what_was_expected(tmp_path):
    (tmp_path / "id10001").mkdir()
    with pytest.raises(ReenactError, match=r"no train/ and test/ folders \(found: id10001\)"):
        VoxCeleb(tmp_path)
    with pytest.raises(ReenactError, match="is not a folder"):
        VoxCeleb(tmp_path / "nowhere")
    with pytest.raises(ReenactError, match="is not a store"):
        Clips(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 0}, "--data.size 0 must be at least 1"),
        ({"batch_size": 0}, "--data.batch_size 0 must be at least 1"),
        ({"num_workers": -1}, "--data.num_workers -1 must be at least 0"),
        ({"flip": 1.5}, "--data.flip 1.5 must be from 0 to 1"),
        ({"jitter": float("nan")}, "--data.jitter nan must be from 0 to 0.5"),
        ({"held_out": float("nan")}, "--data.held_out nan must be from 0 to 1"),
        ({"pairs_per_epoch": 0}, "--data.pairs_per_epoch 0 must be at least 1"),
        ({"num_test_pairs": 0}, "--data.num_test_pairs 0 must be at least 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(root, options, sentence):
    with pytest.raises(ReenactError, match=re.escape(sentence)):
        Clips(root, **options)


def test_fewer_test_pairs_than_processes_are_refused(root):
    data = Clips(root, size=16, num_workers=0, num_test_pairs=2)
    data.trainer = SimpleNamespace(global_rank=0, world_size=3)
    with pytest.raises(ReenactError, match="2 self pairs are too few for 3 processes"):
        data.test_dataloader()


def test_pairs_of_the_world_are_those_of_a_list(tmp_path):
    drawn = Synthetic(size=16, num_test_pairs=3, num_workers=0, batch_size=3)
    (pair,) = drawn.test_dataloader()["cross"]
    rows = zip(pair.source.clip, pair.source.frame, pair.driving.clip, pair.driving.frame, strict=True)
    chosen = [NamedPair(source, int(first), driving, int(second)) for source, first, driving, second in rows][::-1]
    write_pairs(tmp_path / "pairs.csv", chosen)
    listed = Synthetic(size=16, num_workers=0, batch_size=3, pairs=tmp_path / "pairs.csv")
    (again,) = listed.test_dataloader()["cross"]
    assert torch.equal(again.source.image, pair.source.image.flip(0))
    assert torch.equal(again.driving.image, pair.driving.image.flip(0))
