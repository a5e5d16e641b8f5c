"""Metrics of the person alone: `psnr.foreground`, `ssim.foreground`, `lpips.foreground[NETWORK]`.

A pixel belongs to the person if the mask of the target covers half of it. The target's background takes the place of
the generated one, so that no window and no receptive field sees another background, and means are over the pixels of
the person.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.errors import ReenactError
from reenact.metrics.frame_metric import FrameMetric
from reenact.metrics.images import HIGHEST, RADIUS, map_similarity
from reenact.metrics.perceptual import Backbone, backbone_layers, map_layer_distances, map_weighted_distances
from reenact.metrics.scene import Frames, Reader

NO_PERSON = "the mask has no pixel of the person"


def psnr_of_person(generated: Tensor, target: Tensor, person: Tensor) -> Tensor:
    """(B,) peak signal-to-noise ratio in dB, of the mean square over the pixels of the person and RGB.

    Args:
        generated: (B, 3, H, W) in [-1, 1].
        target: The same.
        person: (B, 1, H, W), 1 on the person and 0 elsewhere.
    """
    square = average_over_person((generated - target).square().mean(1), person) / 4
    return (-10 * torch.log10(square)).clamp(max=HIGHEST)


def ssim_of_person(generated: Tensor, target: Tensor, person: Tensor) -> Tensor:
    """(B,) structural similarity, mean over RGB and the pixels of the person where the window of 11 x 11 fits.

    Args:
        generated: (B, 3, H, W) in [-1, 1], with the target's background.
        target: The same.
        person: (B, 1, H, W), 1 on the person and 0 elsewhere.
    """
    inner = slice(RADIUS, -RADIUS)
    return average_over_person(map_similarity(generated, target).mean(1), person[..., inner, inner])


def average_over_person(values: Tensor, person: Tensor) -> Tensor:
    """(B,) float64 means of maps (B, H, W), weighted by the person's share (B, 1, H', W') of each place.

    NaN where the person has no place.
    """
    weights = F.adaptive_avg_pool2d(person, (values.shape[-2], values.shape[-1]))[:, 0].double()
    return (values.double() * weights).sum((1, 2)) / weights.sum((1, 2))


class ForegroundMetric(FrameMetric):
    """Base of the metrics of this file: gives generated pictures the target's background."""

    absent = NO_PERSON

    def __init__(self, label: str) -> None:
        super().__init__(label, "target")

    def composite(self, generated: Frames, reference: Frames) -> tuple[Tensor, Tensor]:
        """Generated pictures (B, 3, H, W) on the target's background, and the person (B, 1, H, W) of 0 and 1.

        Raises:
            ReenactError: if the target has no masks.
        """
        if reference.mask is None:
            raise ReenactError(f"{self.label} is measured on the person, and {reference.name} have no masks of it")
        person = (reference.mask >= 0.5).float()
        return torch.where(person > 0, generated.image, reference.image), person


class ForegroundPSNR(ForegroundMetric):
    """`psnr.foreground`: see `psnr_of_person`."""

    higher_is_better = True

    def __init__(self) -> None:
        super().__init__("psnr.foreground")

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) ratios."""
        image, person = self.composite(generated, reference)
        return psnr_of_person(image, reference.image, person)


class ForegroundSSIM(ForegroundMetric):
    """`ssim.foreground`: see `ssim_of_person`."""

    higher_is_better = True

    def __init__(self) -> None:
        super().__init__("ssim.foreground")

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) similarities."""
        image, person = self.composite(generated, reference)
        return ssim_of_person(image, reference.image, person)


class ForegroundLayerDistance(ForegroundMetric):
    """`lpips.foreground[probe]`: the distance of `LayerDistance`, whose means are over the person.

    Args:
        reader: Gives the layers of pictures.
    """

    higher_is_better = False

    def __init__(self, reader: Reader[list[Tensor]]) -> None:
        super().__init__(f"lpips.foreground[{reader.name}]")
        self._reader = reader

    @torch.no_grad()
    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) distances."""
        image, person = self.composite(generated, reference)
        maps = map_layer_distances(self._reader(image), reference.read(self._reader))
        return torch.stack([average_over_person(values, person) for values in maps]).sum(0)


class ForegroundLPIPS(ForegroundMetric):
    """`lpips.foreground[alex]` and so on: the distance of `LPIPS`, whose means are over the person.

    Args:
        backbone: The network.
    """

    higher_is_better = False

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(f"lpips.foreground[{backbone}]")
        self._reader = backbone_layers(backbone)

    @torch.no_grad()
    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) distances."""
        image, person = self.composite(generated, reference)
        heads = self._reader.heads(image.device)
        maps = map_weighted_distances(self._reader(image), reference.read(self._reader), heads)
        return torch.stack([average_over_person(values, person) for values in maps]).sum(0)
