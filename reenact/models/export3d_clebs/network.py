"""The two encoders that contrastive training brings together (section 3.2): of expressions, and of pictures.

The layers of ResNetSE18 are those of clovaai/voxceleb_trainer (`models/ResNetBlocks.py`) in ResNet-18's numbers; the
paper names the network alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.models.common.expression_basis import BasisConfig, ExpressionBasis
from reenact.models.export3d_clebs.alignment import align_faces


@dataclass(frozen=True, kw_only=True)
class CLeBSConfig(BasisConfig):
    """Sizes of both encoders; the picture's is not part of Export3D."""

    image_widths: list[int] = field(default_factory=lambda: [64, 128, 256, 512])
    """Channels of the stages, from the second on at half the size of the one before."""
    image_blocks: int = 2
    """Blocks of each stage."""
    reduction: int = 8
    """Factor by which the channels are fewer inside of the squeeze."""
    face_side: int | None = None
    """Side in pixels of the squares around upright faces to which pictures are cut first (`alignment`); None for data
    whose pictures are cut like that."""


class ContrastiveEncoders(nn.Module):
    """Expression encoder and image encoder with codes of one length.

    Args:
        face_model: the model of the parameters.
        config: sizes.
    """

    def __init__(self, face_model: FaceModel, config: CLeBSConfig) -> None:
        super().__init__()
        self.config = config
        self.face_model = face_model
        self.expression = ExpressionBasis(face_model, config)
        self.image = SqueezeResNet(config.image_widths, config.image_blocks, config.reduction, config.width)

    def encode_pictures(self, image: Tensor, params: FaceParams) -> Tensor:
        """Codes (N, d) of pictures (N, 3, H, W); the parameters (N) tell where their faces are."""
        if self.config.face_side is not None:
            image = align_faces(self.face_model, image, params, self.config.face_side)
        code: Tensor = self.image(image)
        return code


class SqueezeResNet(nn.Module):
    """A ResNet whose blocks weigh their channels: images (B, 3, H, W) in [-1, 1] to codes (B, d).

    Args:
        widths: channels of the stages.
        blocks: blocks of each stage.
        reduction: see `CLeBSConfig`.
        length: d.
    """

    def __init__(self, widths: list[int], blocks: int, reduction: int, length: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), nn.ReLU(), nn.BatchNorm2d(widths[0]), nn.MaxPool2d(3, 2, 1)
        )
        self.stages = nn.Sequential()
        for before, after in pairwise((widths[0], *widths)):
            stride = 1 if len(self.stages) == 0 else 2
            self.stages.append(SqueezeBlock(before, after, stride, reduction))
            self.stages.extend(SqueezeBlock(after, after, 1, reduction) for _ in range(blocks - 1))
        self.last = nn.Linear(widths[-1], length)

    def forward(self, image: Tensor) -> Tensor:
        """Apply it."""
        code: Tensor = self.last(self.stages(self.stem(image)).mean((2, 3)))
        return code


class SqueezeBlock(nn.Module):
    """Two convolutions with a skip, whose channels are weighed by their means (squeeze and excitation).

    Args:
        inside: channels that come in.
        width: channels that go out.
        stride: of the first convolution.
        reduction: see `CLeBSConfig`.
    """

    def __init__(self, inside: int, width: int, stride: int, reduction: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, width, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        hidden = max(1, width // reduction)
        self.excite = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width), nn.Sigmoid())
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or inside != width:
            self.skip = nn.Sequential(nn.Conv2d(inside, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        moved = self.second_norm(self.second(self.first_norm(F.relu(self.first(x)))))
        moved = moved * self.excite(moved.mean((2, 3)))[..., None, None]
        return F.relu(moved + self.skip(x))
