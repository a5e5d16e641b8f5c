"""Flow and visibility of `reenact.faces.guidance` against the truth of the synthetic world.

    python benchmarks/guidance.py [--size 256] [--sheet docs/images/guidance.jpg]

Pairs of frames of people who turn their heads, by yaw difference. Two truths: rays through the posed mesh
(`_traced_faces.py`), and the world's own renderer at five times the size, whose hair, glasses and clothes hide what a
face model does not know of. Visibility by depth and by the letter of equation (4), on the mesh of the built-in head and
on the same surface with four and sixteen times the triangles: the Basel Face Model has about 2.3 a pixel of the face.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _traced_faces import TrueGuidance, find_centres, subdivide, trace_guidance
from PIL import Image

from reenact.faces.bfm import matrix_to_angles
from reenact.faces.guidance import (
    FaceRaster,
    VisibilityRule,
    build_source_geometry,
    flow_map,
    rasterize_face,
    visibility_map,
)
from reenact.faces.registry import load_face_model
from reenact.faces.vector import head_rotation
from reenact.world import World

FINE = 5
"""Samples of the world's renderer along the side of a pixel; odd, so that one lies at the pixel's centre."""
PEOPLE = ((23, 0), (50, 1), (10, 1), (3, 0), (16, 0), (57, 0), (1, 0), (13, 0))
"""Clips (identity, clip) of the world in which a head turns by 30 degrees or more."""
BINS = ((0, 10), (10, 20), (20, 30), (30, 40))
RULES: tuple[VisibilityRule, ...] = ("depth", "literal")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two frames of a clip."""

    identity: int
    clip: int
    source: int
    driving: int


def find_pairs(world: World, low: float, high: float) -> list[Pair]:
    """One pair of each clip, of a yaw difference nearest to the middle of a range in degrees."""
    frames, pairs = np.arange(0, 250, 5), []
    for identity, clip in PEOPLE:
        params = world.params(identity, clip, frames.tolist())
        yaw = matrix_to_angles(head_rotation(params))[:, 1].rad2deg().numpy()
        difference = np.abs(yaw[:, None] - yaw)
        nearest = np.abs(difference - (low + high) / 2).argmin()
        source, driving = np.unravel_index(nearest, difference.shape)
        if low <= difference[source, driving] < high:
            pairs.append(Pair(identity=identity, clip=clip, source=int(frames[source]), driving=int(frames[driving])))
    return pairs


def trace_pair(world: World, pair: Pair, size: int) -> TrueGuidance:
    """Truth of the head's mesh."""
    head = load_face_model("head")
    params = world.params(pair.identity, pair.clip, [pair.source, pair.driving])
    source, driving = head.vertices(params).numpy()
    cameras = params.camera.double().numpy()
    return trace_guidance(source, cameras[0], driving, cameras[1], head.faces.numpy(), find_centres(size))


def ask_world(world: World, pair: Pair, size: int) -> TrueGuidance:
    """Truth of the pictures, where they show the face."""
    place, valid = world.flow(pair.identity, pair.clip, pair.source, pair.driving, size * FINE)
    face = world.render(pair.identity, pair.clip, pair.driving, size * FINE).face
    centre = slice(FINE // 2, None, FINE)
    mask = face[centre, centre]
    flow = np.where(mask[..., None], place[centre, centre] - find_centres(size), 0)
    return TrueGuidance(mask=mask, flow=flow, visible=valid[centre, centre] & mask)


def draw_pair(
    world: World, pair: Pair, size: int, density: int
) -> tuple[FaceRaster, np.ndarray, dict[VisibilityRule, np.ndarray]]:
    """The driving face, its flow (S, S, 2), and its visibility (S, S) by each rule; `density` counts subdivisions."""
    head = load_face_model("head")
    posed = head.posed(world.params(pair.identity, pair.clip, [pair.source, pair.driving]))
    faces = head.faces
    for _ in range(density):
        posed, faces = subdivide(posed, faces)
    face = rasterize_face(posed[1:], faces, size)
    sources = {rule: build_source_geometry(posed[:1], faces, size, rule=rule) for rule in RULES}
    visibility = {rule: visibility_map(face, source)[0, 0].numpy() > 0 for rule, source in sources.items()}
    return face, flow_map(face, sources["depth"])[0].permute(1, 2, 0).numpy(), visibility


def compare(world: World, pairs: list[Pair], size: int) -> None:
    """Print the figures of the pairs of one range of yaw."""
    truths = [(trace_pair(world, pair, size), ask_world(world, pair, size)) for pair in pairs]
    for density in range(3):
        errors: tuple[list[np.ndarray], ...] = ([], [])
        agreement: dict[tuple[str, int], list[np.ndarray]] = {(rule, k): [] for rule in RULES for k in range(2)}
        triangles = []
        for pair, both in zip(pairs, truths, strict=True):
            face, flow, visibility = draw_pair(world, pair, size, density)
            mask = face.fragments.covered[0].numpy()
            triangles.append(len(face.faces) / 2 / mask.sum())
            for k, truth in enumerate(both):
                shared = mask & truth.mask
                errors[k].append(np.linalg.norm((flow - truth.flow)[shared], axis=-1) * size / 2)
                for rule in RULES:
                    agreement[rule, k].append((visibility[rule] == truth.visible)[shared])
        means = [
            f"{np.concatenate(error).mean():.4f} ({np.quantile(np.concatenate(error), 0.99):.4f})" for error in errors
        ]
        shares = [f"{100 * np.concatenate(agreement[rule, k]).mean():.1f} %" for k in range(2) for rule in RULES]
        cells = [f"{np.mean(triangles):.2f}", means[0], *shares[:2], means[1], *shares[2:]]
        print(f"| {' | '.join(cells)} |")


def draw_sheet(world: World, pairs: list[Pair], size: int, path: Path) -> None:
    """Write a picture: a row a pair; source, driving, visibility by the letter, by depth, and the true one."""
    rows = []
    for pair in pairs:
        pictures, _, _ = world.sequence(pair.identity, pair.clip, [pair.source, pair.driving], size)
        truth = trace_pair(world, pair, size)
        _, _, visibility = draw_pair(world, pair, size, 1)
        grey = pictures[1].mean(-1, keepdims=True) / 255
        maps = [
            paint(grey, truth.mask, visible) for visible in (visibility["literal"], visibility["depth"], truth.visible)
        ]
        rows.append(np.concatenate([*pictures, *maps], 1))
    Image.fromarray(np.concatenate(rows)).save(path, quality=88)


def paint(grey: np.ndarray, mask: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """The driving picture (S, S, 1) with what the source shows in green, and what it hides in red."""
    tint = np.where(visible[..., None], (0.35, 0.9, 0.45), (0.95, 0.25, 0.2))
    picture = np.where(mask[..., None], tint * (0.35 + 0.65 * grey), 0.4 * grey)
    return np.round(255 * picture).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--sheet", type=Path, help="write the picture of docs/faces.md, and measure nothing")
    options = parser.parse_args()
    world = World()
    if options.sheet:
        draw_sheet(world, [*find_pairs(world, 15, 25)[2:3], *find_pairs(world, 30, 40)[:2]], 192, options.sheet)
        return
    print("rays: the mesh alone; pictures: the world's renderer. Errors in pixels: mean (99 % of the pixels below)")
    for low, high in BINS:
        pairs = find_pairs(world, low, high)
        print(f"\nyaw difference {low} to {high} degrees, {len(pairs)} pairs")
        print("| triangles a pixel | rays: error | by depth | literal | pictures: error | by depth | literal |")
        compare(world, pairs, options.size)


if __name__ == "__main__":
    main()
