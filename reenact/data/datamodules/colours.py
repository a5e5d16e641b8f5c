"""The jitter of colours of training pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as colour

from reenact.faces.portrait import PortraitPair


def jitter_colours(
    batch: PortraitPair, strength: float, draw: np.random.Generator, rank: int = 0, processes: int = 1
) -> PortraitPair:
    """Change brightness, contrast, saturation (factors 1 +- strength) and hue (+- strength turns), in this order.

    Source and driving images of a sample get the same draw. Ranges as in torchvision's `ColorJitter`. The draws are for
    the batch of all processes, of which this one has every `processes`-th sample from `rank` on.
    """
    count = len(batch.source.image) * processes
    factors = draw.uniform(1 - strength, 1 + strength, (count, 3))[rank::processes]
    hues = draw.uniform(-strength, strength, count)[rank::processes]

    def change(images: Tensor) -> Tensor:
        changed_images = [_jitter_image(image, factors[i], hues[i]) for i, image in enumerate(images)]
        return torch.stack(changed_images)

    source, driving = batch.source, batch.driving
    return PortraitPair(
        source=replace(source, image=change(source.image)), driving=replace(driving, image=change(driving.image))
    )


def _jitter_image(image: Tensor, factors: NDArray[np.float64], hue: float) -> Tensor:
    brightness, contrast, saturation = factors.tolist()
    image = colour.adjust_brightness(image.add(1).div(2), brightness)
    image = colour.adjust_saturation(colour.adjust_contrast(image, contrast), saturation)
    changed: Tensor = colour.adjust_hue(image, float(hue))
    return changed.mul(2).sub(1)
