"""A method of clips: every frame of a result depends on all frames of its video, the first on the last."""

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
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.parameter_driven import ParameterDriven
from reenact.models.common.portrait_module import Losses
from reenact.models.common.training import Optimisation, PlainTraining

METHOD = Method(
    name="joint_clips",
    summary="a picture whose colour follows the jaw, smooth over the whole video",
    paper="a stand-in",
    needs="face parameters of clips",
    class_path="joint_clips.method.JointClips",
    presets={"joint_clips": "clips of four frames"},
)
CONFIGS = {
    "model/joint_clips.yaml": "# Clips of four frames\nmodel: {class_path: joint_clips.method.JointClips}\n",
    "scale/tiny/joint_clips.yaml": (
        "# Seconds\ndata: {init_args: {size: 32, batch_size: 2}}\ntrainer: {max_steps: 4, limit_val_batches: 1}\n"
        "model: {init_args: {optimisation: {lr: 0.1}}}\n"
    ),
}


@dataclass
class State(SourceState):
    image: Tensor


@dataclass
class Result(Reenactment):
    change: Tensor
    """Change of the colours, of the shape of the image."""

    def pictures(self) -> dict[str, Tensor]:
        return {"change": self.change.tanh(), "result": self.image}


@dataclass(frozen=True, kw_only=True)
class Sampling:
    steps: int = 3
    """Passes of the filter over the frames."""


@dataclass(frozen=True, kw_only=True)
class Config:
    sampling: Sampling = Sampling()


class Network(ParameterDriven[State]):
    needs = Contents(params=True, clip_length=4)
    moving_source = False

    def __init__(self, face_model: str, config: Config) -> None:
        super().__init__()
        self.face_model = load_face_model(face_model)
        self.config = config
        self.colour = nn.Linear(3, 3)

    def encode(self, source: Portrait) -> State:
        return State(self.read(source), source.image)

    def perform(self, state: State, motion: FaceParams, random: object = None) -> Result:
        """Pictures (B) as they are, clips (B, T) with their frames mixed."""
        colours = self.colour(motion.jaw_pose)
        if colours.ndim == 3:
            for _ in range(self.config.sampling.steps):
                colours = mix_frames(colours)
        return self.draw(state, colours)

    def play(
        self,
        frames: Iterable[tuple[State, FaceParams]],
        progress: ReportProgress = ignore_progress,
        work: Path | None = None,
    ) -> Iterator[Result]:
        states, motions = zip(*frames, strict=True)
        assert all(state is states[0] for state in states)  # a still source
        colours = self.colour(FaceParams.cat(motions).jaw_pose)[None]
        steps = self.config.sampling.steps
        for step in range(steps):
            colours = mix_frames(colours)
            progress((step + 1) / steps)
            if work is not None:
                work.mkdir(parents=True, exist_ok=True)
                torch.save(colours, work / f"{step}.pt")
        yield self.draw(states[0], colours[0])

    def draw(self, state: State, colours: Tensor) -> Result:
        change = colours[..., None, None].expand(*colours.shape, *state.image.shape[-2:])
        image = state.image if colours.ndim == 2 else state.image[:, None]
        return Result((image + change).tanh(), change)


def mix_frames(values: Tensor) -> Tensor:
    """The mean of each of (B, T, C) frames and its neighbours; the last one is a neighbour of the first."""
    return (values.roll(1, 1) + values + values.roll(-1, 1)) / 3


class JointClips(PlainTraining, ReenactmentModule):
    method = "joint_clips"

    def __init__(
        self, face_model: str = "head", network: Config | None = None, optimisation: Optimisation | None = None
    ) -> None:
        network, optimisation = network or Config(), optimisation or Optimisation()
        arguments = {"face_model": face_model, "network": network, "optimisation": optimisation}
        super().__init__(Network(face_model, network), optimisation, arguments)

    def compute_losses(self, batch: PortraitPair) -> Losses:
        result = self(batch.source, batch.driving).image
        assert result.shape == batch.driving.image.shape
        assert result.shape[1] == 4
        return {"reconstruction": (result - batch.driving.image).abs().mean()}
