"""Inputs of metrics: frames, and the readings of networks."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from math import isfinite
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.portrait import to_bytes
from reenact.metrics.memory import Memory, rows_of

WIDEST = 1.5
"""Values beyond this are no picture in [-1, 1] that a network overshot, but a picture in another range."""

Reading = TypeVar("Reading", covariant=True)


class Reader(Protocol[Reading]):
    """A network or library that reads pictures; no part of any module tree, so that it is in no checkpoint."""

    @property
    def name(self) -> str:
        """Label of the numbers of this reader."""

    def __call__(self, image: Tensor, /) -> Reading:
        """Read pictures (B, 3, H, W) in [-1, 1]: a tensor with rows, a list, or a dataclass of such."""


Whole = TypeVar("Whole")
Piece = TypeVar("Piece")


@dataclass(frozen=True, eq=False)
class Part(Generic[Whole, Piece]):
    """One piece of what a reader says; the reader looks once for all its pieces.

    A reader of its own where frames are looked at through `Frames.read`.
    """

    name: str
    """Label of the numbers of this reader."""
    whole: Reader[Whole]
    """The reader that looks."""
    take: Callable[[Whole], Piece]
    """Gets the piece from what it says."""

    def __call__(self, image: Tensor) -> Piece:
        """Read pictures (B, 3, H, W) in [-1, 1]."""
        return self.take(self.whole(image))


@dataclass(frozen=True, eq=False)
class Chain(Generic[Whole, Piece]):
    """A reader that needs what another said: a network that is shown the face where a detector found it.

    The first looks once for all that need it.
    """

    name: str
    """Label of the numbers of this reader."""
    first: Reader[Whole]
    """The reader that looks first."""
    then: Callable[[Tensor, Whole], Piece]
    """Reads the pictures, and what the first said of them."""

    def __call__(self, image: Tensor) -> Piece:
        """Read pictures (B, 3, H, W) in [-1, 1]."""
        return self.then(image, self.first(image))


class Frames:
    """B pictures, as an 8-bit file would keep them, and what was read in them: each reader looks once.

    Pictures that are equal to the bit are read once, and those that a memory knows not at all.

    Args:
        image: (B, 3, H, W) in [-1, 1]; values a little beyond are clamped.
        name: What to call them in messages.
        mask: (B, 1, H, W) share of each pixel that shows the person, for metrics of the person alone.

    Raises:
        ReenactError: if a value is no number, or the range is another.
    """

    memory: Memory | None = None
    """Readings of earlier pictures, for real pictures that come again."""

    def __init__(self, image: Tensor, name: str = "the frames", mask: Tensor | None = None) -> None:
        check_values(image, name)
        self.mask = mask
        self.name = name
        self.given = image
        """The pictures as they came."""
        self._readings: dict[int, tuple[object, Any]] = {}

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.given)

    @cached_property
    def bytes(self) -> Tensor:
        """(B, 3, H, W) uint8, rounded."""
        # one picture at a time stays in a processor's cache
        return torch.stack([to_bytes(picture) for picture in self.given]) if len(self) else to_bytes(self.given)

    @cached_property
    def image(self) -> Tensor:
        """(B, 3, H, W) in [-1, 1], of 256 levels."""
        return self.bytes.float().div_(127.5).sub_(1)

    @cached_property
    def digests(self) -> list[builtins.bytes]:
        """One a picture, of its pixels and size."""
        pixels = self.bytes.cpu().numpy()
        size = repr(pixels.shape[1:]).encode()
        return [blake2b(picture.tobytes(), digest_size=16, key=size).digest() for picture in pixels]

    @torch.no_grad()
    def read(self, reader: Reader[Reading]) -> Reading:
        """Return a reader's output for all pictures."""
        reading = self._once(reader)
        different, place = self._different
        same: Reading = reading if len(different) == len(self) else rows_of(reading, place)
        return same

    @cached_property
    def _different(self) -> tuple[list[int], list[int]]:
        """One picture of each kind, and which of those each picture is like."""
        if self.memory is None:
            return list(range(len(self))), list(range(len(self)))
        kinds: dict[builtins.bytes, int] = {}
        place = [kinds.setdefault(digest, len(kinds)) for digest in self.digests]
        return [place.index(kind) for kind in range(len(kinds))], place

    def _once(self, reader: Reader[Any]) -> Any:  # noqa: ANN401  # a reading, as `Reader` has it
        """Return a reader's output for one picture of each kind."""
        if id(reader) not in self._readings:  # kept beside its reading, so that no other gets its number
            self._readings[id(reader)] = reader, self._remembered(reader)
        return self._readings[id(reader)][1]

    def _remembered(self, reader: Reader[Any]) -> Any:  # noqa: ANN401  # as above
        """Look at what the memory does not know; small readings go there."""
        everything = list(range(len(self._different[0])))
        if self.memory is None:
            return self._looked(reader, everything)
        digests = [self.digests[row] for row in self._different[0]]
        missing_rows = [row for row in everything if not self.memory.knows(reader, digests[row])]
        if missing_rows:
            reading = self._looked(reader, missing_rows)
            if not self.memory.keep(reader, [digests[row] for row in missing_rows], reading):
                return reading  # too large for all pictures alike, so that none was known
        return self.memory.recall(reader, digests, self.image.device)

    def _looked(self, reader: Reader[Any], rows: list[int]) -> Any:  # noqa: ANN401  # as above
        """Return a reader's output for some of the kinds."""
        different = self._different[0]
        everything = len(rows) == len(different)
        if id(reader) in self._readings:
            return rows_of(self._readings[id(reader)][1], rows)
        if isinstance(reader, Part):
            return reader.take(self._once(reader.whole) if everything else self._looked(reader.whole, rows))
        image = self.image if len(rows) == len(self) else self.image[[different[row] for row in rows]]
        if isinstance(reader, Chain):
            return reader.then(image, rows_of(self._once(reader.first), rows))
        return reader(image)


def check_values(image: Tensor, name: str) -> None:
    """Refuse pixels that are no numbers or of another range; raises `ReenactError`."""
    widest = float(torch.stack(image.aminmax()).abs().max()) if image.numel() else 0.0
    if not isfinite(widest):
        raise ReenactError(f"{name}: pixels are NaN or infinite; the training that made them diverged, go back a step")
    if widest > WIDEST:
        raise ReenactError(f"{name}: values reach {widest:.4g}, but pictures are expected in [-1, 1]; rescale them")


@dataclass(frozen=True)
class Scene:
    """B generated frames with what they are held against."""

    generated: Frames
    """Generated frames."""
    source: Frames
    """Frames of the identity and appearance that the result should have."""
    driving: Frames
    """Frames of the motion that the result should have."""
    same_identity: bool
    """True where the driving frames show the source's person, so that they are the target pixel for pixel."""

    @property
    def target(self) -> Frames:
        """The wanted result.

        Raises:
            ReenactError: in cross-reenactment, where no picture is the wanted one.
        """
        if not self.same_identity:
            raise ReenactError("cross-reenactment has no wanted picture; choose metrics that need none")
        return self.driving

    def part(self, rows: slice) -> Scene:
        """Some of its frames."""
        generated, source, driving = (
            Frames(frames.given[rows], frames.name, None if frames.mask is None else frames.mask[rows])
            for frames in (self.generated, self.source, self.driving)
        )
        return Scene(generated, source, driving, self.same_identity)
