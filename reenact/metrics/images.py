"""Metrics of pixels: L1, PSNR, SSIM, MS-SSIM. All read pictures (B, 3, H, W) in [-1, 1]."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.metrics.frame_metric import FrameMetric
from reenact.metrics.scene import Frames

HIGHEST: Final = 100.0
"""PSNR of equal pictures (universome's and JunyaoHu's FVD repositories cap it there)."""
RADIUS, SIGMA = 5, 1.5
"""Radius and standard deviation of SSIM's Gaussian window, in pixels (Wang et al. 2004, section III-B)."""
LEVEL, CONTRAST = 0.01**2, 0.03**2
"""C1 and C2 of pictures in [0, 1] (the same)."""
SCALES: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, the finest first (Wang et al. 2003, section 3.2)."""
SMALLEST: Final = (2 * RADIUS + 1) * 2 ** (len(SCALES) - 1)
"""Side, 176 pixels, from which on the window fits at the coarsest scale."""


def l1(generated: Tensor, target: Tensor) -> Tensor:
    """(B,) mean absolute difference on the scale [0, 1]."""
    return (generated - target).abs().flatten(1).double().mean(1) / 2


def psnr(generated: Tensor, target: Tensor) -> Tensor:
    """(B,) peak signal-to-noise ratio in dB, of the mean square over height, width and channels together.

    As scikit-image's `peak_signal_noise_ratio` of an RGB picture; equal pictures have 100 dB.
    """
    square = (generated - target).square_().flatten(1).mean(1).double() / 4
    return (-10 * torch.log10(square)).clamp(max=HIGHEST)


def ssim(generated: Tensor, target: Tensor) -> Tensor:
    """(B,) structural similarity: Gaussian window of 11 x 11, sigma 1.5, mean over the places it fits and RGB.

    (2 m1 m2 + C1)(2 s12 + C2) / ((m1^2 + m2^2 + C1)(s1^2 + s2^2 + C2)), Wang et al. 2004, eq. 13; as scikit-image's
    with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`. The mean over the whole picture, borders
    mirrored, that torchmetrics gives by default is another number.
    """
    return torch.stack([values.mean(dtype=torch.float64) for values in map_similarity(generated, target)])


def map_similarity(generated: Tensor, target: Tensor) -> Tensor:
    """(B, 3, H - 10, W - 10) structural similarity at each place where the window fits: the numbers under `ssim`."""
    maps = []
    for first, second in zip(_centre_range(generated), _centre_range(target), strict=True):
        level, contrast = _local_similarity(first, second)
        maps.append(level * contrast)
    return torch.stack(maps)


def ms_ssim(generated: Tensor, target: Tensor) -> Tensor:
    """(B,) multi-scale structural similarity: of each channel by five scales (Wang et al. 2003, eq. 7), then the mean.

    Each scale halves the pictures by averages of 2 x 2; contrast and structure count at all of them, luminance at the
    coarsest; negative factors count as zero. NaN for pictures under 176 pixels, which have not five scales.
    """
    if min(generated.shape[-2:]) < SMALLEST:
        return generated.new_full((len(generated),), torch.nan)
    return torch.stack(
        [_multiscale_similarity(a, b) for a, b in zip(_centre_range(generated), _centre_range(target), strict=True)]
    )


def _multiscale_similarity(first: Tensor, second: Tensor) -> Tensor:
    """Multi-scale similarity of two pictures (3, H, W) in [-0.5, 0.5]."""
    factors = []
    for number, exponent in enumerate(SCALES):
        level, contrast = _local_similarity(first, second)
        last = number == len(SCALES) - 1
        places = level * contrast if last else contrast
        factors.append(places.mean((-2, -1), dtype=torch.float64).clamp_min(0) ** exponent)
        if not last:
            first, second = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
    return torch.stack(factors).prod(0).mean()


def _centre_range(pictures: Tensor) -> Tensor:
    """[-1, 1] to [-0.5, 0.5]: what is squared is small, so that variances survive float32."""
    return pictures.float().div(2)


def _local_similarity(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Likeness of luminance, and of contrast and structure, where the window fits (3, H - 10, W - 10).

    One picture at a time, (3, H, W) in [-0.5, 0.5], stays in a processor's cache.
    """
    maps = torch.stack([first, second, first * second, first.square().addcmul_(second, second)])
    mean1, mean2, product, squares = _blur_maps(maps)
    both, each = mean1 * mean2, mean1.square().addcmul_(mean2, mean2)
    contrast = (product - both).mul_(2).add_(CONTRAST).div_((squares - each).add_(CONTRAST))
    # luminance is of means in [0, 1]: m + 1/2
    total = (mean1 + mean2).div_(2)
    level = both.add_(total).add_(0.25).mul_(2).add_(LEVEL)
    return level.div_(each.add_(total, alpha=2).add_(0.5 + LEVEL)), contrast


def _blur_maps(maps: Tensor) -> Tensor:
    """Weighted means (..., H - 10, W - 10) by SSIM's window.

    OpenCV is ten times as fast as torch's convolutions on a CPU; elsewhere two products with banded matrices do it.
    """
    window = np.exp(-(np.arange(-RADIUS, RADIUS + 1) ** 2) / (2 * SIGMA**2))
    window /= window.sum()
    height, width = maps.shape[-2:]
    if maps.device.type == "cpu":
        planes = maps.detach().reshape(-1, height, width).numpy()
        inner = slice(RADIUS, -RADIUS)
        blurred = np.stack([cv2.sepFilter2D(plane, -1, window, window)[inner, inner] for plane in planes])
        return torch.from_numpy(blurred).reshape(*maps.shape[:-2], *blurred.shape[-2:])
    rows, columns = (_window_matrix(side, torch.from_numpy(window)).to(maps) for side in (height, width))
    return rows.T @ (maps @ columns)


def _window_matrix(side: int, window: Tensor) -> Tensor:
    """(N, N - 10) matrix whose columns hold the window, each one row further down."""
    band = torch.zeros(side, side - len(window) + 1, dtype=window.dtype)
    places = torch.arange(band.shape[1])
    for shift, weight in enumerate(window):
        band[places + shift, places] = weight
    return band


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

    def __init__(self) -> None:
        super().__init__("psnr", "target")

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) ratios."""
        return psnr(generated.image, reference.image)


class SSIM(FrameMetric):
    """`ssim`: see the function."""

    higher_is_better = True
    absent = "the picture is smaller than the window of 11 pixels"

    def __init__(self) -> None:
        super().__init__("ssim", "target")

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) similarities."""
        return ssim(generated.image, reference.image)


class MSSSIM(FrameMetric):
    """`ms_ssim`: see the function."""

    higher_is_better = True
    absent = f"five scales need {SMALLEST} pixels"

    def __init__(self) -> None:
        super().__init__("ms_ssim", "target")

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) similarities."""
        return ms_ssim(generated.image, reference.image)
