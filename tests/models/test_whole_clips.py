"""Methods of clips are tested on whole clips as `animate` plays them, on the pairs of all other methods."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from data.counted_clips import CountedData
from torch import Tensor

from reenact.apps.galleries import FolderGallery
from reenact.apps.matches import by_pairs
from reenact.callbacks.metric_suite import MetricSuite
from reenact.callbacks.pictures import STRIP, name_rows, picture_columns
from reenact.callbacks.predictions import PredictedPictures
from reenact.data.pairs.lists import NamedPair, write_pairs
from reenact.faces.contents import Contents
from reenact.faces.fields import TensorFields
from reenact.models.common.base import Reenactment, Reenactor, SourceState
from reenact.models.common.module import ReenactmentModule

LENGTH = 12
LISTED = [
    NamedPair("p5#0", 3, "p5#0", None),
    NamedPair("p6#2", 0, "p6#3", None),
    NamedPair("p7#4", 1, "p7#4", 6),
    NamedPair("p5#1", 0, "p7#5", 1),
]
"""Clips of 30 and 100 frames as wholes, one frame of a clip of 9, one of a clip of 15."""


@dataclass
class Level(TensorFields):
    value: Tensor


class Centred(Reenactor[SourceState, Level]):
    """A method of clips: a frame's brightness above the mean of the whole video."""

    needs = Contents(clip_length=LENGTH)
    parts: ClassVar = {}

    def encode(self, source):
        return SourceState(self.read(source))

    def read(self, driving):
        return Level(driving.image.mean((-3, -2, -1)))

    def retarget(self, state, driving, transfer, reference=None):
        return Level(driving.value - reference.value)

    def perform(self, state, motion, random=None):
        return Reenactment(motion.value[..., None, None, None].expand(*motion.value.shape, 3, 4, 4))

    def play(self, frames, progress=None, work=None):
        motions = [motion for _, motion in frames]
        assert {len(motion.value) for motion in motions[:-1]} <= {8}
        whole = Level.cat(motions).value
        yield self.perform(None, Level(whole - whole.mean()))


def serve(tmp_path, listed: bool, length: int = LENGTH) -> CountedData:
    write_pairs(tmp_path / "pairs.csv", LISTED)
    data = CountedData(num_test_pairs=12, pairs=tmp_path / "pairs.csv" if listed else None)
    data.serve(Contents(clip_length=length))
    return data


def describe_pairs(loader):
    return [
        (batch.source.clip[row], int(batch.source.frame[row]), batch.driving.clip[row], int(batch.driving.frame[row]))
        for batch in loader
        for row in range(len(batch.source.clip))
    ]


def test_drawn_pairs_are_those_of_methods_of_pictures(tmp_path):
    clips, pictures = (serve(tmp_path, False, length).test_dataloader() for length in (LENGTH, 1))
    for name in ("self", "cross"):
        assert describe_pairs(clips[name]) == describe_pairs(pictures[name])
        for batch in clips[name]:
            around = batch.around.frame[0].tolist()
            count = min(LENGTH, _length_of(batch.driving.clip[0]))
            assert around == list(range(around[0], around[0] + count))
            assert int(batch.driving.frame) in around
            assert torch.equal(batch.around.image[0, around.index(int(batch.driving.frame))], batch.driving.image[0])


def _length_of(name: str) -> int:
    clips = CountedData().test_clips()
    return clips.index.count_frames(clips.find(name))


def test_listed_clips_are_driven_to_their_last_frame(tmp_path):
    loaders = serve(tmp_path, True).test_dataloader()
    frames = {
        name: [(batch.driving.frame.flatten().tolist(), batch.around is None) for batch in loader]
        for name, loader in loaders.items()
    }
    whole = [_length_of(name) for name in ("p5#0", "p6#3")]
    assert frames["self"][:2] == [(list(range(count)), True) for count in whole]
    assert frames["self"][2] == ([6], False)
    assert frames["cross"] == [([1], False)]


@pytest.mark.parametrize("loader", ["self", "cross"])
@pytest.mark.parametrize("listed", [True, False])
def test_results_are_those_of_the_played_video(tmp_path, loader, listed):
    module = ReenactmentModule(Centred(), {})
    for batch in serve(tmp_path, listed).test_dataloader()[loader]:
        batch = batch.normalised()
        image = module.test_step(batch, 0).image
        clip = batch.driving if batch.around is None else batch.around
        levels = clip.image[0].mean((-3, -2, -1))
        expected = levels - levels.mean()  # the first frame, the reference of another person's motion, cancels out
        if batch.around is not None:
            expected = expected[clip.frame[0] == batch.driving.frame]
        assert image.shape == (batch.driving.image.shape if batch.around is None else (1, 3, 4, 4))
        torch.testing.assert_close(image[..., 0, 0, 0].flatten(), expected)


def test_every_frame_of_a_clip_is_scored_and_the_extreme_ones_are_drawn(tmp_path):
    (batch, *_) = serve(tmp_path, True).test_dataloader()["self"]
    batch = batch.normalised()
    result = Reenactment(batch.driving.image.clone())
    count = result.image.shape[1]
    for frame in range(count):  # the last frame is the worst
        result.image[0, frame] *= 1 - 0.02 * frame
    suite = MetricSuite(["l1"], keep=2)
    suite._start(suite.choices)
    suite._score("test", "self", result, batch, "head")
    (scored,) = suite._suites.values()
    assert [row["driving_frame"] for row in scored.rows] == list(range(count))
    (extremes,) = suite._extremes.values()
    worst = [pictures["driving"][0] for _, pictures in extremes.highest]
    assert all(torch.equal(worst[place], batch.driving.image[0, count - 1 - place]) for place in range(2))
    assert torch.equal(extremes.lowest[0][1]["source"], batch.source.image)


def test_a_grid_has_a_strip_of_each_clip(tmp_path):
    (batch, *_) = serve(tmp_path, True).test_dataloader()["self"]
    batch = batch.normalised()
    columns = picture_columns(batch, Reenactment(batch.driving.image))
    frames = np.linspace(0, batch.driving.image.shape[1] - 1, STRIP).round().astype(int).tolist()
    assert torch.equal(columns["driving"], batch.driving.image[0, frames])
    assert torch.equal(columns["source"], batch.source.image.expand(STRIP, -1, -1, -1))
    assert columns["error"].max() == -1
    assert name_rows(batch) == [f"p5#0:3 > p5#0:{frame}" for frame in frames]


def test_predictions_of_a_list_are_what_evaluation_expects(tmp_path):
    data = serve(tmp_path, True)
    loaders = data.test_dataloader()
    trainer = SimpleNamespace(predict_dataloaders=loaders)
    for index, loader in enumerate(loaders.values()):
        for number, batch in enumerate(loader):
            result = Reenactment(batch.normalised().driving.image)
            PredictedPictures(tmp_path / "out").write_on_batch_end(
                trainer, None, result, [number], batch, number, index
            )
    target = ClipGallery()
    matches = by_pairs(tmp_path / "pairs.csv", LISTED, tmp_path / "out", target, target)
    gallery, placed = matches["self"]
    assert isinstance(gallery, FolderGallery)
    assert [match.first for match in placed] == [*range(_length_of("p5#0")), *range(_length_of("p6#3")), 6]
    assert placed[-2].result.startswith("000001_")
    assert [match.first for match in matches["cross"][1]] == [1]


class ClipGallery:
    """The clips of `CountedData` by name."""

    option = "--target"

    def find(self, name):
        return name

    def identity(self, name):
        return name.partition("#")[0]

    def count(self, name):
        return _length_of(name)
