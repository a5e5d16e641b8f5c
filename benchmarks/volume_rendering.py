"""Time and peak memory of rendering tri-planes: `python benchmarks/volume_rendering.py [--batch 1] [--size 64]`.

Images of size x size rays with 48 + 48 samples each, from planes of 3 x 32 x 128 x 128, by a decoder of 32-64-(1 + 32);
once without gradients and once with those of a training step. Memory is the largest that the process, or the GPU, had
beyond that before the first call.
"""

from __future__ import annotations

import argparse
import resource
import time

import torch
from torch import Tensor

from reenact.nn.ray_marching import Rays, RaySampling, limit_rays, render_rays
from reenact.nn.triplane import RadianceDecoder, sample_planes


def cast_parallel_rays(batch: int, size: int, device: torch.device) -> Rays:
    """Rays (B, size * size) along -z through the box of side 1."""
    place = (torch.arange(size, device=device) + 0.5) / size - 0.5
    x, y = torch.meshgrid(place, place, indexing="xy")
    origins = torch.stack([x, y, torch.ones_like(x)], -1).view(1, -1, 3).expand(batch, -1, -1)
    return limit_rays(origins, origins.new_tensor([0.0, 0.0, -1.0]).expand_as(origins), 1.0)


def read_peak(device: torch.device) -> float:
    """Largest memory until now, in GB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    decoder = RadianceDecoder().to(device)
    planes = torch.randn(options.batch, 3, 32, 128, 128, device=device, requires_grad=True)
    rays = cast_parallel_rays(options.batch, options.size, device)
    sampling = RaySampling()

    def field(points: Tensor) -> tuple[Tensor, Tensor]:
        density, colour = decoder(sample_planes(planes, points).mean(1))
        return density, colour

    print(
        f"{options.batch} x {options.size} x {options.size} rays, {sampling.coarse} + {sampling.fine} samples, {device}"
    )
    before = read_peak(device)
    for name, trains in (("without gradients", False), ("with gradients", True)):
        start = time.perf_counter()
        with torch.set_grad_enabled(trains):
            result = render_rays(field, rays, sampling)
        if trains:
            torch.autograd.backward(result.colour.square().mean())
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        print(f"{name:18} {seconds:7.2f} s, at most {read_peak(device) - before:5.2f} GB")


if __name__ == "__main__":
    main()
