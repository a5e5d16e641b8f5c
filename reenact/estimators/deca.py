"""DECA (Feng et al., SIGGRAPH 2021): the coarse encoder `E_flame` of the official `deca_model.tar`.

Layout of the output and of the file: DECA's `decalib/models/encoders.py`, `decalib/deca.py`, `decalib/utils/config.py`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import resnet50

from reenact import assets
from reenact.estimators.base import FaceBox, Image, Points
from reenact.estimators.flame_regressor import Codes, FlameRegressor, square_around
from reenact.estimators.weights import load_strictly, read_weights
from reenact.faces.crop import Crop

SIZES = {"shape": 100, "texture": 50, "expression": 50, "global_pose": 3, "jaw_pose": 3, "camera": 3, "light": 27}
"""The 236 outputs in order; rotations are axis-angle vectors, light is 9 bands by 3 channels."""
LANDMARK_BOX = 1.1
"""Size of the face relative to that of its landmarks (`bbox2point`, kind `kpt68`)."""


class ResnetEncoder(nn.Module):
    """ResNet-50 features, then two linear layers; names and shapes of DECA's, EMOCA's and their kin's files.

    Args:
        outputs: How many numbers to give.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.encoder = resnet50()
        self.encoder.fc = nn.Identity()
        self.layers = nn.Sequential(nn.Linear(2048, 1024), nn.ReLU(), nn.Linear(1024, outputs))

    def forward(self, images: Tensor) -> Tensor:
        """(N, outputs) of (N, 3, 224, 224) RGB pictures in [0, 1]; no mean is subtracted."""
        output: Tensor = self.layers(self.encoder(images))
        return output


class DecaNetwork(nn.Module):
    """`E_flame` with its output taken apart."""

    def __init__(self) -> None:
        super().__init__()
        self.flame = ResnetEncoder(sum(SIZES.values()))

    def forward(self, images: Tensor) -> Codes:
        """Codes by the names of `SIZES`; light is (N, 9, 3)."""
        parts = self.flame(images).split(list(SIZES.values()), -1)
        codes = dict(zip(SIZES, parts, strict=True))
        codes["light"] = codes["light"].unflatten(-1, (9, 3))
        return codes


class Deca(FlameRegressor):
    """Shape, texture, light, expression, head and jaw rotation, and camera by DECA.

    Args:
        device: Where the network runs.
        scale: Side of the crop relative to the face: 1.25 in DECA and GDPW, 1.3 in MagicPortrait.

    Raises:
        ReenactError: if `deca_model.tar` is missing, damaged or another file.
    """

    name = "deca"

    def __init__(self, device: str = "cpu", scale: float = 1.25) -> None:
        path = assets.require_asset("deca")
        network = DecaNetwork()
        load_strictly(network.flame, read_weights(path).get("E_flame"), path, "E_flame")
        super().__init__(network, device)
        self._scale = scale

    def crop(self, image: Image, landmarks: Points) -> Crop:
        """The square that the network is shown, from (68, 2) landmarks; see `deca_crop`."""
        return deca_crop(landmarks, self._scale)


def load_regressor(name: str, device: str) -> Deca:
    """DECA, whose name has no variants."""
    return Deca(device)


def deca_crop(landmarks: Points, scale: float = 1.25) -> Crop:
    """DECA's crop (`decalib/datasets/datasets.py`): 1.1 times the size of the landmarks' box times `scale`, centred.

    Args:
        landmarks: (68, 2) in picture pixels.
        scale: Side of the crop relative to the face.
    """
    return square_around(FaceBox.around(landmarks), LANDMARK_BOX * scale)
