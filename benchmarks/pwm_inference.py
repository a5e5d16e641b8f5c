"""PWM's generator at the paper's size: this package against a layer-by-layer transcription of the released network.

    python benchmarks/pwm_inference.py [--size 256] [--frames 8] [--repeats 5]

Guidance maps are given, so rasteriser and face model are left out. Three ways to make one frame are timed, interleaved,
on all cores, and their medians printed:

* transcription: the whole network as released (stride-1 low-pass then slicing, spectral norm computed in each forward,
  separate convolutions for gamma and beta), once per frame;
* ours, whole: `encode` and `drive` of the folded generator for each frame;
* ours, driven: `encode` once, then `drive` with batches of frames, as `reenact animate` does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.models.pwm.generator import PAPER_WIDTHS, PWMGenerator

CODES = 16
BATCH = 4


def conv(channels_in: int, channels_out: int, size: int = 3) -> nn.Module:
    return nn.utils.spectral_norm(nn.Conv2d(channels_in, channels_out, size, padding=size // 2))


class Block(nn.Module):
    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = conv(channels_in, channels_out)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), 0.1, inplace=True)


class Spade(nn.Module):
    def __init__(self, channels: int, modulation: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.shared_conv = nn.Sequential(conv(modulation, hidden), nn.LeakyReLU(0.1, inplace=True))
        self.gamma_conv = conv(hidden, channels)
        self.beta_conv = conv(hidden, channels)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        hidden = self.shared_conv(modulation)
        result: Tensor = self.norm(x) * (1 + self.gamma_conv(hidden)) + self.beta_conv(hidden)
        return result


class SpadeBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, modulation: int, hidden: int) -> None:
        super().__init__()
        self.non_identity_shortcut = conv(channels_in, channels_out, 1)
        self.spade1 = Spade(channels_in, modulation, hidden)
        self.conv1 = conv(channels_in, channels_out)
        self.spade2 = Spade(channels_out, modulation, hidden)
        self.conv2 = conv(channels_out, channels_out)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        y = self.conv1(F.leaky_relu(self.spade1(x, modulation), 0.1, inplace=True))
        y = self.conv2(F.leaky_relu(self.spade2(y, modulation), 0.1, inplace=True))
        result: Tensor = self.non_identity_shortcut(x) + y
        return result


class LowPass(nn.Module):
    weight: Tensor

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        sigma = (factor - 1) / 2
        self.factor, self.radius = factor, round(4 * sigma)
        position = torch.arange(-self.radius, self.radius + 1).float()
        line = torch.exp(-(position**2) / (2 * sigma**2))
        kernel = torch.outer(line, line)
        self.register_buffer("weight", (kernel / kernel.sum()).repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(F.pad(x, [self.radius] * 4), self.weight, groups=x.shape[1])
        return x[:, :, :: self.factor, :: self.factor]


class Transcription(nn.Module):
    """The released generator with displacement and codes, layer by layer; names as in its checkpoints."""

    def __init__(self, widths: tuple[int, ...] = PAPER_WIDTHS) -> None:
        super().__init__()
        guidance = CODES + 2
        self.strides = [2**i for i in range(len(widths))]
        width = dict(zip(self.strides, widths, strict=True))
        self.down_layers = nn.ModuleDict({"x1": Block(3 + CODES, widths[0])})
        self.shortcut_layers, self.downsamples, self.up_layers = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for s in self.strides[1:]:
            self.down_layers[f"x{s}"] = Block(width[s // 2], width[s])
            self.shortcut_layers[f"x{s // 2}"] = Block(width[s // 2], width[s // 2])
            self.downsamples[f"x{s}"] = LowPass(guidance, s)
            self.up_layers[f"x{s}_spade"] = SpadeBlock(2 * width[s], width[s], guidance, width[s])
            self.up_layers[f"x{s}_flow"] = nn.Conv2d(width[s], 2, 3, padding=1)
            self.up_layers[f"x{s}_up"] = Block(width[s], width[s // 2])
        self.up_layers["x1_out"] = nn.Conv2d(2 * widths[0], 4, 3, padding=1)

    def forward(self, image: Tensor, source_map: Tensor, guidance: Tensor) -> Tensor:
        x = self.down_layers["x1"](torch.cat((image, source_map), dim=1))
        features = {1: x}
        for s in self.strides[1:]:
            x = features[s] = F.avg_pool2d(self.down_layers[f"x{s}"](x), 2)
        modulation = {s: self.downsamples[f"x{s}"](guidance) for s in self.strides[1:]}
        last = self.strides[-1]
        x = torch.cat((x, warp(x, modulation[last][:, -2:])), dim=1)
        for s in reversed(self.strides[1:]):
            x = self.up_layers[f"x{s}_spade"](x, modulation[s])
            raw = self.up_layers[f"x{s}_flow"](x)
            flow = F.interpolate(raw, scale_factor=2, mode="bilinear", align_corners=False)
            flow = flow * torch.tensor([2 / (flow.shape[3] - 1), 2 / (flow.shape[2] - 1)]).view(1, 2, 1, 1)
            up = self.up_layers[f"x{s}_up"](F.interpolate(x, scale_factor=2, mode="nearest"))
            x = torch.cat((up, warp(self.shortcut_layers[f"x{s // 2}"](features[s // 2]), flow)), dim=1)
        return torch.sigmoid(self.up_layers["x1_out"](x))[:, :3]


def warp(feature: Tensor, flow: Tensor) -> Tensor:
    y, x = (torch.linspace(-1, 1, n) for n in feature.shape[2:])
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1) + flow.permute(0, 2, 3, 1)
    return F.grid_sample(feature, grid, align_corners=False)


def settle(network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """A few training forwards, so that running statistics and spectral norms are those of a working network."""
    network.train()
    for _ in range(3):
        network(*inputs)
    network.eval()


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.manual_seed(0)
    size = options.size
    image, codes = torch.rand(1, 3, size, size), torch.rand(1, CODES, size, size)
    coarse = torch.rand(options.frames, CODES + 2, 8, 8) * 0.2
    guidance = F.interpolate(coarse, size, mode="bilinear", align_corners=False)
    reference = Transcription()
    settle(reference, (image.expand(2, -1, -1, -1), codes.expand(2, -1, -1, -1), guidance[[0, -1]]))
    ours = PWMGenerator(PAPER_WIDTHS, CODES, CODES + 2, displaced=True)
    ours.load_state_dict(reference.state_dict())
    folded = ours.folded()
    del ours
    first = guidance[:1]
    state = folded.encode(image, codes)
    difference = (folded.decode(state, first).image - reference(image, codes, first)).abs().max().item()
    work: dict[str, tuple[int, Callable[[], object]]] = {
        "transcription": (1, lambda: reference(image, codes, first)),
        "ours, whole": (1, lambda: folded.decode(folded.encode(image, codes), first)),
        "ours, driven": (options.frames, lambda: [folded.decode(state, part) for part in torch.split(guidance, BATCH)]),
    }
    report(measure(work, options.repeats), difference)


def measure(work: dict[str, tuple[int, Callable[[], object]]], repeats: int) -> dict[str, float]:
    """Median seconds per frame, of interleaved runs, so that other load falls on all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats + 1):
        for name, (frames, function) in work.items():
            start = time.perf_counter()
            function()
            seconds[name].append((time.perf_counter() - start) / frames)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def report(seconds: dict[str, float], difference: float) -> None:
    base = seconds["transcription"]
    for name, value in seconds.items():
        print(f"{name:14} {value:7.3f} s a frame  {1 / value:6.2f} frames/s  {base / value:5.2f} x")
    print(f"largest difference of the outputs: {difference:.1e} ({torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main()
