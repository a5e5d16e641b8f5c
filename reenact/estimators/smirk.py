"""SMIRK (Retsinas et al., CVPR 2024): the three encoders of the official `SMIRK_em1.pt`.

Layout and ranges: SMIRK's `src/smirk_encoder.py`, `src/FLAME/FLAME.py`, `demo.py`. The backbones of timm 0.6.13
(MagicPortrait), 0.9.16 (SMIRK) and 1.0.31 have the same names and, from the same weights, the same output to the bit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox, Image, Points
from reenact.estimators.deca import Deca
from reenact.estimators.flame_regressor import Codes, FlameRegressor, square_around
from reenact.estimators.weights import load_strictly, read_weights, strip_prefix
from reenact.faces.crop import Crop
from reenact.faces.params import FaceParams
from reenact.install import install_hint

if TYPE_CHECKING:
    from reenact.estimators.mediapipe import MediaPipeEstimator

FEATURES = {"small": 576, "large": 960}
"""Channels of the last features of MobileNetV3-minimal."""
EXPRESSIONS, LIDS = 50, 2
JAW_LIMIT = 0.2
"""Largest turn of the jaw to the side and about the line of sight, radians."""
CROP_SCALE = 1.4
"""Side of the crop relative to the box of MediaPipe's 478 points (`demo.py`)."""
MESH_SIZE, MESH_RISE = 1.08, 0.10
"""Size of that box relative to the landmarks' box, and how far its centre lies above, in sizes of the landmarks' box.

Our own: means of 29 real pictures; from one to the next the size varied by 2.5 % and the centre by 1.6 %.
"""


class _Encoder(nn.Module):
    """A MobileNetV3 whose last features are averaged and taken to the outputs by one linear layer."""

    def __init__(self, size: str, head: str, outputs: int) -> None:
        super().__init__()
        self.encoder = _build_backbone(f"tf_mobilenetv3_{size}_minimal_100")
        self._head = head
        # the official names of this layer differ from encoder to encoder
        self.add_module(head, nn.Sequential(nn.Linear(FEATURES[size], outputs)))

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.get_submodule(self._head)(self.encoder(images)[-1].mean((2, 3)))
        return output


class SmirkNetwork(nn.Module):
    """Encoders of pose and camera, of shape, and of expression, eyelids and jaw.

    Raises:
        ReenactError: if timm is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pose_encoder = _Encoder("small", "pose_cam_layers", 6)
        self.shape_encoder = _Encoder("large", "shape_layers", 300)
        self.expression_encoder = _Encoder("large", "expression_layers", EXPRESSIONS + LIDS + 3)

    def forward(self, images: Tensor) -> Codes:
        """Codes of (N, 3, 224, 224) RGB pictures in [0, 1]; `eyelids` (N, 2) are left and right, 0 open to 1 shut."""
        pose, camera = self.pose_encoder(images).split([3, 3], -1)
        expression, lids, jaw = self.expression_encoder(images).split([EXPRESSIONS, LIDS, 3], -1)
        return {
            "shape": self.shape_encoder(images),
            "expression": expression,
            "eyelids": lids.clamp(0, 1),
            "global_pose": pose,
            "jaw_pose": torch.cat([jaw[:, :1].relu(), jaw[:, 1:].clamp(-JAW_LIMIT, JAW_LIMIT)], -1),
            "camera": camera,
        }


class Smirk(FlameRegressor):
    """300 shape and 50 expression coefficients, head and jaw rotation, and camera by SMIRK.

    Its eyelids move by two blend shapes of SMIRK's own, which no FLAME file has: they are among the `codes`, not among
    the parameters.

    Args:
        device: Where the networks run.
        mesh: Whether crops are made around MediaPipe's points, as SMIRK's are; MediaPipe runs on the CPU. Else, and
            where it sees no face, the 68 landmarks tell where those points are. That is our own, and the name says so.

    Raises:
        ReenactError: if timm is not installed, or a file is missing, damaged or another.
    """

    def __init__(self, device: str = "cpu", mesh: bool = True) -> None:
        path = assets.require_asset("smirk")
        network = SmirkNetwork()
        load_strictly(network, strip_prefix(read_weights(path), "smirk_encoder."), path, "smirk_encoder")
        super().__init__(network, device)
        self.name = "smirk" if mesh else "smirk-68"
        self._mesh = _mesh_reader() if mesh else None

    def crop(self, image: Image, landmarks: Points) -> Crop:
        """The square that the networks are shown, from (68, 2) landmarks; see `smirk_crop`."""
        face = self._mesh.read(image, FaceBox.around(landmarks)) if self._mesh else None
        return smirk_crop(face.box if face else mesh_box(landmarks))


class DecaSmirk:
    """MagicPortrait's parameters (`decalib/deca_with_smirk.py`): expression and jaw by SMIRK, the rest by DECA.

    Args:
        device: Where the networks run.

    Raises:
        ReenactError: as `Deca` and `Smirk`.
    """

    name = "deca+smirk"
    face_model = "flame"

    def __init__(self, device: str = "cpu") -> None:
        self._deca, self._smirk = Deca(device, scale=1.3), Smirk(device)

    def codes(self, images: list[Image], landmarks: NDArray[np.float32]) -> Codes:
        """The networks' own output for N pictures with (N, 68, 2) landmarks; the camera belongs to DECA's crops."""
        moved = self._smirk.codes(images, landmarks)
        return {
            **self._deca.codes(images, landmarks),
            "expression": moved["expression"],
            "jaw_pose": moved["jaw_pose"],
        }

    def regress(self, images: list[Image], landmarks: NDArray[np.float32]) -> FaceParams:
        """Parameters of N pictures with (N, 68, 2) landmarks, on the CPU; cameras belong to whole pictures' squares."""
        moved = self._smirk.codes(images, landmarks)
        params = self._deca.regress(images, landmarks)
        return replace(params, expression=moved["expression"], jaw_pose=moved["jaw_pose"])


def load_regressor(name: str, device: str) -> Smirk | DecaSmirk:
    """SMIRK on MediaPipe's crops or on those of the 68 landmarks, or together with DECA."""
    return DecaSmirk(device) if name == DecaSmirk.name else Smirk(device, mesh=name == "smirk")


def smirk_crop(box: FaceBox) -> Crop:
    """SMIRK's crop (`demo.py`): 1.4 times the size of the box of MediaPipe's 478 points, centred."""
    return square_around(box, CROP_SCALE)


def mesh_box(landmarks: Points) -> FaceBox:
    """About the box of MediaPipe's 478 points, from (68, 2) landmarks: see `MESH_SIZE` and `MESH_RISE`."""
    box = FaceBox.around(landmarks)
    (x, y), reach = box.centre, MESH_SIZE * box.size / 2
    y -= MESH_RISE * box.size
    return FaceBox(left=x - reach, top=y - reach, right=x + reach, bottom=y + reach)


def _mesh_reader() -> MediaPipeEstimator:
    from reenact.estimators.mediapipe import MediaPipeEstimator

    return MediaPipeEstimator()


def _build_backbone(name: str) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ReenactError(f"SMIRK needs the package timm: {install_hint('smirk')}") from error
    backbone: nn.Module = timm.create_model(name, pretrained=False, features_only=True)
    return backbone
