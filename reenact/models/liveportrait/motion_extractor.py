"""LivePortrait's motion extractor: ConvNeXt-V2 with seven linear heads (`src/modules/convnextv2.py`; names as there).

Images are in [0, 1]; keypoints as in `reenact.nn.keypoints`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.faces.fields import TensorFields
from reenact.nn.euler import BINS, angle_of
from reenact.nn.keypoints import average_position, spatial_softmax

EPSILON: Final = 1e-6
"""Epsilon of every layer norm, and of the mean that responses are divided by."""
HEADS: Final = ("kp", "pitch", "yaw", "roll", "t", "exp", "scale")
"""Linear layers, `fc_` and the name."""
TEMPERATURE: Final = 0.1
"""Temperature of the softmax over the positions of a learned map."""
FIRST_BIN: Final = -97.5
"""Degrees of the first bin; Hopenet and Face-vid2vid begin at -99."""


@dataclass
class HeadReading(TensorFields):
    """Everything that the motion extractor reads in pictures."""

    canonical: Tensor
    """(B, K, 3) canonical keypoints x_c."""
    angles: Tensor
    """(B, 3) yaw, pitch and roll in degrees."""
    translation: Tensor
    """(B, 3) translation t, whose z is 0: the network's is added nowhere."""
    expression: Tensor
    """(B, K, 3) expression delta, before the scale."""
    scale: Tensor
    """(B, 1) scale s."""
    places: Tensor | None = None
    """(B, places, 2) centres of the learned maps, [-1, 1] spanning the picture; None where there are none."""


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of maps (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every pixel."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResponseNorm(nn.Module):
    """Global response norm of maps with channels last, (B, H, W, C) (Woo et al. 2023, algorithm 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Let channels compete by the norms of their responses."""
        response = x.norm(dim=(1, 2), keepdim=True)
        normalised = response / (response.mean(-1, keepdim=True) + EPSILON)
        out: Tensor = self.gamma * (x * normalised) + self.beta + x
        return out


class Block(nn.Module):
    """ConvNeXt-V2's residual block of maps (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=EPSILON)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = ResponseNorm(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.pwconv2(self.grn(F.gelu(self.pwconv1(y))))
        out: Tensor = x + y.permute(0, 3, 1, 2)
        return out


class MotionExtractor(nn.Module):
    """Canonical keypoints, head pose, translation, scale and expression of pictures of any size.

    Args:
        keypoints: K.
        depths: blocks of each stage.
        widths: channels of each stage; the first has a quarter of the picture's size, each other half the one before.
        places: number of learned maps of all stages' features, at the size of the first, whose centres of mass the
            heads read beside the pooled vector; the published network has none. Ours, for short training: pooled
            features must learn positions first.
        place_channels: features that are read at each of these centres, too.
    """

    def __init__(
        self,
        keypoints: int,
        depths: Sequence[int],
        widths: Sequence[int],
        *,
        places: int = 0,
        place_channels: int = 0,
    ) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, widths[0], 4, stride=4), ChannelNorm(widths[0], eps=EPSILON))
        self.downsample_layers = nn.ModuleList([stem])
        for a, b in pairwise(widths):
            self.downsample_layers.append(nn.Sequential(ChannelNorm(a, eps=EPSILON), nn.Conv2d(a, b, 2, stride=2)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth))) for depth, width in zip(depths, widths, strict=True)
        )
        self.norm = nn.LayerNorm(widths[-1], eps=EPSILON)
        self.laterals = nn.ModuleList(nn.Conv2d(width, places, 1) for width in (widths if places else ()))
        self.maps = nn.Conv2d(places, places, 3, padding=1) if places else None
        self.details = nn.Conv2d(places, place_channels, 1) if place_channels else None
        inputs = widths[-1] + (2 + place_channels) * places
        self.fc_kp = nn.Linear(inputs, 3 * keypoints)
        self.fc_scale = nn.Linear(inputs, 1)
        self.fc_pitch, self.fc_yaw, self.fc_roll = (nn.Linear(inputs, BINS) for _ in range(3))
        self.fc_t = nn.Linear(inputs, 3)
        self.fc_exp = nn.Linear(inputs, 3 * keypoints)
        # The scale has no activation: from around 0 it would grow with either sign. This start, 1 for every picture
        # with hardly a shift or an expression, is our own.
        nn.init.ones_(self.fc_scale.bias)
        nn.init.zeros_(self.fc_scale.weight)
        for head in (self.fc_t, self.fc_exp):
            nn.init.normal_(head.weight, std=1e-3)
            nn.init.zeros_(head.bias)

    def features(self, image: Tensor) -> list[Tensor]:
        """The maps (B, C, h, w) of every stage, and their pooled vector (B, C) last."""
        maps: list[Tensor] = []
        x = image
        for down, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(down(x))
            maps.append(x)
        return [*maps, self.norm(x.mean((-2, -1)))]

    def heads(self, image: Tensor) -> dict[str, Tensor]:
        """The outputs of the linear layers by the names of the official code, of images (B, 3, H, W) in [0, 1]."""
        return self._read_heads(image)[0]

    def _read_heads(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor | None]:
        """The outputs of `heads`, and the centres (B, places, 2) of the learned maps where there are any."""
        *stages, vector = self.features(image)
        places = None
        if self.maps is not None:
            size = stages[0].shape[-2:]
            parts = [lateral(maps) for lateral, maps in zip(self.laterals, stages, strict=True)]
            joined = [F.interpolate(part, size, mode="bilinear", align_corners=False) for part in parts]
            pyramid = F.gelu(torch.stack(joined).sum(0))
            heat = spatial_softmax(self.maps(pyramid), TEMPERATURE)
            places = average_position(heat)
            vector = torch.cat((vector, places.flatten(1).to(vector.dtype)), dim=1)
            if self.details is not None:
                read = torch.einsum("bphw,bchw->bpc", heat.to(vector.dtype), self.details(pyramid))
                vector = torch.cat((vector, read.flatten(1)), dim=1)
        return {name: getattr(self, f"fc_{name}")(vector) for name in HEADS}, places

    def forward(self, image: Tensor) -> HeadReading:
        """Read images (B, 3, H, W) in [0, 1]."""
        outputs, places = self._read_heads(image)
        heads = {name: value.float() for name, value in outputs.items()}
        return HeadReading(
            canonical=heads["kp"].view(len(image), -1, 3),
            angles=torch.stack([angle_of(heads[name], FIRST_BIN) for name in ("yaw", "pitch", "roll")], dim=1),
            translation=F.pad(heads["t"][:, :2], (0, 1)),
            expression=heads["exp"].view(len(image), -1, 3),
            scale=heads["scale"],
            places=places,
        )
