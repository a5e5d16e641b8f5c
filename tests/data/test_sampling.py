from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from reenact.data.clips import StoreClips
from reenact.data.pairs.drawn_pairs import cross_pairs, self_pairs
from reenact.data.pairs.samplers import EpochSampler, RankSampler
from reenact.data.pairs.samples import collate, mirror
from reenact.data.pairs.sampling import TestPairs, TrainingPairs
from reenact.data.store.clip_table import ClipIndex
from reenact.data.store.reader import Store
from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.landmarks import MIRROR, mirror_landmarks
from reenact.faces.portrait import Portrait
from reenact.faces.registry import load_face_model

from .made_store import SIZE, made_store


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    store = Store(made_store(tmp_path_factory.mktemp("sampling") / "store", identities=5, clips=3, split="train"))
    return StoreClips(store, store.table.index("train", 2), SIZE)


def what(pair):
    source, driving = pair.source, pair.driving
    mirrored = bool(source.params.mirrored)
    return source.clip[0], int(source.frame), driving.clip[0], driving.frame.flatten().tolist(), mirrored


def test_a_sample_depends_on_seed_and_number_alone(clips):
    first, again, other = (TrainingPairs(clips, seed, 0.5) for seed in (3, 3, 4))
    numbers = [0, 7, 1000, 7]
    seen = [what(first[number]) for number in numbers]
    assert seen == [what(again[number]) for number in reversed(numbers)][::-1]
    assert seen[1] == seen[3]
    assert [what(first[n]) for n in range(20)] != [what(other[n]) for n in range(20)]


def test_pairs_are_two_frames_of_one_clip_and_identities_are_balanced(clips):
    pairs = TrainingPairs(clips, 0, 0.5)
    seen = [what(pairs[number]) for number in range(100)]
    assert all(source == driving and frame != frames[0] for source, frame, driving, frames, _ in seen)
    assert set(Counter(source[:2] for source, *_ in seen).values()) == {20}
    assert len({source for source, *_ in seen}) == 15
    assert 30 < sum(mirrored for *_, mirrored in seen) < 70
    orders = {tuple(source[:2] for source, *_ in seen[k : k + 5]) for k in range(0, 100, 5)}
    assert len(orders) > 10


def test_clips_are_frames_in_a_row(clips):
    pair = TrainingPairs(clips, 0, 0.0, Contents(clip_length=6))[4]
    assert pair.driving.image.shape == (6, 3, SIZE, SIZE)
    assert pair.driving.params.camera.shape == (6, 3)
    frames = pair.driving.frame.tolist()
    assert frames == list(range(frames[0], frames[0] + 6))
    batch = collate([pair, pair])
    assert batch.driving.image.shape == (2, 6, 3, SIZE, SIZE)
    assert batch.driving.clip == pair.driving.clip * 2
    assert batch.source.image.shape == (2, 3, SIZE, SIZE)


def test_ranks_and_epochs_share_no_sample(clips):
    pairs = TrainingPairs(clips, 0, 0.5)
    done = [0]
    samplers = [EpochSampler(pairs, 24, rank, 3, lambda: done[0]) for rank in range(3)]
    seen = []
    for done[0] in (0, 8):
        for sampler in samplers:
            numbers = list(sampler)
            assert len(numbers) == len(sampler) == 8
            seen += numbers
    assert sorted(seen) == list(range(48))


def test_no_clip_is_refused(clips):
    empty = StoreClips(clips._prepared, ClipIndex(*(np.zeros(0, np.int64) for _ in range(3))), SIZE)
    with pytest.raises(ReenactError, match="No clip has the 8 frames"):
        TrainingPairs(empty, 0, 0.5, Contents(clip_length=8))


def test_lists_of_test_pairs(clips):
    index = clips.index
    rows = self_pairs(index, 40, seed=1).table
    assert np.array_equal(rows, self_pairs(index, 40, seed=1).table)
    assert not np.array_equal(rows, self_pairs(index, 40, seed=2).table)
    assert (rows[:, 0] == rows[:, 2]).all()
    assert (rows[:, 1] != rows[:, 3]).all()
    assert np.array_equal(rows[0::2, [1, 3]], rows[1::2, [3, 1]])
    assert len(np.unique(rows[:30, 0])) == 15
    identity = dict(zip(index.ids.tolist(), index.identities.tolist(), strict=True))
    crossed = cross_pairs(index, 40, seed=1).table
    assert len(crossed) == 40
    assert all(identity[source] != identity[driving] for source, _, driving, _ in crossed.tolist())
    one = ClipIndex(index.ids[:3], index.identities[:3], index.num_frames[:3])
    assert cross_pairs(one, 40, seed=1).table.shape == (0, 4)


def test_test_pairs_are_what_the_list_says(clips):
    pairs = cross_pairs(clips.index, 5, seed=0)
    sample = TestPairs(clips, pairs)[3]
    assert [int(sample.source.frame), int(sample.driving.frame)] == pairs.table[3, [1, 3]].tolist()
    assert not sample.same_identity
    assert sample.source.params.mirrored is None


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_share_test_pairs_without_repeating_any(clips, world):
    pairs = TestPairs(clips, self_pairs(clips.index, 7, seed=1))
    samplers = [RankSampler(pairs, rank, world) for rank in range(world)]
    shares = [list(sampler) for sampler in samplers]
    assert sorted(number for share in shares for number in share) == list(range(7))
    assert [len(share) for share in shares] == [len(sampler) for sampler in samplers]


def test_landmark_mirror_is_its_own_inverse():
    points = torch.rand(3, 68, 2)
    assert sorted(MIRROR) == list(range(68))
    assert torch.allclose(mirror_landmarks(mirror_landmarks(points, 9.0), 9.0), points, atol=1e-5)


def test_mirrored_portrait_agrees_with_the_mirrored_mesh():
    head = load_face_model("head")
    generator = torch.Generator().manual_seed(0)
    params = head.neutral(2)
    params.shape += 0.7 * torch.randn(params.shape.shape, generator=generator)
    params.expression += 0.5 * torch.randn(params.expression.shape, generator=generator)
    params.global_pose += 0.3 * torch.randn(2, 3, generator=generator)
    points = (head.landmarks68(head.posed(params))[..., :2] + 1) * SIZE / 2
    image = torch.rand(2, 3, SIZE, SIZE, generator=generator)
    mirrored = mirror(Portrait(image, params, points), True)
    assert torch.equal(mirrored.image, image.flip(-1))
    expected = (head.landmarks68(head.posed(mirrored.params))[..., :2] + 1) * SIZE / 2
    # the head's landmarks are symmetric up to the choice of triangle
    assert (mirrored.landmarks - expected).abs().max() < 0.02 * SIZE
    assert (mirrored.landmarks - points).abs().max() > 0.1 * SIZE
    kept = mirror(Portrait(image, params, points), False)
    assert torch.equal(kept.landmarks, points)
    assert kept.params.mirrored.tolist() == [False, False]
