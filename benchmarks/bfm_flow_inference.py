"""BFM flow and PIRenderer at the papers' sizes: the network as it is trained against the one that `animate` uses.

    python benchmarks/bfm_flow_inference.py [--size 256] [--frames 4] [--repeats 3]

Four ways to make one frame are timed, interleaved, and their medians and least times printed, of the process's CPU
time: the whole unfolded network for each frame; the whole folded network for each frame; and the folded network with
the source encoded once, a frame at a time and in batches of `reenact animate`. Guidance of the built-in head is drawn
in each. Sources and driving frames are clips of two people of the synthetic world; the weights are random. The share of
the multiplications that the source alone decides, which `encode` takes once, is counted on the unfolded network.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.contents import EVERYTHING
from reenact.faces.portrait import Portrait
from reenact.faces.registry import load_face_model
from reenact.models.bfm_flow.config import BFMFlowConfig
from reenact.models.bfm_flow.network import BFMFlow
from reenact.models.common.base import Reenactor
from reenact.models.pirenderer.network import PIRenderer, PIRendererConfig

BATCH = 4
PEOPLE = (1000, 1001)
"""People of the synthetic world whose clips are the sources and the driving frames."""


def read_clips(count: int, size: int) -> list[tuple[Portrait, Portrait]]:
    """A source and some driving frames of a clip of each person."""
    pairs = []
    for person in PEOPLE:
        clips = SyntheticClips(0, range(person, person + 1), 1, 100, size, EVERYTHING)
        frames = [99 * (number + 1) // count for number in range(count)]
        pairs.append((clips.read(0, [0]), clips.read(0, frames)))
    return pairs


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


def measure(work: dict[str, tuple[int, Callable[[], object]]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds per frame, of interleaved runs, so that other load falls on all alike; the first run is left out."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats + 1):
        for name, (frames, function) in work.items():
            start = time.process_time()
            function()
            seconds[name].append((time.process_time() - start) / frames)
    return {name: values[1:] for name, values in seconds.items()}


def list_differences(plain: Reenactor[Any, Any], folded: Reenactor[Any, Any], frames: int, size: int) -> list[float]:
    """Largest difference of each frame of each clip, a frame at a time."""
    differences = []
    for source, driving in read_clips(frames, size):
        state, ready = plain.encode(source), folded.encode(source)
        for number in range(len(driving.image)):
            motion = plain.read(driving[number : number + 1])
            change = folded.perform(ready, motion).image - plain.perform(state, motion).image
            differences.append(change.abs().max().item())
    return differences


def measure_network(name: str, plain: Reenactor[Any, Any], options: argparse.Namespace) -> None:
    """Print the share of the source, the differences and the times of a network."""
    folded = plain.folded()
    source, driving = read_clips(options.frames, options.size)[0]
    frames = [driving[number : number + 1] for number in range(options.frames)]
    state, ready = plain.encode(source), folded.encode(source)
    single = [plain.read(frame) for frame in frames]
    batches = [plain.read(driving[start : start + BATCH]) for start in range(0, options.frames, BATCH)]
    alone = count_products(plain, lambda: plain.encode(source))
    rest = count_products(plain, lambda: plain.perform(state, single[0]))
    share = f"{alone:.1f} of {alone + rest:.1f} billion products a frame, {alone / (alone + rest):.0%}"
    print(f"{name}: the source alone decides {share}")
    differences = list_differences(plain, folded, options.frames, options.size)
    least, most = min(differences), max(differences)
    print(f"largest difference of a frame's values in [-1, 1], folded: {least:.1e} to {most:.1e}")
    base = "unfolded, a frame a call"
    ways: dict[str, Callable[[], object]] = {
        base: lambda: [plain(source, frame) for frame in frames],
        "folded, a frame a call": lambda: [folded(source, frame) for frame in frames],
        "folded, source once": lambda: [folded.perform(ready, motion) for motion in single],
        f"the same, batches of {BATCH}": lambda: [folded.perform(ready, motion) for motion in batches],
    }
    seconds = measure({way: (options.frames, function) for way, function in ways.items()}, options.repeats)
    for way, values in seconds.items():
        ratios = [plain_time / value for plain_time, value in zip(seconds[base], values, strict=True)]
        times = f"median {statistics.median(values):6.3f} s, least {min(values):6.3f} s a frame"
        print(f"{way:24} {times}  {min(ratios):5.2f} to {max(ratios):5.2f} x")


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.manual_seed(0)
    head = load_face_model("head")
    measure_network("BFM flow", BFMFlow(BFMFlowConfig(), head).eval(), options)
    measure_network("PIRenderer", PIRenderer(PIRendererConfig(), head).eval(), options)
    print(f"CPU time, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
