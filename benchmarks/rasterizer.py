"""Milliseconds a frame of each rasteriser: `python benchmarks/rasterizer.py [--batch 8] [--size 256] [--repeats 30]`.

The mesh is a closed, slightly noisy ellipsoid of FLAME's size that fills half of the picture; attributes are those of
PWM's guidance, 2 + 16 channels. Everything included: from vertices in normalised device coordinates to the antialiased
guidance map. The yardstick is PyTorch3D where it is installed; elsewhere a loop over all faces at every pixel, the kind
of loop PyTorch3D runs on the CPU, written here and compiled by Numba, timed on every 16th
row. On a machine with other work to do, the last column says more than the wall times.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import math
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reenact.faces.raster import rasterize, render_attributes
from reenact.faces.raster.torch_reference import pixel_points


def ellipsoid(rings: int = 70, sectors: int = 72) -> tuple[Tensor, Tensor]:
    """5,042 vertices (V, 3) in normalised device coordinates and 10,080 outward faces (F, 3)."""
    polar = math.pi * torch.arange(1, rings + 1)[:, None] / (rings + 1)
    turn = 2 * math.pi * torch.arange(sectors)[None] / sectors
    body = torch.stack([polar.sin() * turn.cos(), -polar.cos().expand(-1, sectors), polar.sin() * turn.sin()], dim=-1)
    poles = torch.tensor([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
    vertices = torch.cat([body.reshape(-1, 3), poles]) * torch.tensor([0.7, 0.9, 0.8])
    ring, sector = torch.meshgrid(torch.arange(rings - 1), torch.arange(sectors), indexing="ij")
    a, b = (ring * sectors + sector).flatten(), (ring * sectors + (sector + 1) % sectors).flatten()
    around, after = torch.arange(sectors), (torch.arange(sectors) + 1) % sectors
    top, bottom, last = torch.full((sectors,), rings * sectors), torch.full((sectors,), rings * sectors + 1), a[-1] + 1
    first = (rings - 1) * sectors
    assert last == first
    faces = [
        torch.stack([a, a + sectors, b], dim=-1),
        torch.stack([b, a + sectors, b + sectors], dim=-1),
        torch.stack([top, around, after], dim=-1),
        torch.stack([bottom, first + after, first + around], dim=-1),
    ]
    return vertices, torch.cat(faces)


@numba.njit(error_model="numpy")
def every_face_at_every_pixel(points: NDArray[Any], faces: NDArray[Any], size: int, step: int) -> NDArray[Any]:
    """The visible face of each pixel of every `step`-th row, of points (V, 3) in pixels."""
    seen = np.full((size, size), -1)
    for row in range(0, size, step):
        for column in range(size):
            nearest, x, y = np.inf, column + 0.5, row + 0.5
            for face in range(len(faces)):
                a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
                ax, ay, bx, by, cx, cy = (
                    points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1],
                )  # fmt: skip
                if x < min(ax, bx, cx) or x > max(ax, bx, cx) or y < min(ay, by, cy) or y > max(ay, by, cy):
                    continue
                area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
                u = ((bx - x) * (cy - y) - (cx - x) * (by - y)) / area
                v = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) / area
                if u >= 0 and v >= 0 and u + v <= 1:
                    z = u * points[a, 2] + v * points[b, 2] + (1 - u - v) * points[c, 2]
                    if z < nearest:
                        nearest, seen[row, column] = z, face
    return seen


def milliseconds(task: Callable[[], object], repeats: int, device: torch.device) -> tuple[float, float, float]:
    """Median and least wall time of a task, and the least time of all CPU cores together."""
    wall, cores = [], []
    for _ in range(repeats + 2):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start, start_cores = time.perf_counter(), time.process_time()
        task()
        if device.type == "cuda":
            torch.cuda.synchronize()
        wall.append((time.perf_counter() - start) * 1000)
        cores.append((time.process_time() - start_cores) * 1000)
    return statistics.median(wall[2:]), min(wall[2:]), min(cores[2:])


def report(name: str, task: Callable[[], object], frames: float, repeats: int, device: torch.device) -> float:
    """Print the times of a task that draws so many frames; returns the least wall time, in ms a frame."""
    median, least, cores = milliseconds(task, repeats, device)
    print(f"{name:58} {median / frames:9.3f} {least / frames:9.3f} {cores / frames:9.3f}")
    return least / frames


def heading() -> None:
    """Date, hardware, versions, commit."""
    folder = Path(__file__).parent
    git = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    print(f"date      {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, commit {commit or 'unknown'}")
    print(f"hardware  {models[0].split(': ')[1]}, {len(models)} cores, {torch.get_num_threads()} threads used")
    if torch.cuda.is_available():
        print(f"          {torch.cuda.get_device_name()}")
    print(f"versions  python {platform.python_version()}, torch {torch.__version__}, numba {numba.__version__}")


def measure(device: torch.device, batch: int, size: int, repeats: int) -> float:
    """Print the steps on one device; returns the least time of rasterising alone, in ms a frame."""
    vertices, faces = ellipsoid()
    generator = torch.Generator().manual_seed(0)
    meshes = (vertices + 0.002 * torch.randn(batch, *vertices.shape, generator=generator)).to(device)
    attributes = torch.rand(batch, len(vertices), 18, generator=generator).to(device)
    faces = faces.to(device)
    codes = attributes[0].clone().requires_grad_()

    def train() -> None:
        torch.autograd.backward(render_attributes(meshes, faces, codes, size).sum())

    name = "numba" if device.type == "cpu" else "triton"
    alone = report(f"{name}: rasterize", lambda: rasterize(meshes, faces, size), batch, repeats, device)
    everything = lambda: render_attributes(meshes, faces, attributes, size)  # noqa: E731
    report(f"{name}: everything, 18 channels, culled and antialiased", everything, batch, repeats, device)
    report(f"{name}: the same with gradients to 18 channels of codes", train, batch, repeats, device)
    return alone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    heading()
    vertices, faces = ellipsoid()
    print(f"task      {len(vertices)} vertices, {len(faces)} faces, batch {options.batch}, {options.size} px")
    print(f"\n{'milliseconds a frame':58} {'median':>9} {'least':>9} {'all cores':>9}")
    cpu = torch.device("cpu")
    ours = measure(cpu, options.batch, options.size, options.repeats)
    if torch.cuda.is_available():
        measure(torch.device("cuda"), options.batch, options.size, options.repeats)
    task: Callable[[], object]
    if importlib.util.find_spec("pytorch3d"):
        name, frames = "pytorch3d (CPU): rasterize", 1.0
        task = lambda: rasterize(vertices[None], faces, options.size, backend="pytorch3d")  # noqa: E731
    else:
        name, frames = "naive loop of this script, not PyTorch3D: rasterize", 1 / 16
        points, triangles = pixel_points(vertices[None], options.size, options.size)[0].numpy(), faces.numpy()
        task = lambda: every_face_at_every_pixel(points, triangles, options.size, 16)  # noqa: E731
    print(f"\n{name}: {report(name, task, frames, 1, cpu) / ours:.0f} times as long as numba")


if __name__ == "__main__":
    main()
