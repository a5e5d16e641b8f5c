"""Content and style of images in the layers of a fixed network, as PIRenderer compares them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def gram_matrix(features: Tensor) -> Tensor:
    """Products of the channels of maps (B, C, H, W), (B, C, C), over the number of values of a map."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def compare_scales(
    network: Callable[[Tensor], list[Tensor]],
    weights: Sequence[float],
    fake: Tensor,
    real: Tensor,
    scales: int,
    *,
    with_style: bool,
) -> tuple[Tensor, Tensor | None]:
    """Compare images in all layers: content at several scales, style at full size.

    Content is the mean absolute difference of a layer, weighed and summed over layers and scales, each scale bilinearly
    half the size of the one before. Style is that of the layers' Gram matrices, summed with the same weights, which are
    1 in PIRenderer (`loss/perceptual.py`). The real images give no gradient.

    Args:
        network: gives the layers (B, C, h, w) of images.
        weights: of the layers.
        fake: images (B, 3, H, W) in [0, 1].
        real: images of the same size.
        scales: number of scales, from full size on.
        with_style: True for both.

    Returns:
        Content, and style or None.
    """
    content, style = fake.new_zeros(()), fake.new_zeros(())
    for scale in range(scales):
        with torch.no_grad():
            targets = network(real)
        for weight, layer, target in zip(weights, network(fake), targets, strict=True):
            content = content + weight * F.l1_loss(layer, target)
            if with_style and scale == 0:
                style = style + weight * F.l1_loss(gram_matrix(layer), gram_matrix(target))
        if scale + 1 < scales:
            fake, real = (F.interpolate(image, scale_factor=0.5, mode="bilinear") for image in (fake, real))
    return content, style if with_style else None
