"""Show how an expression encoder of Export3D arranges faces by person: t-SNE of raw coefficients and of its codes.

    reenact world --out STORE --size 64
    python examples/show_expressions.py CHECKPOINT STORE out.png [--people 10 --frames 10]

The paper's Fig. 8 has ten frames of ten people. Above each map is the share of frames whose person a linear probe
names: it is trained on one clip of each person and tested on another one. The checkpoint is of `export3d_clebs`, or of
a method that holds such an encoder.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from reenact.benchmark.embedding import map_to_plane, probe_labels
from reenact.data.clips import StoreClips
from reenact.data.store.prepared import open_prepared
from reenact.errors import ReenactError
from reenact.models.common.checkpoint import load_module
from reenact.models.common.expression_basis import ExpressionBasis, join_expression

SIDE, MARGIN, RADIUS = 420, 40, 5
"""Pixels of a panel, of the space above it and of a point's radius."""


@dataclass(frozen=True, kw_only=True)
class PersonCodes:
    """Coefficients and codes of the frames of some people."""

    raw: NDArray[np.float64]
    """(N, D) expression coefficients, and angles of jaw and eyes."""
    codes: NDArray[np.float64]
    """(N, d) codes of the encoder."""
    people: NDArray[np.int64]
    """(N,) numbers of the people."""


def find_encoder(checkpoint: Path) -> tuple[ExpressionBasis, str]:
    """The expression encoder of a checkpoint, and the face model that it reads."""
    module = load_module(checkpoint)
    encoders = [part for part in module.modules() if isinstance(part, ExpressionBasis)]
    if not encoders:
        raise ReenactError(f"{checkpoint} is of {module.method}, which has no expression encoder")
    return encoders[0], str(module.arguments["face_model"])


@torch.no_grad()
def read_codes(encoder: ExpressionBasis, clips: StoreClips, numbers: Sequence[int], frames: int) -> PersonCodes:
    """Read evenly spaced frames of clips, one clip for each person."""
    raw, codes = [], []
    for number in numbers:
        places = np.linspace(0, clips.index.count_frames(number) - 1, frames).round().astype(int)
        params = clips.read(number, places.tolist()).params
        if params is None:
            raise ReenactError("the store has no face parameters: prepare it with them")
        raw.append(join_expression(params, encoder.joints).double().numpy())
        codes.append(encoder(params).double().numpy())
    people = np.repeat(np.arange(len(numbers)), frames)
    return PersonCodes(raw=np.concatenate(raw), codes=np.concatenate(codes), people=people)


def choose_clips(clips: StoreClips, people: int) -> tuple[list[int], list[int]]:
    """Two clips of each of the first people who have two."""
    index, pairs = clips.index, []
    for identity in np.unique(index.identities):
        numbers = index.ids[index.identities == identity]
        if len(numbers) > 1:
            pairs.append((int(numbers[0]), int(numbers[1])))
    if len(pairs) < people:
        raise ReenactError(f"{len(pairs)} people of the store have two clips: lower --people {people}")
    return [pair[0] for pair in pairs[:people]], [pair[1] for pair in pairs[:people]]


def draw_maps(maps: dict[str, NDArray[np.float64]], people: NDArray[np.int64]) -> Image.Image:
    """Draw maps (N, 2) side by side, a colour for each person."""
    picture = Image.new("RGB", (SIDE * len(maps), SIDE + MARGIN), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    for panel, (title, place) in enumerate(maps.items()):
        draw.text((panel * SIDE + SIDE / 2, MARGIN / 2), title, fill="black", font=font, anchor="mm")
        reach = np.abs(place).max() * 1.1
        points = (place / reach + 1) * SIDE / 2 + np.array([panel * SIDE, MARGIN])
        for (x, y), person in zip(points, people, strict=True):
            hue = int(255 * person / (people.max() + 1))
            colour = Image.new("HSV", (1, 1), (hue, 210, 150 + 70 * (person % 2))).convert("RGB").getpixel((0, 0))
            draw.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), fill=colour)
    return picture


def main(words: list[str] | None = None) -> None:
    """Write the picture and print what the probe reads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--frames", type=int, default=10)
    options = parser.parse_args(words)
    encoder, face_model = find_encoder(options.checkpoint)
    prepared = open_prepared(options.store)
    if prepared.info.face_model != face_model:
        raise ReenactError(
            f"{options.store} has parameters of {prepared.info.face_model!r} and {options.checkpoint} reads those of"
            f" {face_model!r}: prepare a store with that face model"
        )
    clips = StoreClips(prepared, prepared.table.index(None), prepared.info.size, ("landmarks", "mask"))
    shown, other = (
        read_codes(encoder, clips, numbers, options.frames) for numbers in choose_clips(clips, options.people)
    )
    maps = {}
    for title, part in (("coefficients", "raw"), ("codes", "codes")):
        codes = getattr(shown, part)
        share = probe_labels(codes, shown.people, getattr(other, part), other.people)
        print(f"{title}: a linear probe names the person in {share:.1%} of the frames of the other clips")
        maps[f"{title}: person named in {share:.0%}"] = map_to_plane(codes)
    draw_maps(maps, shown.people).save(options.out)
    print(f"{options.out}: {options.frames} frames of {options.people} people")


if __name__ == "__main__":
    main()
