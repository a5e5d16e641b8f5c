"""MediaPipe's selfie segmentation: the pixels of a picture that show a person, by its network in torch."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.base import Image
from reenact.nn.tflite import TFLiteNetwork

ASSET = "selfie"
"""Name of the file among those that people bring."""
SIDE = 256
"""Side in pixels of the pictures that the network reads."""
BATCH = 8
"""Pictures that it is given together."""


class PersonFinder:
    """Finds the person in square pictures; runs on the CPU.

    The network reads pictures of 256 pixels in [0, 1] and gives the probability of a person in each pixel. Its map is
    resized to the picture, and a pixel shows the person where the probability is above a half.

    Args:
        content: the bytes of the TensorFlow Lite file.
        name: that file's name, for error messages.

    Raises:
        ReenactError: if the file is damaged or not of a network with one map.
    """

    name = "selfie"

    def __init__(self, content: bytes, name: str) -> None:
        self._network = TFLiteNetwork(content, name)
        if len(self._network.outputs) != 1:
            raise ReenactError(f"{name} is not MediaPipe's selfie segmentation: get the official file")

    def find(self, pictures: Iterable[Image]) -> NDArray[np.bool_]:
        """Masks (T, size, size) of square pictures of one size."""
        waiting, masks = iter(pictures), list[NDArray[np.bool_]]()
        while batch := list(islice(waiting, BATCH)):
            masks.append(self._find_together(np.stack(batch)))
        return np.concatenate(masks)

    def _find_together(self, pictures: NDArray[np.uint8]) -> NDArray[np.bool_]:
        size = pictures.shape[1:3]
        images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            (map_,) = self._network(_resize(images, (SIDE, SIDE))).values()
            masks: NDArray[np.bool_] = (_resize(map_, size)[:, 0] > 0.5).numpy()
        return masks


def _resize(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(maps, size, mode="bilinear", align_corners=False, antialias=True)


def load_person_finder() -> PersonFinder:
    """Load the network of the user's file; raises `ReenactError` if it is missing, damaged or another."""
    path = assets.require_asset(ASSET)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReenactError(f"{path} can't be read: {error.strerror}") from error
    return PersonFinder(content, str(path))
