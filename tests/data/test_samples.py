"""Samples have the form and the parts that a method needs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from reenact.cli.data_needs import check_needs
from reenact.data.clips import StoreClips
from reenact.data.datamodules.clips import Clips
from reenact.data.pairs.drawn_pairs import choose_clips, cross_pairs
from reenact.data.pairs.frames import count_least_frames, draw_frames
from reenact.data.pairs.samples import collate, mirror
from reenact.data.pairs.sampling import TestPairs, TrainingPairs
from reenact.data.store.reader import Store
from reenact.data.synthetic.clips import SyntheticClips
from reenact.errors import ReenactError
from reenact.faces.contents import EVERYTHING, Contents
from reenact.world.renderer import World

from .counted_clips import CountedClips, CountedData
from .made_store import SIZE, made_store


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("samples") / "store", identities=6, split="train")


@pytest.fixture(scope="module")
def store_clips(root):
    store = Store(root)
    return StoreClips(store, store.table.index("train", 2), SIZE)


def equal(first, second):
    assert first is not None
    assert second is not None
    return all(
        (one is None and other is None) or torch.equal(one, other)
        for one, other in zip(vars(first).values(), vars(second).values(), strict=True)
    )


def test_missing_parts_are_told_in_words():
    needs = Contents(params=True, texture=True, mask=True, clip_length=8, window=3)
    assert needs.find_missing(Contents(params=True)) == ["texture", "masks"]
    assert needs.find_missing(EVERYTHING) == ["masks"]
    assert Contents().find_missing(Contents()) == []
    assert Contents.from_arrays(("shape", "expression", "light")) == Contents(params=True, light=True)


@pytest.mark.parametrize("frames", [[0, 11], [5, 1, 5], [6]])
@pytest.mark.parametrize("kind", ["store", "world", "memory"])
def test_a_window_holds_the_parameters_of_the_frames_around(store_clips, kind, frames):
    world, memory = SyntheticClips(0, range(2), 1, 12, 16), CountedClips(0, 1, 4)
    clips = {"store": store_clips, "world": world, "memory": memory}[kind]
    portraits = clips.read(0, frames, 2)
    assert equal(portraits[:].params, clips.read(0, frames).params)
    assert portraits.window.camera.shape == (len(frames), 5, 3)
    for row, frame in enumerate(frames):
        around = [min(max(frame + step, 0), 11) for step in range(-2, 3)]
        assert equal(portraits.window[row], clips.read(0, around).params)
    assert clips.read(0, frames).window is None


def test_no_frame_of_a_window_is_drawn(monkeypatch):
    clips = SyntheticClips(0, range(2), 1, 12, 16)
    drawn = []
    monkeypatch.setattr(World, "sequence", lambda self, who, clip, frames, size: drawn.extend(frames) or _drawn(frames))
    clips.read(0, [3], 2)
    assert drawn == [3]


def _drawn(frames):
    params = World(0).params(0, 0, frames)
    return np.zeros((len(frames), 16, 16, 3), np.uint8), params, np.zeros((len(frames), 68, 2), np.float32)


FORMS = [
    Contents(),
    Contents(clip_length=5),
    Contents(clip_length=4, clip_stride=3),
    Contents(clip_length=6, clip_stride=0),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("distance", [0, 1, 4])
def test_frames_keep_stride_and_distance(form, distance):
    least = count_least_frames(form, distance)
    sources, firsts = set(), set()
    for number in range(200):
        for length in (least, 30):
            source, *driving = draw_frames(length, form, distance, np.random.default_rng([number, length]))
            assert 0 <= source < length
            assert 0 <= driving[0] <= driving[-1] < length
            steps = np.diff(driving)
            assert len(driving) == form.clip_length
            assert (steps == form.clip_stride).all() if form.clip_stride else (steps > 0).all()
            assert min(abs(source - frame) for frame in driving) >= (distance or form.clip_length == 1)
        sources.add(source)
        firsts.add(driving[0])
    assert len(sources) > 25
    assert len(firsts) > 10


def test_clips_shorter_than_a_sample_are_left_out_of_training_alone():
    data = CountedData(num_test_pairs=20)
    data.serve(Contents(clip_length=12, clip_stride=1))
    pairs = data.train_dataloader().dataset
    assert {pairs[number].driving.clip[0] for number in range(60)} == {"p0#0", "p1#2", "p2#4", "p2#5", "p3#7", "p4#8"}
    assert [len(pairs[number].driving.image) for number in range(3)] == [12, 12, 12]


SHORT_TEST = 1
"""A seed whose held-out people have clips of 12 or 13 frames."""


def test_the_length_of_samples_changes_no_split(root):
    splits = []
    for length in (1, 14):
        data = Clips(root, size=16, num_workers=0, held_out=0.4, seed=SHORT_TEST)
        data.serve(Contents(clip_length=length))
        splits.append([clips.index for clips in (data.train_clips(), data.test_clips())])
    (train, test), (long_train, long_test) = splits
    assert test.num_frames.min() < 14 < train.num_frames.max()
    assert test.ids.tolist() == long_test.ids.tolist()
    assert set(long_train.ids) < set(train.ids)
    assert (long_train.num_frames >= 14).all()


def test_training_takes_some_clips_of_many_people():
    index = CountedClips(0, 5, 4).index
    chosen = choose_clips(index, 6, seed=1)
    assert chosen.ids.tolist() == choose_clips(index, 6, seed=1).ids.tolist() != choose_clips(index, 6, 2).ids.tolist()
    assert set(chosen.ids) < set(index.ids)
    assert np.unique(chosen.identities).tolist() == [0, 1, 2, 3, 4]
    pairs = TrainingPairs(CountedClips(0, 5, 4), 1, 0.0, most_clips=6)
    names = {f"p{clip // 2}#{clip}" for clip in chosen.ids.tolist()}
    assert {pairs[number].source.clip[0] for number in range(60)} == names
    few = CountedData(train_clips=3, seed=1).train_dataloader().dataset
    assert len({few[number].source.clip[0] for number in range(30)}) == 3


def test_pairs_of_every_loader_carry_windows():
    data = CountedData(num_val_pairs=4, pairs_per_epoch=6)
    data.serve(Contents(params=True, window=3, mirrors=False))
    for loader in (data.train_dataloader(), *data.val_dataloader().values()):
        batch = next(iter(loader))
        for portrait in (batch.source, batch.driving):
            assert portrait.window.camera.shape == (len(portrait.image), 7, 3)
            assert equal(portrait.window[:, 3], portrait.params)


def test_pairs_are_mirrored_unless_the_method_reads_coefficients():
    data = CountedData()
    data.serve(Contents())
    assert data.flip == 0.5
    data.serve(Contents(mirrors=False))
    assert data.flip == 0.0
    CountedData(flip=0.0).serve(Contents(mirrors=False))
    with pytest.raises(ReenactError, match=r"--data.flip 0.25 mirrors .* set --data.flip 0$"):
        CountedData(flip=0.25).serve(Contents(params=True, mirrors=False))


def test_landmarks_that_nobody_needs_are_not_read(root):
    for needed in (True, False):
        data = Clips(root, size=16, num_workers=0)
        data.serve(Contents(params=True, landmarks=needed))
        for clips in (data.train_clips(), data.test_clips()):
            portraits = clips.read(int(clips.index.ids[0]), [1, 3])
            assert (portraits.landmarks is not None) is needed
            assert portraits.params is not None


def test_a_mirrored_portrait_has_a_mirrored_mask_and_a_marked_window():
    portraits = CountedClips(0, 1, 4).read(0, [2, 5], 1)
    portraits.mask = torch.arange(32, dtype=torch.uint8).reshape(2, 1, 4, 4)
    turned = mirror(portraits, True)
    assert torch.equal(turned.mask, portraits.mask.flip(-1))
    assert turned.window.mirrored.tolist() == [[True] * 3] * 2
    assert turned.params.mirrored.tolist() == [True] * 2
    assert torch.equal(mirror(portraits, False).mask, portraits.mask)


def test_the_mask_of_the_world_shows_the_person():
    clips = SyntheticClips(0, range(2), 1, 12, 32, Contents(mask=True))
    portraits = clips.read(1, [0, 7])
    assert portraits.landmarks is None
    assert portraits.mask.shape == (2, 1, 32, 32)
    frame = World(0).render(1, 0, 7, 32)
    inside, outside = portraits.mask[1, 0].numpy()[frame.foreground], portraits.mask[1, 0].numpy()[~frame.foreground]
    assert inside.mean() > 245
    assert outside.mean() < 10
    unit = portraits.normalised().mask
    assert unit.dtype == torch.float32
    assert (unit.min(), unit.max()) == (0, 1)
    assert SyntheticClips(0, range(2), 1, 12, 32).read(1, [0]).mask is None


def test_portraits_with_windows_and_masks_collate():
    clips = CountedClips(0, 5, 4)
    pairs = TestPairs(clips, cross_pairs(clips.index, 4, 0), Contents(window=2))
    batch = collate([pairs[0], pairs[1]])
    assert batch.driving.window.shape.shape == (2, 5, 3)


def test_masks_that_no_portrait_has_come_from_prepare_or_the_world(root):
    method = SimpleNamespace(needs=Contents(params=True, mask=True))
    with pytest.raises(
        ReenactError, match=r"needs masks of every portrait .*: reenact prepare FOLDER --masks .* world"
    ):
        check_needs(method, Clips(root), "test")
