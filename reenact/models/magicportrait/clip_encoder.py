"""CLIP's image encoder in the place of a guidance encoder (the paper's Table IV, which does not say how it is used).

Here the patches of its last layer are projected and enlarged to the size of the latents, so that they enter where the
guidance encoders' features do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from reenact.assets import require_asset
from reenact.errors import ReenactError
from reenact.models.common.checkpoint_file import first_line
from reenact.models.magicportrait.config import GuidanceConfig
from reenact.nn.frozen import Frozen

if TYPE_CHECKING:
    from transformers import CLIPVisionModel

CLIP_ASSET = "clip-vit-large-patch14"
CLIP_WIDTH = 1024
"""Channels of a patch of the asset."""
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Mean and standard deviation of the colours that CLIP's networks read (its released code)."""


class ClipEncoder(nn.Module):
    """Patches of CLIP's image encoder as features; a fresh one gives zeros.

    Args:
        config: sizes. `small_clip` has a network of its own, which is trained.
        out: channels of the features.
        frozen: network of the asset for `clip`, which all maps share.
    """

    def __init__(self, config: GuidanceConfig, out: int, frozen: Frozen[CLIPVisionModel] | None = None) -> None:
        super().__init__()
        self.factor = 2 ** (len(config.widths) - 1)
        self._frozen = frozen
        self.vision = build_small_clip(config) if frozen is None else None
        self.conv_out = nn.Conv2d(CLIP_WIDTH if frozen else config.widths[-1], out, 1)
        nn.init.zeros_(self.conv_out.weight)
        assert self.conv_out.bias is not None
        nn.init.zeros_(self.conv_out.bias)
        self.register_buffer("mean", torch.tensor(CLIP_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(CLIP_STD).view(3, 1, 1), persistent=False)
        self.mean: Tensor
        self.std: Tensor

    def forward(self, image: Tensor) -> Tensor:
        """Encode (N, 3, H, W) in [0, 1] to (N, C, h, w)."""
        vision = self.vision if self._frozen is None else self._frozen.follow(image)
        assert vision is not None
        patches = self._read_patches(vision, image)
        side = image.shape[-1] // self.factor
        result: Tensor = nn.functional.interpolate(self.conv_out(patches), (side, side), mode="bilinear")
        return result

    def _read_patches(self, vision: CLIPVisionModel, image: Tensor) -> Tensor:
        """Return the patches (N, C, p, p) of the last layer, without the token of the whole picture."""
        side = vision.config.image_size
        resized = nn.functional.interpolate(image, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        tokens = vision(pixel_values=(resized - self.mean) / self.std).last_hidden_state[:, 1:]
        places = side // vision.config.patch_size
        patches: Tensor = tokens.mT.reshape(len(image), -1, places, places)
        return patches


def build_small_clip(config: GuidanceConfig) -> CLIPVisionModel:
    """Return an untrained network of CLIP's kind: 16 x 16 patches of 4 pixels, and two layers."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    width = config.widths[-1]
    return CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=2 * width,
            projection_dim=width,
            num_hidden_layers=2,
            num_attention_heads=config.heads,
            image_size=64,
            patch_size=4,
        )
    )


def load_clip() -> CLIPVisionModel:
    """Load the image encoder of the asset `clip-vit-large-patch14`.

    Raises:
        ReenactError: if its files are missing or of another network.
    """
    from transformers import CLIPVisionModel

    folder = require_asset(CLIP_ASSET)
    try:
        vision, report = CLIPVisionModel.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ReenactError(f"{folder} can't be read as {CLIP_ASSET} ({first_line(error)}): get it again") from error
    if report["missing_keys"] or vision.config.hidden_size != CLIP_WIDTH:
        raise ReenactError(
            f"{folder} does not hold {CLIP_ASSET}: it lacks {len(report['missing_keys'])} weights, and its patches have"
            f" {vision.config.hidden_size} channels of {CLIP_WIDTH}; get it again"
        )
    network: CLIPVisionModel = vision
    return network
