"""Frozen networks that tell a head's pose: Hopenet, or the probe for heads of the synthetic world."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact import assets
from reenact.errors import ReenactError
from reenact.nn.euler import BINS, angle_of, angles_of
from reenact.nn.frozen import Frozen
from reenact.nn.probe import load_probe

PoseKind = Literal["hopenet", "probe"]
"""Hopenet as the published methods use it, or the network that this package ships."""

SIDE = 224
"""Side in pixels of what Hopenet reads."""


class Hopenet(nn.Module):
    """ResNet-50 with a head of 66 bins an angle (Ruiz et al. 2018), names as in `hopenet_robust_alpha1.pkl`."""

    mean: Tensor
    std: Tensor

    def __init__(self, state: dict[str, Tensor] | None = None) -> None:
        super().__init__()
        from torchvision.models import resnet50  # imported late: it takes seconds

        self.trunk = resnet50(weights=None)
        width = self.trunk.fc.in_features
        self.trunk.fc = nn.Identity()
        self.heads = nn.ModuleDict({name: nn.Linear(width, BINS) for name in ("fc_yaw", "fc_pitch", "fc_roll")})
        self._load(state or _hopenet_weights())
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """Yaw, pitch and roll (B, 3) in degrees of images (B, 3, H, W) in [0, 1]."""
        image = F.interpolate(image, (SIDE, SIDE), mode="bilinear", align_corners=False)
        features = self.trunk((image - self.mean) / self.std)
        return torch.stack([angle_of(head(features)) for head in self.heads.values()], dim=1)

    def _load(self, state: dict[str, Tensor]) -> None:
        # `fc_finetune` is read by no published use; counts of batches are missing in files of old versions of torch.
        trunk = {name: value for name, value in state.items() if not name.startswith("fc_")}
        counts = {
            name: value for name, value in self.trunk.state_dict().items() if name.endswith("num_batches_tracked")
        }
        heads = {name: value for name, value in state.items() if name.partition(".")[0] in self.heads}
        try:
            self.trunk.load_state_dict(counts | trunk)
            self.heads.load_state_dict(heads)
        except RuntimeError as error:
            reason = str(error).splitlines()[1].strip()
            raise ReenactError(f"Hopenet's file does not fit: {reason}; get hopenet_robust_alpha1.pkl again") from error


def _hopenet_weights() -> dict[str, Tensor]:
    path = assets.require_asset("hopenet")
    try:
        weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a broken file makes it stumble over
        raise ReenactError(f"{path} is damaged: get it again ({assets.ASSETS['hopenet'].source})") from error
    return weights


class HeadPose:
    """Yaw, pitch and roll of portraits, without gradients.

    The network is a `Frozen` one: in no checkpoint and no optimiser of the module that uses it.
    """

    def __init__(self, kind: PoseKind) -> None:
        """Load the network.

        Raises:
            ReenactError: if its weights are not on this machine, or damaged.
        """
        self.kind = kind
        self.frozen: Frozen[nn.Module] = Frozen(load_probe if kind == "probe" else Hopenet)
        self.frozen.load()

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Degrees (B, 3), as `reenact.nn.euler` means them, of images (B, 3, H, W) in [-1, 1]."""
        with torch.autocast(image.device.type, enabled=False):
            if self.kind == "hopenet":
                degrees: Tensor = self.frozen.follow(image.float())((image.float() + 1) / 2)
                return degrees
            # The head model's y points up, that of keypoints down. Both depths grow towards the viewer: the keypoint
            # prior wants them at z > 0, and faces are in front of the point about which heads turn.
            flip = image.new_tensor([1.0, -1.0, 1.0])
            rotation: Tensor = self.frozen.follow(image.float())(image.float()).rotation
            return angles_of(flip[:, None] * rotation * flip)
