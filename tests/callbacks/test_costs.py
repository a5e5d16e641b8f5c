"""Cost of a frame: the multiplications of a network that are known, and its seconds."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from reenact.callbacks.costs import FRAMES, measure_costs
from reenact.faces.contents import Contents
from reenact.faces.fields import TensorFields
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.models.common.base import Reenactment, Reenactor, SourceState


@dataclass
class Level(TensorFields):
    value: Tensor  # (B, 1)


@dataclass
class Encoded(SourceState):
    image: Tensor


class Counted(Reenactor):
    """A thousand products to encode a source, 30 to read a driving frame, 48 to draw one."""

    needs = Contents()
    parts: ClassVar = {}

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(10, 100, bias=False)
        self.reader = nn.Linear(30, 1, bias=False)
        self.painter = nn.Conv2d(3, 1, 1, bias=False)
        self.calls = 0

    def encode(self, source):
        self.encoder(torch.zeros(1, 10))
        return Encoded(Level(torch.zeros(1, 1)), source.image)

    def read(self, driving):
        return Level(self.reader(torch.zeros(1, 30)))

    def perform(self, state, motion, random=None):
        self.calls += 1
        return Reenactment(self.painter(state.image).expand(-1, 3, -1, -1))

    def retarget(self, state, driving, transfer, reference=None):
        return driving


def test_a_frame_costs_its_reading_and_drawing():
    network = Counted()
    clip = Portrait(torch.zeros(2, 5, 3, 4, 4))
    scores = {score.label: score for score in measure_costs(network, PortraitPair(clip, clip))}
    assert round(1e9 * scores["gmacs"].value) == 30 + 3 * 4 * 4
    assert scores["seconds"].value > 0
    assert scores["seconds"].frames == FRAMES
    assert network.calls == 3 * FRAMES  # counted, warmed up, timed
