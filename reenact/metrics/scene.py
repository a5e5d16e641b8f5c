"""What metrics look at: frames, and what networks said of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from reenact.errors import ReenactError

WIDEST = 1.5
"""Values beyond this are no picture in [-1, 1] that a network overshot, but a picture in another range."""

Reading = TypeVar("Reading", covariant=True)


class Reader(Protocol[Reading]):
    """A network or library that reads pictures; no part of any module tree, so that it is in no checkpoint."""

    @property
    def name(self) -> str:
        """What numbers made with it are labelled with."""

    def __call__(self, image: Tensor) -> Reading:
        """Read pictures (B, 3, H, W) in [-1, 1]."""


Whole = TypeVar("Whole")
Piece = TypeVar("Piece")


@dataclass(frozen=True, eq=False)
class Part(Generic[Whole, Piece]):
    """One piece of what a reader says; the reader looks once for all its pieces.

    A reader of its own where frames are looked at through `Frames.read`.
    """

    name: str
    """What numbers made with it are labelled with."""
    whole: Reader[Whole]
    """The reader that looks."""
    take: Callable[[Whole], Piece]
    """Gets the piece from what it says."""

    def __call__(self, image: Tensor) -> Piece:
        """Read pictures (B, 3, H, W) in [-1, 1]."""
        return self.take(self.whole(image))


class Frames:
    """B pictures, as an 8-bit file would keep them, and what was read in them: each reader looks once.

    Args:
        image: (B, 3, H, W) in [-1, 1]; values a little beyond are clamped.
        name: What to call them in messages.

    Raises:
        ReenactError: if a value is no number, or the range is another.
    """

    def __init__(self, image: Tensor, name: str = "the frames") -> None:
        if not torch.isfinite(image).all():
            raise ReenactError(f"{name}: pixels are NaN or infinite; look for the step at which the training diverged")
        widest = float(image.abs().max()) if image.numel() else 0.0
        if widest > WIDEST:
            raise ReenactError(f"{name}: values reach {widest:.4g}, but pictures are expected in [-1, 1]; rescale them")
        self.name = name
        self.image = image.float().clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1)
        self._readings: dict[int, tuple[object, Any]] = {}

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.image)

    @torch.no_grad()
    def read(self, reader: Reader[Reading]) -> Reading:
        """What a reader says of all pictures."""
        if isinstance(reader, Part):
            piece: Reading = reader.take(self.read(reader.whole))
            return piece
        if id(reader) not in self._readings:  # kept beside its reading, so that no other gets its number
            self._readings[id(reader)] = reader, reader(self.image)
        reading: Reading = self._readings[id(reader)][1]
        return reading


@dataclass(frozen=True)
class Scene:
    """B generated frames with what they are held against."""

    generated: Frames
    """What a method made."""
    source: Frames
    """Whose identity and appearance it should have."""
    driving: Frames
    """Whose motion it should have."""
    same_identity: bool
    """Whether the driving frames show the source's person, so that they are the wanted result pixel for pixel."""

    @property
    def target(self) -> Frames:
        """The wanted result.

        Raises:
            ReenactError: in cross-reenactment, where no picture is the wanted one.
        """
        if not self.same_identity:
            raise ReenactError("cross-reenactment has no wanted picture; choose metrics that need none")
        return self.driving
