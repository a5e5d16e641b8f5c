"""Contents of portraits and the form of a sample: data sets state what they carry, methods what they need."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import Field, dataclass, field, fields
from typing import Any, Self


def _part(label: str, array: str) -> Any:  # noqa: ANN401 - as `dataclasses.field`
    """Declare a part of a portrait: its words in messages, and the array of a store that holds it."""
    return field(default=False, metadata={"label": label, "array": array})


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Parts that portraits have, and the form of a sample.

    A method's `needs` are held against the parts that a data set's `describe` gives; the data serves the form.
    """

    params: bool = _part("face parameters", "shape")
    """Face parameters of every portrait."""
    landmarks: bool = _part("landmarks", "landmarks")
    """68 landmarks of every portrait."""
    texture: bool = _part("texture", "texture")
    """Albedo coefficients among the face parameters."""
    light: bool = _part("light", "light")
    """Light coefficients among the face parameters."""
    mask: bool = _part("masks", "mask")
    """Mask of the person in every portrait."""
    clip_length: int = 1
    """Driving frames of a training sample; 1 for pictures."""
    clip_stride: int = 1
    """Frames from one driving frame to the next; 0 for frames from anywhere in the clip, in ascending order."""
    test_stride: int = 1
    """Frames from one to the next of those around a held-out picture; 1 for a method that plays them as a video."""
    window: int = 0
    """Frames on either side of a portrait whose face parameters come with it."""
    mirrors: bool = True
    """False for a method that reads coefficients as numbers: they stay as fitted where a picture is mirrored."""

    @classmethod
    def from_arrays(cls, arrays: Collection[str]) -> Self:
        """Describe the portraits of a store by the names of its arrays."""
        return cls(**{part.name: part.metadata["array"] in arrays for part in _list_parts()})

    def find_missing(self, carried: Contents) -> list[str]:
        """Name the parts that are needed and not carried, in words for messages."""
        return [
            part.metadata["label"]
            for part in _list_parts()
            if getattr(self, part.name) and not getattr(carried, part.name)
        ]


def _list_parts() -> list[Field[Any]]:
    return [entry for entry in fields(Contents) if entry.metadata]


APPEARANCE_SOURCE = (
    "the stage `parameters` of `reenact prepare` writes texture and light with --parameters fit, deep3d, deca, emoca or"
    " deca+smirk"
)
"""Where texture and light of a store come from, for messages."""
IMAGES = Contents()
"""Images alone."""
EVERYTHING = Contents(params=True, landmarks=True, texture=True, light=True)
"""Parts that are read where no method says what it needs; masks cost a second drawing of the world."""
