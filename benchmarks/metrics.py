"""The suite of metrics against the slowest network in it, over frame pairs of 256 pixels.

    python benchmarks/metrics.py [--lpips vgg] [--frames 1000] [--size 256] [--batch 16]

Scored are PSNR, SSIM, LPIPS and the probe's AKD, AED, APD and CSIM, of generated frames against driving frames and one
source a clip of 50. Beside it each network alone passes over the generated and driving frames. Batches of all are
interleaved, so that other load falls on all alike; the processor's time is counted too, on which it weighs least.
Weights that are not on this machine are random: times are the same.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from reenact.assets import locate_asset
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.metrics import perceptual
from reenact.metrics.perceptual import Backbone
from reenact.metrics.suite import Suite, scene_of
from reenact.nn.probe import load_probe, resize_to_side

CLIP = 50
"""Frames that follow one source."""
READ = ("csim[probe]", "akd[probe]", "aed.expression[probe].l1", "apd.rotation[probe].degrees")


def fill_weights(lpips: Backbone) -> None:
    """Write random weights in place of a file that is not here."""
    if locate_asset(perceptual.BACKBONES[lpips]):
        return
    import lpips as package

    os.environ["REENACT_HOME"] = tempfile.mkdtemp()
    body = package.LPIPS(net=lpips, pnet_rand=True, verbose=False).net.state_dict()
    names = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth", "squeeze": "squeezenet1_1-b8a52dc0.pth"}
    state = {f"features.{name.partition('.')[2]}": value for name, value in body.items()}
    torch.save(state, Path(os.environ["REENACT_HOME"]) / names[lpips])


def batches(frames: int, size: int, batch: int) -> list[range]:
    """Numbers of frames; a batch stays within a clip."""
    return [
        range(start, min(start + batch, clip + CLIP, frames))
        for clip in range(0, frames, CLIP)
        for start in range(clip, min(clip + CLIP, frames), batch)
    ]


def pair_of(rows: range, size: int) -> tuple[Tensor, PortraitPair]:
    """Smooth noise as frames."""
    draw = torch.Generator().manual_seed(rows.start)
    source = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(rows.start // CLIP))
    shown = torch.rand(len(rows), 3, 16, 16, generator=draw)
    result = (shown + 0.1 * torch.randn(shown.shape, generator=draw)).clamp(0, 1)
    source, shown, result = (F.interpolate(part, size, mode="bilinear") * 2 - 1 for part in (source, shown, result))
    identity, clip = ["a"] * len(rows), [str(rows.start // CLIP)] * len(rows)
    first = torch.zeros(len(rows)).long()
    portrait = Portrait(source.expand_as(shown), frame=first, identity=identity, clip=clip)
    return result, PortraitPair(portrait, Portrait(shown, frame=torch.tensor(rows), identity=identity, clip=clip))


def update_suite(suite: Suite, result: Tensor, pair: PortraitPair) -> None:
    """Score results of a pair."""
    suite.update(scene_of(result, pair), pair)


def read_pictures(network: Callable[[Tensor], object], result: Tensor, pair: PortraitPair) -> None:
    """Run a metric's network alone on the results and the true frames."""
    network(result)
    network(pair.driving.image)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lpips", choices=("alex", "vgg", "squeeze", "probe"), default="vgg")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    if options.lpips != "probe":
        fill_weights(options.lpips)
    suite = Suite(names=["psnr", "ssim", f"lpips[{options.lpips}]", *READ], same_identity=True)
    probe = load_probe()
    networks: dict[str, Callable[[Tensor], object]] = {
        "probe": lambda image: probe.read(probe.features(resize_to_side(image)))
    }
    if options.lpips != "probe":
        layers = perceptual.backbone_layers(options.lpips)
        network = layers.network(torch.device("cpu"))
        networks[options.lpips] = lambda image: network.net(network.scaling_layer(image))
    seconds = {name: np.zeros(2) for name in ("suite", *networks)}
    for number, rows in enumerate([range(options.batch), *batches(options.frames, options.size, options.batch)]):
        result, pair = pair_of(rows, options.size)
        work: dict[str, Callable[[], object]] = {"suite": partial(update_suite, suite, result, pair)}
        for name, network_pass in networks.items():
            work[name] = partial(read_pictures, network_pass, result, pair)
        for name, function in work.items():
            start = np.array([time.perf_counter(), time.process_time()])
            function()
            spent = np.array([time.perf_counter(), time.process_time()]) - start
            seconds[name] += spent * bool(number)  # the first warms up
    report(seconds, options.frames, [score.value for score in suite.scores()])


def report(seconds: dict[str, NDArray[np.float64]], frames: int, values: list[float]) -> None:
    assert all(value == value for value in values), values
    print(f"{frames} pairs, {torch.get_num_threads()} threads")
    for name, (wall, processor) in seconds.items():
        print(
            f"{name:6} {wall:8.1f} s  {1000 * wall / frames:7.1f} ms a pair, processor {1000 * processor / frames:7.1f}"
        )
    slowest = max((name for name in seconds if name != "suite"), key=lambda name: seconds[name][0])
    wall, processor = seconds["suite"] / seconds[slowest]
    print(f"suite over the slowest network ({slowest}): {wall:.2f}, by processor time {processor:.2f}")


if __name__ == "__main__":
    main()
