"""BFM flow at the paper's size: the network as it is trained, a frame at a time, against the one that `animate` uses.

    python benchmarks/bfm_flow_inference.py [--size 256] [--frames 4] [--repeats 3]

Three ways to make one frame are timed, interleaved, on all cores, and their medians printed: the whole unfolded network
for each frame; the whole folded network for each frame; and the folded network with the source encoded once and batches
of frames, as `reenact animate` does. Guidance of the built-in head is drawn in each. The share of the multiplications
that the source alone decides, which `encode` takes once, is counted on the unfolded network.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from reenact.faces.portrait import Portrait
from reenact.faces.registry import load_face_model
from reenact.models.bfm_flow.config import BFMFlowConfig
from reenact.models.bfm_flow.network import BFMFlow

BATCH = 4


def build_portrait(count: int, size: int) -> Portrait:
    """Random pictures with faces that turn."""
    head = load_face_model("head")
    params = head.neutral(count)
    mean, _ = head.appearance_prior()
    pose = torch.zeros(count, 3)
    pose[:, 1] = torch.linspace(-0.4, 0.4, count)
    texture = mean[: head.num_texture].expand(count, -1)
    light = mean[head.num_texture :].view(9, 3).expand(count, -1, -1)
    params = replace(params, global_pose=pose, texture=texture, light=light)
    return Portrait(image=torch.rand(count, 3, size, size) * 2 - 1, params=params)


def count_products(network: nn.Module, function: Callable[[], object]) -> float:
    """Multiplications of the convolutions and linear layers in one call, in billions."""
    total = 0.0

    def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, Tensor)
        # Each input value of a transposed convolution meets every weight of its channel, each output value of others.
        places = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        total += weight.numel() * places.numel() / places.shape[1] / 1e9

    kinds = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [layer.register_forward_hook(add) for layer in network.modules() if isinstance(layer, kinds)]
    function()
    for hook in hooks:
        hook.remove()
    return total


def measure(work: dict[str, tuple[int, Callable[[], object]]], repeats: int) -> dict[str, float]:
    """Median seconds per frame, of interleaved runs, so that other load falls on all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats + 1):
        for name, (frames, function) in work.items():
            start = time.perf_counter()
            function()
            seconds[name].append((time.perf_counter() - start) / frames)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.manual_seed(0)
    plain = BFMFlow(BFMFlowConfig(), load_face_model("head")).eval()
    folded = plain.folded()
    source, driving = build_portrait(1, options.size), build_portrait(options.frames, options.size)
    frames = [driving[number : number + 1] for number in range(options.frames)]
    state, ready = plain.encode(source), folded.encode(source)
    motions = [plain.read(driving[start : start + BATCH]) for start in range(0, options.frames, BATCH)]
    alone = count_products(plain, lambda: plain.encode(source))
    rest = count_products(plain, lambda: plain.perform(state, plain.read(frames[0])))
    share = f"{alone:.1f} of {alone + rest:.1f} billion products a frame, {alone / (alone + rest):.0%}"
    print(f"the source alone decides {share}")
    pairs = [(folded.perform(ready, motion).image, plain.perform(state, motion).image) for motion in motions]
    difference = max((fast - slow).abs().max().item() for fast, slow in pairs)
    base = "unfolded, a frame a call"
    seconds = measure(
        {
            base: (options.frames, lambda: [plain(source, frame) for frame in frames]),
            "folded, a frame a call": (options.frames, lambda: [folded(source, frame) for frame in frames]),
            "folded, source once": (options.frames, lambda: [folded.perform(ready, motion) for motion in motions]),
        },
        options.repeats,
    )
    for name, value in seconds.items():
        print(f"{name:25} {value:7.3f} s a frame  {1 / value:6.2f} frames/s  {seconds[base] / value:5.2f} x")
    print(f"largest difference of the outputs: {difference:.1e} ({torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main()
