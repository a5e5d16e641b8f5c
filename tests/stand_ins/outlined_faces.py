"""A method that reads landmarks; its motion holds face parameters inside. The source changes colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from reenact.faces.contents import Contents
from reenact.faces.fields import TensorFields
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.methods import Method
from reenact.models.common.base import Reenactment, Reenactor, SourceState, Transfer
from reenact.models.common.controls import Control
from reenact.models.common.face_controls import list_parameter_controls, set_parameter
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses
from reenact.models.common.retarget import FIELDS_OF_PART, retarget
from reenact.models.common.training import Optimisation, PlainTraining

METHOD = Method(
    name="outlined_faces",
    summary="the source in a colour that follows the landmarks",
    paper="a stand-in",
    needs="face parameters and landmarks",
    class_path="outlined_faces.method.OutlinedFaces",
    presets={"outlined_faces": "pictures"},
)
CONFIGS = {
    "model/outlined_faces.yaml": "# Pictures\nmodel: {class_path: outlined_faces.method.OutlinedFaces}\n",
    "scale/tiny/outlined_faces.yaml": (
        "# Seconds\ndata: {init_args: {size: 32, batch_size: 2}}\ntrainer: {max_steps: 2, limit_val_batches: 1}\n"
        "model: {init_args: {optimisation: {lr: 0.1}}}\n"
    ),
}


@dataclass
class Motion(TensorFields):
    outline: Tensor
    """(..., 68, 2) landmarks in pixels."""
    face: FaceParams


@dataclass
class State(SourceState):
    image: Tensor
    mask: Tensor | None


class Network(Reenactor[State, Motion]):
    needs = Contents(params=True, landmarks=True)
    parts = FIELDS_OF_PART

    def __init__(self, face_model: str) -> None:
        super().__init__()
        self.face_model = load_face_model(face_model)
        self.colour = nn.Linear(136, 3)

    def encode(self, source: Portrait) -> State:
        return State(self.read(source), source.image, source.mask)

    def read(self, driving: Portrait) -> Motion:
        assert driving.landmarks is not None
        assert driving.params is not None
        return Motion(driving.landmarks, driving.params)

    def retarget(self, state: State, driving: Motion, transfer: Transfer, reference: Motion | None = None) -> Motion:
        start = None if reference is None else reference.face
        return replace(driving, face=retarget(state.motion.face, driving.face, transfer.mode, start))

    def perform(self, state: State, motion: Motion, random: object = None) -> Reenactment:
        colour = self.colour(motion.outline.flatten(-2) / 64 + motion.face.jaw_pose.sum(-1, keepdim=True))
        return Reenactment((state.image + colour[..., None, None]).tanh())

    def pose_landmarks(self, motion: Motion) -> Tensor:
        return self.face_model.landmarks68(self.face_model.posed(motion.face))[..., :2]

    def controls(self) -> Mapping[str, Control]:
        return list_parameter_controls(self.face_model)

    def set_control(self, state: State, motion: Motion, name: str, value: float) -> Motion:
        return replace(motion, face=set_parameter(motion.face, name, value, self.face_model, "outlined_faces"))


class OutlinedFaces(PlainTraining, ReenactmentModule):
    method = "outlined_faces"

    def __init__(self, face_model: str = "head", optimisation: Optimisation | None = None) -> None:
        optimisation = optimisation or Optimisation()
        arguments = {"face_model": face_model, "optimisation": optimisation}
        super().__init__(Network(face_model), optimisation, arguments)

    def compute_losses(self, batch: PortraitPair) -> Losses:
        return {"reconstruction": (self(batch.source, batch.driving).image - batch.driving.image).abs().mean()}
