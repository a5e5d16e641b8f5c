"""Clips that vanish or break while a run goes on."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from media.made_videos import make_video

from reenact.data.datamodules.clips import Clips
from reenact.data.datamodules.voxceleb import FolderClips, VoxCeleb
from reenact.data.pairs.sampling import TrainingPairs
from reenact.data.store.reader import Store
from reenact.errors import ReenactError

from .made_store import made_store

PEOPLE = 10


@pytest.fixture
def root(tmp_path):
    return made_store(tmp_path / "store", identities=PEOPLE, clips=1, split="train")


def module(root, workers=0, **options):
    return Clips(root, size=16, batch_size=2, num_workers=workers, pairs_per_epoch=24, held_out=0.2, **options)


def drawn(loader, count=12):
    return [(batch.source.clip, batch.source.image.clone()) for batch in islice(loader, count)]


def same(first, second):
    return all(a[0] == b[0] and torch.equal(a[1], b[1]) for a, b in zip(first, second, strict=True))


def broken_clip(root):
    """Remove the pictures of a training clip; its name."""
    data = module(root)
    store, clips = Store(root), data.train_clips()
    name = store.table.names[int(clips.index.ids[3])]
    store.frames_path(name).unlink()
    return name


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_clip_is_replaced_by_the_sample_s_number_and_others_stay(root, caplog, workers):
    whole = drawn(module(root).train_dataloader())
    name = broken_clip(root)
    loader = module(root, workers).train_dataloader()
    left = drawn(loader)
    assert not any(name in clips for clips, _ in left)
    for (clips, image), (clips_left, image_left) in zip(whole, left, strict=True):
        for row, clip in enumerate(clips):
            if clip != name:
                assert clips_left[row] == clip
                assert torch.equal(image[row], image_left[row])
    assert len(loader.dataset.broken) == 1
    assert same(left, drawn(module(root).train_dataloader()))
    if not workers:
        said = [record.getMessage() for record in caplog.records]
        assert len([line for line in said if f"of clip {name} can't be read" in line]) == 2  # one for each loader
        assert "1 of 8 clips can't be read so far" in said[0]


def test_a_resumed_run_replaces_alike(root):
    broken_clip(root)
    whole = drawn(module(root).train_dataloader())
    data = module(root)
    data._samples_done = lambda: 8
    assert same(drawn(data.train_dataloader(), 8), whole[4:])


def test_more_than_the_share_ends_the_run(root):
    store = Store(root)
    for clip in store.clips():
        store.frames_path(clip.name).unlink()
    with pytest.raises(ReenactError, match=r"\(2 of 8 clips can't be read: raise --data.max_broken"):
        drawn(module(root).train_dataloader())
    with pytest.raises(ReenactError, match=r"\(1 of 8 clips"):
        drawn(module(root, max_broken=0).train_dataloader())
    with pytest.raises(ReenactError, match=r"\(5 of 8 clips"):
        drawn(module(root, max_broken=0.5).train_dataloader())
    with pytest.raises(ReenactError, match=r"--data.max_broken 0.6 must be from 0 to 0.5"):
        module(root, max_broken=0.6)


def test_validation_within_a_run_goes_on_and_a_test_does_not(root):
    data = module(root, num_val_pairs=8, num_test_pairs=8, max_broken=0.5)
    store, clips = Store(root), data.test_clips()
    store.frames_path(store.table.names[int(clips.index.ids[0])]).unlink()
    data.trainer = SimpleNamespace(global_rank=0, world_size=1, state=SimpleNamespace(fn="fit"))
    batches = list(data.val_dataloader()["self"])
    assert sum(len(batch.source.image) for batch in batches) == 8
    assert same(drawn(batches, 4), drawn(list(data.val_dataloader()["self"]), 4))
    with pytest.raises(ReenactError, match="can't be read"):
        list(data.test_dataloader()["self"])


def test_a_raw_clip_that_breaks_changes_no_other_draw(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        for person in "abcd":
            make_video(tmp_path / split / f"{person}#v#0.mp4", 6)
    before = FolderClips(tmp_path / "train", 8, 2).index
    (tmp_path / "train" / "b#v#0.mp4").write_bytes(b"no video")
    after = FolderClips(tmp_path / "train", 8, 2)
    assert np.array_equal(after.index.identities, before.identities)
    pairs = TrainingPairs(after, 0, 0.0, max_broken=0.25)
    assert {pairs[number].source.clip[0] for number in range(12)} == {f"{person}#v#0.mp4" for person in "acd"}
    assert len(pairs.broken) == 1
    assert VoxCeleb(tmp_path, size=8).max_broken == 0.02
