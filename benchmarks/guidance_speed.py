"""Milliseconds of one pair's guidance at the size of the Basel Face Model: `python benchmarks/guidance_speed.py`.

A made mesh of 35,709 vertices and 70,789 triangles fills half of a picture of 256 pixels. Flow, visibility, render and
mask are drawn of one pair and of batches, in parts: what the source alone decides, which methods compute once, and what
each driving frame costs. Under the line: the mesh and the colours of a face model of that size, with made bases. On a
machine with other work to do, the last two columns say more than the wall times.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import Delaunay
from torch import Tensor

from reenact.faces.bfm import Bfm
from reenact.faces.bfm_file import BfmArrays
from reenact.faces.guidance import (
    SourceGeometry,
    build_source_geometry,
    face_mask,
    flow_map,
    rasterize_face,
    shaded_map,
    visibility_map,
)
from reenact.faces.params import FaceParams

VERTICES, BORDER = 35_709, 627
"""Vertices, and those on the border, which give 2 * 35,709 - 627 - 2 = 70,789 triangles."""
CAMERA = torch.tensor([9.06, 9.06, 0, 0, 0, 0, -1.0])


def build_mesh() -> tuple[np.ndarray, np.ndarray]:
    """A mask-shaped surface: vertices (V, 3) in metres, triangles (F, 3) counter-clockwise seen from the front."""
    number = np.arange(VERTICES - BORDER)
    radius, turn = 0.99 * np.sqrt((number + 0.5) / len(number)), number * np.pi * (3 - 5**0.5)
    border = 2 * np.pi * np.arange(BORDER) / BORDER
    x = np.concatenate([radius * np.cos(turn), np.cos(border)])
    y = np.concatenate([radius * np.sin(turn), np.sin(border)])
    faces = Delaunay(np.stack([x, y], 1)).simplices.astype(np.int64)
    nose = 0.025 * np.exp(-(x**2 + (y + 0.1) ** 2) / 0.02)
    vertices = np.stack([0.075 * x, 0.1 * y, 0.07 * np.sqrt(1 - 0.9 * (x**2 + y**2)) + nose], 1)
    (ax, ay), (bx, by) = ((vertices[faces[:, k]] - vertices[faces[:, 0]])[:, :2].T for k in (1, 2))
    clockwise = ax * by < ay * bx
    faces[clockwise] = faces[clockwise, ::-1]
    return vertices, faces


def build_model() -> Bfm:
    """A Basel Face Model of the made mesh, with made bases."""
    vertices, faces = build_mesh()
    draw = np.random.default_rng(0)
    order = np.argsort(faces.ravel(), kind="stable")
    vertex = faces.ravel()[order]
    rank = np.arange(len(vertex)) - np.searchsorted(vertex, vertex)
    rings = np.full((len(vertices), 8), len(faces))
    rings[vertex[rank < 8], rank[rank < 8]] = order[rank < 8] // 3
    count = vertices.size
    arrays = BfmArrays(
        mean_shape=(10 * vertices).astype(np.float32).ravel(),
        mean_texture=np.full(count, 150, np.float32),
        shape_basis=draw.normal(0, 1e-4, (count, 80)).astype(np.float32),
        expression_basis=draw.normal(0, 1e-4, (count, 64)).astype(np.float32),
        texture_basis=draw.normal(0, 1, (count, 80)).astype(np.float32),
        triangles=faces,
        rings=rings,
        landmarks=np.arange(68),
        skin=np.ones(len(vertices), np.bool_),
    )
    return Bfm(arrays)


def pose_face(model: Bfm, yaw: float, batch: int) -> FaceParams:
    params = model.neutral(batch)
    params.global_pose[:, 1] = torch.deg2rad(torch.tensor(yaw))
    params.camera = CAMERA.expand(batch, -1)
    params.texture, params.light = torch.zeros(batch, 80), torch.zeros(batch, 9, 3)
    return params


def report(name: str, task: Callable[[], object], frames: int, repeats: int) -> None:
    """Print the median and least wall time, and the same of the time of all cores, in ms a frame."""
    wall, cores = [], []
    for _ in range(repeats + 2):
        start, start_cores = time.perf_counter(), time.process_time()
        task()
        wall.append(1000 * (time.perf_counter() - start) / frames)
        cores.append(1000 * (time.process_time() - start_cores) / frames)
    figures = [value for times in (wall[2:], cores[2:]) for value in (statistics.median(times), min(times))]
    print(f"{name:52}" + "".join(f"{figure:9.2f}" for figure in figures))


@torch.no_grad()
def measure(model: Bfm, batch: int, repeats: int) -> None:
    source, driving = model.posed(pose_face(model, 12, 1)), model.posed(pose_face(model, -15, batch))
    colours = torch.rand(batch, VERTICES, 3)
    faces, camera = model.faces, CAMERA.expand(batch, -1)

    def draw(geometry: SourceGeometry) -> list[Tensor]:
        face = rasterize_face(driving, faces, 256, camera=camera)
        return [flow_map(face, geometry), visibility_map(face, geometry), shaded_map(face, colours), face_mask(face)]

    geometry = build_source_geometry(source, faces, 256)
    face = rasterize_face(driving, faces, 256, camera=camera)
    covered = int(face.fragments.covered[0].sum())
    print(f"\nbatch {batch}, {covered} pixels of the face, {torch.get_num_threads()} threads; ms a frame")
    print(f"{'':52}{'median':>9}{'least':>9}{'cores':>9}{'least':>9}")
    if batch == 1:
        report(
            "source's half: places and visible triangles", lambda: build_source_geometry(source, faces, 256), 1, repeats
        )
    tasks: dict[str, Callable[[], object]] = {
        "triangles of the pixels, perspective-correct": lambda: rasterize_face(driving, faces, 256, camera=camera),
        "flow": lambda: flow_map(face, geometry),
        "visibility": lambda: visibility_map(face, geometry),
        "render": lambda: shaded_map(face, colours),
        "driving half: all of these, and the mask": lambda: draw(geometry),
        "-- face model: posed vertices": lambda: model.posed(pose_face(model, -15, batch)),
        "-- face model: lit colours": lambda: model.colours(pose_face(model, -15, batch)),
    }
    for name, task in tasks.items():
        report(name, task, batch, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    model = build_model()
    for batch in (1, 8):
        measure(model, batch, options.repeats)


if __name__ == "__main__":
    main()
