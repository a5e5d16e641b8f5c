"""PWM's patch discriminator (`Model/model.py` of the released code), on images in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from reenact.nn.blocks import DownBlock

PAPER_WIDTHS = (32, 64, 128, 256)
"""`32 * 2^i` for four blocks."""


class PatchDiscriminator(nn.Module):
    """Blocks of convolution (kernel 4, padding 2), batch norm, leaky ReLU and pooling; then patch logits."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DownBlock(channels_in, channels_out, kernel_size=4, padding=2)
            for channels_in, channels_out in zip((3, *widths), widths, strict=False)
        )
        self.out_convs = nn.ModuleList([nn.Conv2d(widths[-1], 1, 4, padding=2)])

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Features of every block and logits (B, 1, h, w) of images (B, 3, H, W)."""
        features = []
        for layer in self.layers:
            image = layer(image)
            features.append(image)
        return features, self.out_convs[0](image)


class Discriminator(nn.Module):
    """The released wrapper over scales, which holds one discriminator at full size; names as in its checkpoints."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.discs = nn.ModuleDict({"x1": PatchDiscriminator(widths)})

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Features of each layer and the logits of images, as `PatchDiscriminator` gives them."""
        features, logits = self.discs["x1"](image)
        return features, logits
