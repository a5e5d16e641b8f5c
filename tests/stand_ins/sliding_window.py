"""A method of windows: a frame of a result follows the parameters of the frames on either side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from reenact.faces.contents import Contents
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.methods import Method
from reenact.models.common.base import Reenactment, ReportProgress, SourceState, ignore_progress
from reenact.models.common.module import Losses, ReenactmentModule
from reenact.models.common.parameter_driven import ParameterDriven
from reenact.models.common.training import Optimisation, PlainTraining

METHOD = Method(
    name="sliding_window",
    summary="a picture whose colour follows the jaw over five frames",
    paper="a stand-in",
    needs="face parameters of five frames",
    class_path="sliding_window.method.SlidingWindow",
    presets={"sliding_window": "windows of five frames"},
)
CONFIGS = {
    "model/sliding_window.yaml": "# Windows of five frames\nmodel: {class_path: sliding_window.method.SlidingWindow}\n",
    "scale/tiny/sliding_window.yaml": (
        "# Seconds\ndata: {init_args: {size: 32, batch_size: 2}}\ntrainer: {max_steps: 4, limit_val_batches: 1}\n"
        "model: {init_args: {optimisation: {lr: 0.1}}}\n"
    ),
}
SIDE = 2
"""Frames on either side."""


@dataclass
class State(SourceState):
    image: Tensor


class Network(ParameterDriven[State]):
    needs = Contents(params=True, window=SIDE, mirrors=False)

    def __init__(self, face_model: str) -> None:
        super().__init__()
        self.face_model = load_face_model(face_model)
        self.colour = nn.Linear((2 * SIDE + 1) * 3, 3)

    def encode(self, source: Portrait) -> State:
        return State(super().read(source), source.image)

    def read(self, driving: Portrait) -> FaceParams:
        """The window (B, 2 SIDE + 1) where the data has it, else the frame (B)."""
        return super().read(driving) if driving.window is None else driving.window

    def perform(self, state: State, motion: FaceParams, random: object = None) -> Reenactment:
        """Windows as they are; a single frame, as of a live step, is its own neighbour."""
        if len(motion.leading) == 1:
            motion = motion.map(lambda value: value[:, None].expand(-1, 2 * SIDE + 1, *value.shape[1:]))
        change = self.colour(motion.jaw_pose.flatten(1))[..., None, None]
        return Reenactment((state.image + change).tanh())

    def play(
        self,
        frames: Iterable[tuple[State, FaceParams]],
        progress: ReportProgress = ignore_progress,
        work: Path | None = None,
    ) -> Iterator[Reenactment]:
        """Slide the window over the motions of the frames, whatever retargeting and smoothing made of them."""
        states: list[State] = []
        motions: list[FaceParams] = []
        ready = 0
        for state, motion in frames:
            count = motion.leading[0]
            still = len(state.image) == 1
            states += [state if still else state[row : row + 1] for row in range(count)]
            motions += [motion[row] for row in range(count)]
            while ready + SIDE < len(motions):
                yield self.perform(states[ready], window_of(motions, ready))
                ready += 1
        for place in range(ready, len(motions)):
            yield self.perform(states[place], window_of(motions, place))


def window_of(motions: list[FaceParams], place: int) -> FaceParams:
    """The frames (1, 2 SIDE + 1) around one, whose ends repeat. A window that the data read gives its middle frame."""
    near = [motions[min(max(place + step, 0), len(motions) - 1)] for step in range(-SIDE, SIDE + 1)]
    return FaceParams.stack([motion[SIDE] if motion.leading else motion for motion in near])[None]


class SlidingWindow(PlainTraining, ReenactmentModule):
    method = "sliding_window"

    def __init__(self, face_model: str = "head", optimisation: Optimisation | None = None) -> None:
        optimisation = optimisation or Optimisation()
        super().__init__(Network(face_model), optimisation, {"face_model": face_model, "optimisation": optimisation})

    def compute_losses(self, batch: PortraitPair) -> Losses:
        assert batch.driving.window is not None
        assert batch.driving.landmarks is None
        assert batch.driving.params is not None
        assert batch.driving.params.mirrored is None  # no pair is mirrored
        assert torch.equal(batch.driving.window.jaw_pose[:, SIDE], batch.driving.params.jaw_pose)
        return {"reconstruction": (self(batch.source, batch.driving).image - batch.driving.image).abs().mean()}
