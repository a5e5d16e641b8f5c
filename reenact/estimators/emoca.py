"""EMOCA (Danecek et al., CVPR 2022): DECA with an expression encoder of its own, from an official checkpoint.

Layout: EMOCA's `gdl/models/DECA.py` (`DecaModule.deca`, `ExpDECA` with the backbone `deca_clone` of the published
models); that the published expression encoders have 50 outputs is inferred from public code that loads them.
"""

from __future__ import annotations

from torch import Tensor

from reenact import assets
from reenact.estimators.base import Image, Points
from reenact.estimators.deca import SIZES, DecaNetwork, ResnetEncoder, deca_crop
from reenact.estimators.flame_regressor import Codes, FlameRegressor
from reenact.estimators.weights import load_strictly, read_weights, strip_prefix
from reenact.faces.crop import Crop


class EmocaNetwork(DecaNetwork):
    """The coarse encoder, whose expression is exchanged for the expression encoder's."""

    def __init__(self) -> None:
        super().__init__()
        self.expression = ResnetEncoder(SIZES["expression"])

    def forward(self, images: Tensor) -> Codes:
        """Codes by the names of `SIZES`."""
        return {**super().forward(images), "expression": self.expression(images)}


class Emoca(FlameRegressor):
    """Expression by EMOCA, the rest by the coarse encoder in the same checkpoint.

    Several models are published and give different numbers, so the name is that of the file: `emoca_v2_lr_mse_20`.

    Args:
        device: Where the networks run.

    Raises:
        ReenactError: if the checkpoint is missing, damaged or another file.
    """

    def __init__(self, device: str = "cpu") -> None:
        path = assets.require_asset("emoca")
        self.name = path.stem.lower()
        checkpoint = read_weights(path)
        state = checkpoint.get("state_dict", {})
        network = EmocaNetwork()
        for encoder, part in ((network.flame, "E_flame"), (network.expression, "E_expression")):
            load_strictly(encoder, strip_prefix(state, f"deca.{part}."), path, part)
        super().__init__(network, device)

    def crop(self, image: Image, landmarks: Points) -> Crop:
        """The square that the networks are shown, from (68, 2) landmarks: DECA's."""
        return deca_crop(landmarks)


def load_regressor(name: str, device: str) -> Emoca:
    """EMOCA, whose models go by the names of their files."""
    return Emoca(device)
