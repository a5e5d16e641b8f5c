"""The warp of the released code, whose zero flow is not the identity."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from reenact.nn.resample import identity_grid, sample_image


def warp_as_released(image: Tensor, flow: Tensor) -> Tensor:
    """Warp images (B, 3, H, W) by a flow (B, 2, h, w) of another size; an image of batch 1 serves all flows.

    Convention: backward flow, driving to source, x right, y down, in units of `grid_sample`. The flow is added to an
    identity grid of its own size that puts -1 and 1 at the centres of the border pixels (`align_corners=True`). The
    sum is enlarged bilinearly, which repeats it beyond the outermost centres, and sampled with [-1, 1] at the edges of
    the image (`align_corners=False`), zeros outside. So zero flow shrinks the picture to (w - 1) / w of its width and
    (h - 1) / h of its height about its centre, and repeats its border, half of it zeros; published weights were trained
    with it and undo it by their flow.
    """
    position = identity_grid(flow.shape[-2], flow.shape[-1], flow, "centres").permute(2, 0, 1) + flow
    size = image.shape[-2:]
    if position.shape[-2:] != size:
        position = F.interpolate(position, size, mode="bilinear", align_corners=False)
    return sample_image(image, position.permute(0, 2, 3, 1))
