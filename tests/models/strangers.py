"""What a network makes of people of the synthetic world that it never saw, pair by pair, read by the probe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.contents import Contents
from reenact.faces.portrait import Portrait
from reenact.faces.rotation import rotation_angle
from reenact.faces.vector import head_rotation
from reenact.metrics.images import psnr
from reenact.models.common.base import Reenactor
from reenact.models.common.checkpoint import load_method
from reenact.nn.probe import load_probe

SIZE = 64
PEOPLE = range(1000, 1100)
"""People that no training saw."""
FRAMES = 100
"""Frames of each of their clips."""
CLIPS = 3
"""Clips of each of them."""
FAR_PAIRS = (
    (1007, 2, 0, 95), (1014, 0, 0, 95), (1019, 1, 10, 85), (1029, 0, 0, 75), (1030, 2, 0, 80), (1038, 0, 10, 95),
    (1039, 2, 0, 55), (1045, 1, 5, 95), (1048, 1, 15, 95), (1056, 2, 0, 95), (1059, 0, 0, 65), (1062, 2, 0, 95),
    (1076, 0, 0, 90), (1078, 0, 0, 95), (1078, 2, 10, 95),
)  # fmt: skip
"""Person, clip and two frames of large turns: of each clip that has one, the frames whose heads differ most."""


def load_network(run: Path) -> Reenactor:
    """The network of a run folder, for inference."""
    return load_method(run / "checkpoints" / "last.ckpt").network


@cache
def read_portraits(person: int, clip: int, frames: tuple[int, ...], window: int) -> Portrait:
    """Frames of a clip of one person."""
    contents = Contents(params=True, texture=True, light=True, landmarks=True, window=window)
    clips = SyntheticClips(0, range(person, person + 1), CLIPS, FRAMES, SIZE, contents)
    return clips.read(clip, frames, window)


def read_strangers(window: int) -> Iterator[tuple[Portrait, Portrait]]:
    """Source and nine driving frames of each of 16 people."""
    for person in PEOPLE[:16]:
        portraits = read_portraits(person, 0, tuple(range(0, FRAMES, 10)), window)
        yield portraits[:1], portraits[1:]


def read_far_pairs(window: int) -> Iterator[tuple[Portrait, Portrait]]:
    """Source and driving frame of `FAR_PAIRS`, either frame as the source."""
    for person, clip, *frames in FAR_PAIRS:
        portraits = read_portraits(person, clip, tuple(frames), window)
        yield portraits[:1], portraits[1:]
        yield portraits[1:], portraits[:1]


def measure_pairs(network: Reenactor, pairs: Iterable[tuple[Portrait, Portrait]]) -> dict[str, np.ndarray]:
    """Numbers of each pair: PSNR, landmark error, lip opening, of the result, the source and the driving frame; turn.

    Errors and openings are in distances of the outer eye corners; turns in degrees. `source` counts the sources.
    """
    probe, rows = load_probe(), []
    for number, (source, driving) in enumerate(pairs):
        with torch.no_grad():
            result = network(source, driving).image
            points, right, copied = (probe(image).landmarks for image in (result, driving.image, source.image))
        before = head_rotation(source.params).expand(len(result), 3, 3)
        numbers = {
            "psnr": psnr(result, driving.image),
            "copied_psnr": psnr(source.image.expand_as(result), driving.image),
            "error": landmark_error(points, right),
            "copied_error": landmark_error(copied, right),
            "opening": lip_opening(points),
            "driving_opening": lip_opening(right),
            "angle": rotation_angle(before, head_rotation(driving.params)),
            "source": torch.full((len(result),), float(number)),
        }
        rows.append(torch.stack(list(numbers.values())))
    return dict(zip(numbers, torch.cat(rows, 1).double().numpy(), strict=True))


def landmark_error(points: Tensor, right: Tensor) -> Tensor:
    """Mean distance of landmarks (B, 68, 2), in distances of the outer eye corners."""
    return (points - right).norm(dim=-1).mean(-1) / (right[:, 36] - right[:, 45]).norm(dim=-1)


def lip_opening(points: Tensor) -> Tensor:
    """Distance of the inner lips of landmarks (B, 68, 2), in distances of the outer eye corners."""
    lips = (points[:, 61:64] - points[:, [67, 66, 65]]).norm(dim=-1).mean(-1)
    return lips / (points[:, 36] - points[:, 45]).norm(dim=-1)


def slope_of_lips(numbers: dict[str, np.ndarray]) -> float:
    """Slope of the results' lip opening over that of the driving frames, over all pairs; a copied source has 0.13."""
    return float(np.polyfit(numbers["driving_opening"], numbers["opening"], 1)[0])


def slope_within_clips(numbers: dict[str, np.ndarray]) -> float:
    """The same of openings less their mean over the pairs of a source; a copied source has 0.

    People whose mouths are open in the driving frames have them open in the source too, which has no part in it.
    """
    of_source = numbers["source"][:, None] == numbers["source"][None]
    shares = of_source / of_source.sum(1)
    driving, result = (numbers[name] - shares @ numbers[name] for name in ("driving_opening", "opening"))
    return float(driving @ result / (driving @ driving))
