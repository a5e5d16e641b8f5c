"""Shared base of the regressors of FLAME parameters: a square crop per picture, one pass, cameras of whole pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reenact.estimators.base import FaceBox, Image, Points
from reenact.faces.camera import carry_camera
from reenact.faces.crop import Crop
from reenact.faces.params import FaceParams

SIDE = 224
"""Pixels of the networks' square input."""

Codes = dict[str, Tensor]
"""A network's own output, (N, K) per name as in `ParameterRegressor.codes`; cameras belong to the crops."""


class FlameRegressor(ABC):
    """Crops the face, runs a network once, and gives FLAME parameters whose cameras belong to whole pictures.

    Convention: landmarks and crops are in continuous pixels (`faces.crop`). The networks' camera `[s, x, y]` projects
    to the normalised device coordinates of their crop, of which [-1, 1] spans the 224 pixels edge to edge, as in the
    rasterisers they were trained with. `carry_camera` takes it to the whole picture's square, exactly.
    Scripts that take (NDC + 1) * 112 for a pixel's index place the mesh half a crop pixel further down and right.

    Args:
        network: Turns (N, 3, 224, 224) RGB pictures in [0, 1] into codes.
        device: Where it runs.
    """

    name: str
    """Label of the numbers that are measured with it."""
    face_model = "flame"
    """The face model that the parameters belong to."""

    def __init__(self, network: nn.Module, device: str) -> None:
        self._network = network.eval().requires_grad_(False).to(device)
        self._device = device

    @abstractmethod
    def crop(self, image: Image, landmarks: Points) -> Crop:
        """The square that the network is shown, from (68, 2) landmarks."""

    def codes(self, images: list[Image], landmarks: NDArray[np.float32]) -> Codes:
        """The network's own output for N pictures with (N, 68, 2) landmarks, on the CPU.

        Metrics compare these: nothing is converted.
        """
        return self._see(images, self._crops(images, landmarks))

    def regress(self, images: list[Image], landmarks: NDArray[np.float32]) -> FaceParams:
        """Parameters of N pictures with (N, 68, 2) landmarks, on the CPU; cameras belong to the whole picture's square.

        None of these networks estimates neck or gaze: both are zero.
        """
        crops = self._crops(images, landmarks)
        codes = self._see(images, crops)
        wholes = [Crop.whole(*image.shape[:2]) for image in images]
        cameras = map(carry_camera, codes["camera"], crops, wholes)
        zeros = codes["shape"].new_zeros
        return FaceParams(
            shape=codes["shape"],
            expression=codes["expression"],
            global_pose=codes["global_pose"],
            neck_pose=zeros(len(images), 3),
            jaw_pose=codes["jaw_pose"],
            eye_pose=zeros(len(images), 6),
            camera=torch.stack(list(cameras)),
            texture=codes.get("texture"),
            light=codes.get("light"),
        )

    def _crops(self, images: list[Image], landmarks: NDArray[np.float32]) -> list[Crop]:
        return [self.crop(image, points) for image, points in zip(images, landmarks, strict=True)]

    @torch.no_grad()
    def _see(self, images: list[Image], crops: list[Crop]) -> Codes:
        pixels = np.stack([crop.warp_to_crop(image) for image, crop in zip(images, crops, strict=True)])
        batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float() / 255
        codes: Codes = self._network(batch.contiguous())
        return {name: value.cpu() for name, value in codes.items()}


def square_around(box: FaceBox, scale: float) -> Crop:
    """The official square: `scale` times the box's size, rounded down to whole pixels, around its centre.

    The official scripts (DECA, EMOCA, SMIRK) take the corners of that square to the centres of the crop's corner
    pixels, so 223 crop pixels are one side and the 224 reach half a crop pixel further on each side.
    """
    side = int(box.size * scale) * SIDE / (SIDE - 1)
    x, y = box.centre
    return Crop(x - side / 2, y - side / 2, side, SIDE)
