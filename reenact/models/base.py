"""The contracts that every method keeps: network, its results, its needs, and the training module around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, Literal, Self, TypeVar

from torch import Tensor, nn

from reenact.faces.fields import TensorFields
from reenact.faces.portrait import Portrait

Mode = Literal["absolute", "relative", "pose", "expression"]
"""What a driving face gives: everything as it is, its change against a reference, head pose alone, expression alone."""


@dataclass(frozen=True)
class Needs:
    """What a method reads of a portrait, checked against the data before anything starts."""

    params: bool = False
    landmarks: bool = False
    texture: bool = False
    light: bool = False
    clip_length: int = 1
    """Frames per sample; 1 means single pictures."""


@dataclass
class Reenactment(TensorFields):
    """The result of driving a source; methods add fields for what they can show of their inside."""

    image: Tensor
    """(B, 3, H, W) or (B, T, 3, H, W) in [-1, 1]."""

    def pictures(self) -> dict[str, Tensor]:
        """Named (B, 3, H, W) pictures in [-1, 1] for the picture grid, the result last."""
        return {"result": self.image}


State = TypeVar("State", bound=TensorFields)


class Reenactor(nn.Module, ABC, Generic[State]):
    """A method's network: `drive(encode(source), driving)`."""

    needs: Needs

    @abstractmethod
    def encode(self, source: Portrait) -> State:
        """Everything that depends on the source alone, computed once per source."""

    @abstractmethod
    def drive(self, state: State, driving: Portrait) -> Reenactment:
        """The source with the motion of `driving`; a state of batch 1 serves a driving batch of any size."""

    def forward(self, source: Portrait, driving: Portrait) -> Reenactment:
        """Encode and drive in one call, as training does."""
        return self.drive(self.encode(source), driving)

    def folded(self) -> Self:
        """The network for inference: same outputs, not trainable; a method that can be made faster returns a copy."""
        return self.eval().requires_grad_(False)
