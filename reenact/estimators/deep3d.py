"""Deep3D (Deng et al., CVPRW 2019): the network of the official `epoch_20.pth` of Deep3DFaceRecon_pytorch.

Layout of network and file: sicxu/Deep3DFaceRecon_pytorch, `models/networks.py` (`ReconNetWrapper`), `test.py`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import resnet50

from reenact import assets
from reenact.estimators.base import Image
from reenact.estimators.weights import load_strictly, read_weights
from reenact.faces.bfm import angles_to_matrix, crop_camera, split_coefficients
from reenact.faces.crop import Crop
from reenact.faces.params import FaceParams
from reenact.faces.rotation import matrix_to_axis_angle
from reenact.faces.template_crop import TemplateCrop

HEADS = (80, 64, 80, 3, 27, 2, 1)
"""Outputs of the last layers: identity, expression, texture, angles, light, translation in x and y, in z."""


class Deep3DNetwork(nn.Module):
    """ResNet-50 features, averaged, and seven 1x1 convolutions; names and shapes of the official file."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = resnet50()
        self.backbone.fc = nn.Identity()
        self.final_layers = nn.ModuleList(nn.Conv2d(2048, size, 1) for size in HEADS)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 257) coefficients of (N, 3, 224, 224) RGB pictures in [0, 1]; no mean is subtracted."""
        features = self.backbone(images)[..., None, None]
        return torch.cat([layer(features) for layer in self.final_layers], 1).flatten(1)


class Deep3D:
    """Identity, expression, texture, pose and light in the Basel Face Model by Deep3D.

    Convention: the network's camera belongs to its crop of 224 pixels, see `faces.bfm` and `faces.template_crop`; it is
    carried to the square around the whole picture, exactly. The official `lm68` of saved coefficients are half a pixel
    of the crop further right and up than the renderer's picture, with which this agrees.

    Args:
        device: Where the network runs.

    Raises:
        ReenactError: if `epoch_20.pth` is missing, damaged or another file.
    """

    name = "deep3d"
    face_model = "bfm"

    def __init__(self, device: str = "cpu") -> None:
        path = assets.require_asset("deep3d")
        network = Deep3DNetwork()
        load_strictly(network, read_weights(path).get("net_recon"), path, "net_recon")
        self._network = network.eval().requires_grad_(False).to(device)
        self._device = device

    def codes(self, images: list[Image], landmarks: NDArray[np.float32]) -> dict[str, Tensor]:
        """The network's own output for N pictures with (N, 68, 2) landmarks, on the CPU.

        Names are those of `bfm.split_coefficients`: angles about x, y and z in radians, and a translation in decimetres
        that belongs to the crop.
        """
        return split_coefficients(self._see(images, _crop_faces(images, landmarks)))

    def regress(self, images: list[Image], landmarks: NDArray[np.float32]) -> FaceParams:
        """Parameters of N pictures with (N, 68, 2) landmarks, on the CPU; cameras belong to the whole picture's square.

        The Basel Face Model has neither neck, jaw nor eyes that turn: these poses are zero.
        """
        crops = _crop_faces(images, landmarks)
        codes = split_coefficients(self._see(images, crops))
        wholes = [Crop.whole(*image.shape[:2]) for image in images]
        cameras = map(TemplateCrop.carry_camera, crops, crop_camera(codes["translation"]), wholes)
        zeros = codes["shape"].new_zeros
        return FaceParams(
            shape=codes["shape"],
            expression=codes["expression"],
            global_pose=matrix_to_axis_angle(angles_to_matrix(codes["angles"].double())).float(),
            neck_pose=zeros(len(images), 3),
            jaw_pose=zeros(len(images), 3),
            eye_pose=zeros(len(images), 6),
            camera=torch.stack(list(cameras)),
            texture=codes["texture"],
            light=codes["light"],
        )

    @torch.no_grad()
    def _see(self, images: list[Image], crops: list[TemplateCrop]) -> Tensor:
        pixels = np.stack([crop.cut(image) for image, crop in zip(images, crops, strict=True)])
        batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float() / 255
        coefficients: Tensor = self._network(batch.contiguous())
        return coefficients.cpu()


def load_regressor(name: str, device: str) -> Deep3D:
    """Deep3D, whose name has no variants."""
    return Deep3D(device)


def _crop_faces(images: list[Image], landmarks: NDArray[np.float32]) -> list[TemplateCrop]:
    return [TemplateCrop.around(points, *image.shape[:2]) for image, points in zip(images, landmarks, strict=True)]
