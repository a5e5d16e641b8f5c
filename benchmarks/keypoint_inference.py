"""FOMM, Face-vid2vid, its SPADE form and LivePortrait at their papers' sizes: as their official code runs, and folded.

    python benchmarks/keypoint_inference.py [--method liveportrait] [--precision float32 bfloat16] [--rounds 2]

For each round and method, one frame is made by the unfolded network as the official loop does: LivePortrait's encodes
the source once, the others encode it again for each frame; LivePortrait's compressed volume is computed again. Then one
frame is made by the folded network from a source that was encoded once, in each precision. Times are CPU times of one
thread; ratios are those of neighbouring measurements. Weights are random.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from reenact.faces.portrait import Portrait
from reenact.models.common.base import Reenactor
from reenact.models.face_vid2vid.network import FaceVid2Vid, FaceVid2VidConfig
from reenact.models.fomm.network import FOMM, FOMMConfig
from reenact.models.liveportrait.config import LivePortraitConfig
from reenact.models.liveportrait.motion import LivePortraitState
from reenact.models.liveportrait.network import LivePortrait
from reenact.nn.conv import SpectralConv2d

NETWORKS: dict[str, tuple[Callable[[], Reenactor[Any, Any]], int]] = {
    "fomm": (lambda: FOMM(FOMMConfig()), 256),
    "face_vid2vid": (lambda: FaceVid2Vid(FaceVid2VidConfig()), 256),
    "face_vid2vid_spade": (lambda: FaceVid2Vid(FaceVid2VidConfig(decoder="spade")), 256),
    "liveportrait": (lambda: LivePortrait(LivePortraitConfig()), 512),
}
"""Method -> its network, and the side of its pictures."""


def build_portrait(size: int) -> Portrait:
    """A random picture with random landmarks."""
    return Portrait(image=torch.rand(1, 3, size, size) * 2 - 1, landmarks=torch.rand(1, 68, 2) * size)


def settle_norms(network: nn.Module) -> None:
    """Bring fresh spectral norms to the size of trained ones."""
    for part in network.modules():
        if isinstance(part, SpectralConv2d):
            for _ in range(15):
                part.weight()


def time_call(function: Callable[[], Tensor], precision: torch.dtype = torch.float32) -> tuple[Tensor, float]:
    """The result of a function without gradients, and its CPU time in seconds."""
    start = time.process_time()
    with torch.no_grad(), torch.autocast("cpu", precision, enabled=precision != torch.float32):
        result = function()
    return result.float(), time.process_time() - start


def run_as_official(network: Reenactor[Any, Any], source: Portrait, state: object, driving: Portrait) -> Tensor:
    """One frame by the unfolded network."""
    if isinstance(network, LivePortrait):
        assert isinstance(state, LivePortraitState)
        state = replace(state, compressed=network.warping.compressed(state.volume))
        return network.drive(state, driving).image
    image: Tensor = network(source, driving).image
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--precision", nargs="+", choices=("float32", "bfloat16"), default=["float32"])
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name in options.method:
        build, size = NETWORKS[name]
        network = build()
        settle_norms(network)
        network = network.eval().requires_grad_(False)
        folded = copy.deepcopy(network).folded()
        source, driving = build_portrait(size), build_portrait(size)
        with torch.no_grad():
            plain_state, state = network.encode(source), folded.encode(source)
            folded.drive(state, driving)  # weights of Winograd's tiles are computed once
        for number in range(options.rounds):
            image, seconds = time_call(lambda: run_as_official(network, source, plain_state, driving))  # noqa: B023
            line = f"{name} {number + 1}: as official {seconds:.2f} s"
            for precision in options.precision:
                drawn, faster = time_call(lambda: folded.drive(state, driving).image, getattr(torch, precision))  # noqa: B023
                error = (drawn - image).abs().max().item() / 2
                line += f"; {precision} {faster:.2f} s, {seconds / faster:.2f} times, differs by {error:.1e}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
