"""BFM flow's completion network: a predicted flow and occlusion, and the shares of them beside the computed ones.

Mapping and warping network are PIRenderer's, which the paper builds on; the head has a channel for each map. The
computed maps are no input of the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.vector import MotionVector
from reenact.models.bfm_flow.config import BFMFlowConfig
from reenact.nn.warping import MappingNetwork, WarpingNetwork


@dataclass(frozen=True, kw_only=True)
class Completed:
    """Flow and occlusion of whole pictures."""

    flow: Tensor
    """(B, 2, H, W)"""
    occlusion: Tensor
    """(B, 1, H, W)"""
    flow_mask: Tensor | None
    """(B, 1, H, W) share of the predicted flow; None where no flow is computed."""
    occlusion_mask: Tensor | None
    """(B, 1, H, W) share of the predicted occlusion; None where none is computed."""


class CompletionNetwork(nn.Module):
    """Flow, occlusion and masks from the source image and the driving expression and pose (the paper's section 3.2).

    Args:
        config: guidance and sizes.
        face_model: the model of the parameters.
    """

    def __init__(self, config: BFMFlowConfig, face_model: FaceModel) -> None:
        super().__init__()
        self.layout = MotionVector(face_model, crop=False)
        self.gain = config.coefficient_gain
        self.frames = config.frames
        self.mapping_net = MappingNetwork(len(self.layout), config.code, config.mapping_layers)
        self.warping_net = WarpingNetwork(
            config.code,
            config.motion_width,
            config.motion_largest,
            config.motion_halvings,
            config.motion_doublings,
            out_channels=3 + config.flow + config.occlusion,
        )
        self.stride = self.warping_net.stride

    def begin(self, image: Tensor) -> Tensor:
        """Features of a source image (B, 3, H, W) that depend on no motion."""
        return self.warping_net.begin(image)

    def read_coefficients(self, motion: FaceParams) -> Tensor:
        """Coefficients (B, K) of frames, or (B, T, K) of windows."""
        return self.layout.of(motion) * self.gain

    def complete(
        self,
        start: Tensor,
        coefficients: Tensor,
        size: tuple[int, int],
        flow: Tensor | None,
        occlusion: Tensor | None,
    ) -> Completed:
        """Predict flow and occlusion, and fill in the computed ones: equations (5) to (7).

        Args:
            start: what `begin` returns, of batch 1 or B.
            coefficients: windows (B, T, K), or single frames (B, K), which are repeated.
            size: height and width of the picture.
            flow: (B, 2, H, W) the computed one; None where the network has none.
            occlusion: (B, 1, H, W) the computed one; None where the network has none.
        """
        code = self.mapping_net(self._form_windows(coefficients))
        maps = F.interpolate(self.warping_net.continue_from(start, code).float(), size, mode="bilinear")
        shares = maps[:, 2:].sigmoid()
        flow_mask = None if flow is None else shares[:, 1:2]
        occlusion_mask = None if occlusion is None else shares[:, -1:]
        return Completed(
            flow=_fuse_maps(maps[:, :2], flow, flow_mask),
            occlusion=_fuse_maps(shares[:, :1], occlusion, occlusion_mask),
            flow_mask=flow_mask,
            occlusion_mask=occlusion_mask,
        )

    def _form_windows(self, coefficients: Tensor) -> Tensor:
        """Windows (B, K, T) of coefficients as of `complete`."""
        if coefficients.ndim == 2:
            return coefficients[..., None].expand(-1, -1, self.frames)
        if coefficients.shape[1] != self.frames:
            raise ReenactError(f"BFM flow reads windows of {self.frames} frames, not {coefficients.shape[1]}")
        return coefficients.mT


def _fuse_maps(predicted: Tensor, computed: Tensor | None, mask: Tensor | None) -> Tensor:
    if computed is None or mask is None:
        return predicted
    return mask * predicted + (1 - mask) * computed
