"""LivePortrait's warping module (`src/modules/warping_network.py`; names as there)."""

from __future__ import annotations

from torch import Tensor, nn

from reenact.nn.blocks import SameBlock
from reenact.nn.volume import VolumeDenseMotion, VolumeMotion, project_volume


class WarpingModule(nn.Module):
    """A source's feature volume moved by its keypoints, as the map that the decoder reads.

    Args:
        channels: C of the volume.
        depth: D of the volume.
        width: channels of the map.
        dense_motion: gives flow and occlusion.
    """

    def __init__(self, channels: int, depth: int, width: int, dense_motion: VolumeDenseMotion) -> None:
        super().__init__()
        self.dense_motion_network = dense_motion
        self.third = SameBlock(channels * depth, width, conv=nn.Conv2d, slope=0.01)
        self.fourth = nn.Conv2d(width, width, 1)

    def compressed(self, volume: Tensor) -> Tensor:
        """The part of a volume that every motion moves; depends on the source alone."""
        return self.dense_motion_network.compressed(volume)

    def forward(
        self, volume: Tensor, compressed: Tensor, source: Tensor, driving: Tensor
    ) -> tuple[Tensor, VolumeMotion]:
        """The map (B, width, h, w), and the motion that led to it.

        Args:
            volume: (B, C, D, h, w), or of batch 1.
            compressed: as `compressed` gives it.
            source: keypoints (B, K, 3), or of batch 1.
            driving: keypoints (B, K, 3).
        """
        motion: VolumeMotion = self.dense_motion_network(compressed, source, driving)
        return project_volume(self.third, self.fourth, volume, motion) * motion.occlusion, motion
