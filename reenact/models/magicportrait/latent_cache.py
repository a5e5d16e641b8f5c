"""Latents of pictures in files, so that a training encodes each picture once."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reenact.errors import ReenactError


class LatentCache:
    """Files of what an autoencoder says of pictures, in float16, found by the pictures' values in 8 bits.

    Mirrored pictures and other crops have files of their own. Several processes may share the folder.

    Args:
        folder: folder of one autoencoder, which is created.

    Raises:
        ReenactError: if the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _explain_unwritable(folder, error) from error

    def read(self, image: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the values (N, C, h, w) of pictures, those of new ones by `encode`, which keeps them.

        Args:
            image: pictures (N, 3, H, W) in [-1, 1].
            encode: returns the values of M pictures.

        Raises:
            ReenactError: if a file cannot be written or is damaged.
        """
        files = [self._find_file(picture) for picture in _to_bytes(image)]
        new = [number for number, file in enumerate(files) if not file.exists()]
        if new:
            for number, values in zip(new, encode(image[new]).half().cpu().numpy(), strict=True):
                _write_whole(files[number], values)
        stored = np.stack([_load_values(file) for file in files])
        return torch.from_numpy(stored).to(image)

    def _find_file(self, picture: NDArray[np.uint8]) -> Path:
        name = blake2b(repr(picture.shape).encode() + picture.tobytes(), digest_size=16).hexdigest()
        return self.folder / name[:2] / f"{name}.npy"


def _to_bytes(image: Tensor) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = ((image.float() + 1) * 127.5).round().clamp(0, 255).byte().cpu().numpy()
    return levels


def _write_whole(file: Path, values: NDArray[np.float16]) -> None:
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(exist_ok=True)
        with part.open("wb") as stream:
            np.save(stream, values)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _explain_unwritable(file, error) from error


def _load_values(file: Path) -> NDArray[np.float16]:
    try:
        values: NDArray[np.float16] = np.load(file)
    except (OSError, ValueError, EOFError) as error:
        raise ReenactError(f"{file} is damaged: remove it, and the training writes it again ({error})") from error
    return values


def _explain_unwritable(path: Path, error: OSError) -> ReenactError:
    return ReenactError(f"--model.latents: {path} cannot be written ({error.strerror}); name another folder")
