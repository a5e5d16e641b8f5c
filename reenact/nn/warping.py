"""From windows of face coefficients to a flow: PIRenderer's mapping and warping networks.

Attribute names are those of its published checkpoints. A head with more channels predicts masks beside the flow.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.nn.adain import AdaINDownBlock, AdaINUpBlock, LayerNorm2d, normalise_instances
from reenact.nn.blocks import LEAK
from reenact.nn.resample import identity_grid

FIRST_KERNEL = 7
"""Frames that the first layer of the mapping network reads."""
DILATION = 3
"""Frames between the taps of its other layers."""


def count_frames(window: int, layers: int) -> int:
    """Number of frames that a mapping network is given: those of a window, or of one repeated frame for window 0.

    Args:
        window: frames on either side of a frame.
        layers: of the mapping network.

    Raises:
        ReenactError: if the window is shorter than what the layers read.
    """
    least = FIRST_KERNEL + 2 * DILATION * layers
    if window and 2 * window + 1 < least:
        raise ReenactError(
            f"--model.network.window {window} gives {2 * window + 1} frames and {layers} mapping layers read {least}:"
            f" set 0, {least // 2} or more, or fewer --model.network.mapping_layers"
        )
    return 2 * window + 1 if window else least


def add_coordinates(image: Tensor) -> Tensor:
    """Images (B, C, H, W) with the place of each pixel behind: x right and y down, [-1, 1] spanning the image."""
    height, width = image.shape[-2:]
    grid = identity_grid(height, width, image).to(image.dtype).permute(2, 0, 1)
    return torch.cat((image, grid.expand(len(image), -1, -1, -1)), dim=1)


class MappingNetwork(nn.Module):
    """A code of the motion in a window of coefficients: (B, K, T) to (B, D).

    Args:
        coefficients: K.
        code: D.
        layers: dilated layers after the first; each shortens the window by 6 frames, the first one too.
    """

    def __init__(self, coefficients: int, code: int = 256, layers: int = 3) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(coefficients, code, FIRST_KERNEL))
        self.layers = layers
        for i in range(layers):
            dilated = nn.Conv1d(code, code, 3, dilation=DILATION)
            self.add_module(f"encoder{i}", nn.Sequential(nn.LeakyReLU(LEAK), dilated))

    def forward(self, window: Tensor) -> Tensor:
        """Apply it."""
        x = self.first(window)
        for i in range(self.layers):
            x = self.get_submodule(f"encoder{i}")(x) + x[..., DILATION:-DILATION]
        code: Tensor = x.mean(-1)
        return code


class AdaINEncoder(nn.Module):
    """Modulated halvings of an image; the input and the output of each block, finest first.

    Args:
        widths: channels at full size and after each halving.
        code: length of the code.
        in_channels: of the image.
    """

    def __init__(self, widths: list[int], code: int, in_channels: int = 3) -> None:
        super().__init__()
        self.input_layer = nn.Conv2d(in_channels, widths[0], 7, padding=3)
        self.halvings = len(widths) - 1
        for i, (a, b) in enumerate(pairwise(widths)):
            self.add_module(f"encoder{i}", AdaINDownBlock(a, b, code))

    def begin(self, image: Tensor) -> Tensor:
        """Normalised features (B, C, H, W) of the first layer, in which no code has a part."""
        return normalise_instances(self.input_layer(image))

    def continue_from(self, start: Tensor, code: Tensor) -> list[Tensor]:
        """Features after each halving, given what `begin` returns."""
        first = self.get_submodule("encoder0")
        assert isinstance(first, AdaINDownBlock)
        features = [first.continue_from(start, code)]
        for i in range(1, self.halvings):
            features.append(self.get_submodule(f"encoder{i}")(features[-1], code))
        return features


class AdaINDecoder(nn.Module):
    """Modulated doublings, each followed by the encoder's features of its size.

    Args:
        widths: as of the encoder.
        code: length of the code.
        doublings: fewer than the encoder has halvings.
    """

    def __init__(self, widths: list[int], code: int, doublings: int) -> None:
        super().__init__()
        halvings = len(widths) - 1
        self.levels = tuple(range(halvings - doublings, halvings))[::-1]
        for i in self.levels:
            channels_in = widths[i + 1] * (1 if i == halvings - 1 else 2)
            self.add_module(f"decoder{i}", AdaINUpBlock(channels_in, widths[i], code))
        self.channels_out = 2 * widths[self.levels[-1]]

    def forward(self, features: list[Tensor], code: Tensor) -> Tensor:
        """Apply it to the features after each halving, finest first."""
        *skips, x = features
        for i in self.levels:
            x = torch.cat((self.get_submodule(f"decoder{i}")(x, code), skips.pop()), dim=1)
        return x


class AdaINHourglass(nn.Module):
    """Encoder and decoder that a code modulates: an image (B, C, H, W) to maps at the decoder's last size.

    Args:
        widths: channels at full size and after each halving.
        code: length of the code.
        doublings: fewer than the halvings, at least 1.
        in_channels: of the image.
    """

    def __init__(self, widths: list[int], code: int, doublings: int, in_channels: int = 3) -> None:
        super().__init__()
        self.encoder = AdaINEncoder(widths, code, in_channels)
        self.decoder = AdaINDecoder(widths, code, doublings)
        self.channels_out = self.decoder.channels_out


class WarpingNetwork(nn.Module):
    """A backward flow from an image and the code of a motion, with further maps where the head has more channels.

    Convention: channels 0 (x, right) and 1 (y, down) are displacements from driving to source in units in which 2 spans
    the distance between the centres of the first and the last pixel of the flow's own grid, as released: a raw output
    of 1 is a pixel of that grid. Further channels are raw.

    Args:
        code: length of the code.
        width: channels at full size; each halving doubles them.
        largest: largest number of channels.
        halvings: of the image; what is left must have more than one pixel.
        doublings: of the decoder; the output is smaller than the image by 2 to the power of `halvings - doublings`.
        out_channels: of the head; the flow comes first.
        in_channels: of the image: 3, or 5 with the coordinates of `add_coordinates`.
    """

    def __init__(
        self,
        code: int = 256,
        width: int = 32,
        largest: int = 256,
        halvings: int = 5,
        doublings: int = 3,
        out_channels: int = 2,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        widths = [min(width * 2**i, largest) for i in range(halvings + 1)]
        self.stride = 2**halvings
        self.hourglass = AdaINHourglass(widths, code, doublings, in_channels)
        channels = self.hourglass.channels_out
        head = nn.Conv2d(channels, out_channels, 7, padding=3)
        self.flow_out = nn.Sequential(LayerNorm2d(channels), nn.LeakyReLU(LEAK), head)

    def begin(self, image: Tensor) -> Tensor:
        """Features of an image (B, C, H, W) in [-1, 1] that depend on no motion."""
        return self.hourglass.encoder.begin(image)

    def continue_from(self, start: Tensor, code: Tensor) -> Tensor:
        """Flow and further maps (B, out, h, w) from the features of `begin`, of batch 1 or B, and codes (B, D)."""
        features = self.hourglass.encoder.continue_from(start, code)
        raw = self.flow_out(self.hourglass.decoder(features, code))
        height, width = raw.shape[-2:]
        flow = raw[:, :2] * raw.new_tensor([2 / (width - 1), 2 / (height - 1)]).view(1, 2, 1, 1)
        return torch.cat((flow, raw[:, 2:]), dim=1)

    def forward(self, image: Tensor, code: Tensor) -> Tensor:
        """Apply it to images and codes."""
        return self.continue_from(self.begin(image), code)
