"""Metrics of pixels: L1, PSNR, SSIM, MS-SSIM. All read pictures (B, 3, H, W) in [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from reenact.metrics.frame_metric import FrameMetric
from reenact.metrics.scene import Frames

BORDER = 5
"""Pixels at each edge that the 11 x 11 window of SSIM does not see whole."""
HIGHEST = 100.0
"""PSNR of equal pictures (universome's and JunyaoHu's FVD repositories cap it there)."""
SMALLEST = 161
"""Side from which on five halvings leave MS-SSIM's window whole."""


def l1(generated: Tensor, target: Tensor) -> Tensor:
    """(B,) mean absolute difference on the scale [0, 1]."""
    return (generated - target).abs().flatten(1).double().mean(1) / 2


def psnr(generated: Tensor, target: Tensor) -> Tensor:
    """(B,) peak signal-to-noise ratio in dB, of the mean square over height, width and channels together.

    As scikit-image's `peak_signal_noise_ratio` of an RGB picture; equal pictures have 100 dB.
    """
    square = (generated - target).double().div(2).square().flatten(1).mean(1)
    return (-10 * torch.log10(square)).clamp(max=HIGHEST)


def ssim(generated: Tensor, target: Tensor) -> Tensor:
    """(B,) structural similarity: Gaussian window of 11 x 11, sigma 1.5, mean over the places it fits and RGB.

    Wang et al. 2004; as scikit-image's with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`. The
    mean over the whole picture, borders mirrored, that torchmetrics gives by default is another number.
    """
    pictures = generated.double().add(1).div(2), target.double().add(1).div(2)
    _, places = structural_similarity_index_measure(*pictures, data_range=1.0, return_full_image=True)
    inner: Tensor = places[..., BORDER:-BORDER, BORDER:-BORDER]
    return inner.flatten(1).mean(1)


def ms_ssim(generated: Tensor, target: Tensor) -> Tensor:
    """(B,) multi-scale structural similarity of five scales (Wang et al. 2003), as torchmetrics computes it.

    NaN for pictures under 161 pixels, which have not five scales.
    """
    if min(generated.shape[-2:]) < SMALLEST:
        return generated.new_full((len(generated),), torch.nan)
    pictures = generated.double().add(1).div(2), target.double().add(1).div(2)
    values: Tensor = multiscale_structural_similarity_index_measure(*pictures, data_range=1.0, reduction="none")
    return values


class L1(FrameMetric):
    """`l1`: see the function."""

    higher_is_better = False

    def __init__(self) -> None:
        super().__init__("l1", "target")

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) differences."""
        return l1(generated.image, reference.image)


class PSNR(FrameMetric):
    """`psnr`: see the function. The mean of the frames' values, not the value of their mean square."""

    higher_is_better = True
    unit = "dB"

    def __init__(self) -> None:
        super().__init__("psnr", "target")

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) ratios."""
        return psnr(generated.image, reference.image)


class SSIM(FrameMetric):
    """`ssim`: see the function."""

    higher_is_better = True

    def __init__(self) -> None:
        super().__init__("ssim", "target")

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) similarities."""
        return ssim(generated.image, reference.image)


class MSSSIM(FrameMetric):
    """`ms_ssim`: see the function."""

    higher_is_better = True

    def __init__(self) -> None:
        super().__init__("ms_ssim", "target")

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) similarities."""
        return ms_ssim(generated.image, reference.image)
