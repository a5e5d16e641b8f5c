"""Base of the methods that are driven by the parameters of a face model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Reenactor, State, Transfer
from reenact.models.common.controls import Control
from reenact.models.common.face_controls import blend_parameters, list_parameter_controls, set_parameter
from reenact.models.common.retarget import FIELDS_OF_PART, OPTIONAL_PARTS, retarget
from reenact.models.common.surface import Surface


class ParameterDriven(Reenactor[State, FaceParams]):
    """Reading, retargeting and controls of a method whose motion is face parameters.

    A subclass sets `face_model` and implements `encode` and `perform`.
    """

    needs = Contents(params=True)
    parts: ClassVar[Mapping[str, tuple[str, ...]]] = FIELDS_OF_PART
    optional_parts: ClassVar[Mapping[str, tuple[str, ...]]] = OPTIONAL_PARTS
    places = ("camera",)
    face_model: FaceModel
    """The model of the parameters."""

    def read(self, driving: Portrait) -> FaceParams:
        """The face parameters; the image is not read.

        Raises:
            ReenactError: if there are none.
        """
        if driving.params is None:
            raise ReenactError(f"{type(self).__name__} needs face parameters: run `reenact prepare` on this data")
        return driving.params

    def retarget(
        self, state: State, driving: FaceParams, transfer: Transfer, reference: FaceParams | None = None
    ) -> FaceParams:
        """Retarget face parameters by `reenact.models.common.retarget.retarget`; the source keeps its shape."""
        self.check_transfer(transfer)
        source: FaceParams = state.motion  # type: ignore[assignment]  # a state holds what `read` returned
        return retarget(
            source,
            driving,
            transfer.mode,
            reference,
            transfer.strength,
            transfer.parts or tuple(self.parts),
            adapt_scale=transfer.adapt_scale,
            renormalise_scale=transfer.renormalise_scale,
        )

    def movable_parts(self) -> tuple[str, ...]:
        """Return the parts of face parameters that the face model has."""
        movable_fields = {"expression", "camera", *self.face_model.rotations}
        return tuple(part for part, fields in self.parts.items() if movable_fields.intersection(fields))

    def check_transfer(self, transfer: Transfer) -> None:
        """Refuse what no method can do, and a part that the face model lacks."""
        super().check_transfer(transfer)
        movable = (*self.movable_parts(), *self.optional_parts)
        immovable = sorted(set(transfer.parts) - set(movable))
        if immovable:
            name = self.face_model.name
            raise ReenactError(f"Face model {name} has no part {immovable[0]!r}: choose from {', '.join(movable)}")

    def pose_landmarks(self, motion: FaceParams) -> Tensor:
        """Landmarks of the posed mesh."""
        return self.face_model.landmarks68(self.face_model.posed(motion))[..., :2]

    def controls(self) -> Mapping[str, Control]:
        """Angles, camera and coefficients of the face model."""
        return list_parameter_controls(self.face_model)

    def set_control(self, state: State, motion: FaceParams, name: str, value: float) -> FaceParams:
        """Set an angle, an entry of the camera or a coefficient by `set_parameter`."""
        return set_parameter(motion, name, value, self.face_model, type(self).__name__)

    def blend_motions(self, first: FaceParams, second: FaceParams, weight: float) -> FaceParams:
        """Blend by `blend_parameters`: rotations along the shortest arc."""
        return blend_parameters(first, second, weight)

    def build_surface(self, state: State, motion: FaceParams) -> Surface:
        """The posed mesh of the face model, lit where the parameters have texture and light."""
        lit = motion.texture is not None and motion.light is not None and self.face_model.num_texture > 0
        return Surface(
            vertices=self.face_model.vertices(motion)[0],
            faces=self.face_model.faces,
            colours=self.face_model.colours(motion)[0] if lit else None,
        )
