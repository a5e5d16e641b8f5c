"""Settings of BFM flow's networks."""

from __future__ import annotations

from dataclasses import dataclass

from reenact.errors import ReenactError
from reenact.faces.guidance import VisibilityRule
from reenact.nn.warping import count_frames


@dataclass(frozen=True, kw_only=True)
class BFMFlowConfig:
    """Guidance and size of the networks; defaults are the paper's where it gives them, else PIRenderer's."""

    flow: bool = True
    """The computed flow fills in the predicted one, equation (6): FG of the paper's Table 3."""
    occlusion: bool = True
    """The computed occlusion fills in the predicted one, equation (7): OG."""
    render: bool = True
    """A shaded render of the driven face modulates the decoder: SG."""
    visibility: VisibilityRule = "depth"
    """Rule of equation (4) by which the source shows a triangle."""
    window: int = 13
    """Frames on either side of a frame whose coefficients the mapping network reads, or 0: the frame is repeated."""
    code: int = 256
    """Length of the code of a motion."""
    mapping_layers: int = 3
    """Dilated layers of the mapping network, each of which shortens the window by 6 frames."""
    coefficient_gain: float = 1.0
    """Factor on the coefficients."""
    motion_width: int = 32
    """Channels of the completion network at full size; each halving doubles them."""
    motion_largest: int = 256
    """Its largest number of channels."""
    motion_halvings: int = 5
    """Its halvings of the image."""
    motion_doublings: int = 3
    """Its doublings; the flow is smaller than the image by 2 to the power of the halvings that are left."""
    width: int = 64
    """Channels of the reenactment network at full size; each halving doubles them."""
    largest: int = 256
    """Its largest number of channels."""
    halvings: int = 3
    """Its halvings of the image."""
    blocks: int = 2
    """Its residual blocks at each size of the decoder."""
    hidden: int = 128
    """Channels inside its SPADE layers."""
    initial_std: float | None = 0.02
    """Standard deviation of the weights before training; None for PyTorch's own initialisation."""

    def __post_init__(self) -> None:
        """Raise `ReenactError` for sizes that don't fit each other."""
        count_frames(self.window, self.mapping_layers)
        if not 0 < self.motion_doublings < self.motion_halvings:
            raise ReenactError(
                f"--model.network.motion_doublings {self.motion_doublings} must be from 1 to less than"
                f" --model.network.motion_halvings {self.motion_halvings}"
            )
        if min(self.halvings, self.blocks, self.hidden, self.width, self.motion_width) < 1:
            raise ReenactError("--model.network: halvings, blocks, hidden and widths must be 1 or more")

    @property
    def frames(self) -> int:
        """Frames that the mapping network reads."""
        return count_frames(self.window, self.mapping_layers)

    @property
    def widths(self) -> list[int]:
        """Channels of the reenactment network at full size and after each halving."""
        return [min(self.width * 2**i, self.largest) for i in range(self.halvings + 1)]
