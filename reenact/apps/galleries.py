"""Clips by name for `reenact evaluate`: folders of pictures, videos, frame folders or arrays, and prepared stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reenact.apps.clip_names import ARRAY, CLIP_SUFFIXES, NameIndex
from reenact.data.store.prepared import open_prepared
from reenact.data.store.root_files import is_prepared
from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait, unit_range
from reenact.media.listing import list_folder
from reenact.media.pictures import open_picture, pictures_in, read_image
from reenact.media.video import VIDEO_SUFFIXES, VideoReader

_EIGHT_BITS = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"})
"""Pillow's names of pictures whose values are bytes; it would cut others off at 255."""


class Gallery(Protocol):
    """Clips by name."""

    option: str
    """The option and path that it was given with, for messages."""

    def names(self) -> list[str]:
        """The clips, by name."""

    def find(self, name: str) -> str | None:
        """The clip that a name means, with or without a suffix; None if there is none."""

    def identity(self, name: str) -> str:
        """The person in a clip."""

    def count(self, name: str) -> int | None:
        """Frames of a clip; None where only reading it tells."""

    def frames(self, name: str) -> Iterator[Tensor]:
        """The frames (3, H, W) of a clip, in order, in [-1, 1]."""

    def frame(self, name: str, number: int) -> Tensor:
        """One frame (3, H, W), in [-1, 1]."""

    @property
    def has_masks(self) -> bool:
        """True if there is a mask of the person in every frame."""

    def mask(self, name: str, number: int) -> Tensor:
        """Mask (1, H, W) of a frame in [0, 1], of a gallery that has masks."""


def open_gallery(path: Path, option: str, size: int | None = None) -> Gallery:
    """The clips of a folder or a store.

    Args:
        path: Where they are.
        option: The option's name, for messages.
        size: Side in pixels at which a store's frames are read, as loaders do; files are taken as they are.

    Raises:
        ReenactError: if it is neither, or holds no clip.
    """
    if is_prepared(path):
        return StoreGallery(path, option, size)
    return FolderGallery(path, option)


class FolderGallery:
    """Pictures (clips of one frame), videos, folders of pictures and arrays in a folder.

    Args:
        path: The folder.
        option: The option's name.

    Raises:
        ReenactError: if it is no folder, holds nothing of the kind, or two things of one name.
    """

    def __init__(self, path: Path, option: str) -> None:
        self.option = f"{option} {path}"
        if not path.is_dir():
            raise ReenactError(f"{self.option} is not a folder; give a folder of pictures, videos or frame folders")
        self._paths: dict[str, Path] = {}
        for item in list_folder(path):
            if not (item.is_dir() or item.suffix.lower() in CLIP_SUFFIXES):
                continue
            key = item.name if item.is_dir() else item.stem
            if key in self._paths:
                raise ReenactError(f"{self.option} has two clips of the name {key}; keep one of them")
            self._paths[key] = item
        self._index = NameIndex(self._paths, self.option)
        if not self._paths:
            raise ReenactError(f"{self.option} is empty; it should hold pictures, videos or folders of frames")

    def names(self) -> list[str]:
        """The names of files and folders, files without their suffix."""
        return list(self._paths)

    def find(self, name: str) -> str | None:
        """The clip of a name."""
        return self._index.find(name)

    def identity(self, name: str) -> str:
        """Return the part of a clip's name before the first `#`, as in FOMM's VoxCeleb."""
        return name.partition("#")[0]

    def count(self, name: str) -> int | None:
        """Frames of a clip; None for a video, whose header may be wrong."""
        path = self._paths[name]
        return None if _is_video(path) else len(self._stills(path))

    def frames(self, name: str) -> Iterator[Tensor]:
        """The frames of a clip."""
        path = self._paths[name]
        yield from map(_frame_to_tensor, VideoReader(path)) if _is_video(path) else map(_read_still, self._stills(path))

    def frame(self, name: str, number: int) -> Tensor:
        """One frame; raises `ReenactError` if the clip is shorter."""
        path = self._paths[name]
        if _is_video(path):
            return _frame_to_tensor(VideoReader(path).frames([number])[0])
        stills = self._stills(path)
        if not 0 <= number < len(stills):
            raise ReenactError(f"{path} has no frame {number}; it has {len(stills)}")
        return _read_still(stills[number])

    @property
    def has_masks(self) -> bool:
        """False: nothing finds masks in files."""
        return False

    def mask(self, name: str, number: int) -> Tensor:
        """Raise `ReenactError`: files have no masks."""
        raise ReenactError(f"{self.option} has no masks of the person, which a store has: {name}, frame {number}")

    def folder(self, name: str) -> Path | None:
        """The folder that a clip is, None for a file."""
        path = self._paths[name]
        return path if path.is_dir() else None

    def _stills(self, path: Path) -> Sequence[Path | NDArray[Any]]:
        """The frames of a clip that is no video: picture files, or arrays."""
        if path.suffix.lower() == ARRAY and path.is_file():
            return self._array(path)  # type: ignore[return-value]  # a sequence along its first axis
        pictures = pictures_in(path) if path.is_dir() else [path]
        if not pictures:
            raise ReenactError(f"{path} is a folder without pictures; it should hold the frames of a clip")
        return pictures

    def _array(self, path: Path) -> NDArray[Any]:
        try:
            array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ReenactError(f"{path} is not an array file; write it with numpy.save") from error
        array = array[None] if array.ndim == 3 else array
        supported = array.dtype == np.uint8 or array.dtype.kind == "f"
        if array.ndim != 4 or array.shape[3] != 3 or not supported:
            raise ReenactError(
                f"{path} holds {array.dtype} of {' x '.join(map(str, array.shape))}; expected frames x height x width"
                " x 3 of bytes, or of numbers in [-1, 1]"
            )
        if array.dtype != np.uint8 and all(frame.min() >= 0 for frame in array):
            raise ReenactError(f"{path} has no number below 0, but black is -1 in [-1, 1]; rescale it, or write bytes")
        return array


class StoreGallery:
    """The clips of a prepared store or of shards.

    Args:
        path: Its root.
        option: The option's name.
        size: Side at which frames are read; the store's own by default.
    """

    def __init__(self, path: Path, option: str, size: int | None) -> None:
        self.option = f"{option} {path}"
        self._prepared = open_prepared(path)
        self._size = size or self._prepared.info.size

    @cached_property
    def _index(self) -> NameIndex:
        return NameIndex(self.names(), self.option)

    def names(self) -> list[str]:
        """The store's names."""
        return list(self._prepared.table.names)

    def find(self, name: str) -> str | None:
        """The clip of a name."""
        return name if self._prepared.table.find(name) is not None else self._index.find(name)

    def identity(self, name: str) -> str:
        """The store's identity."""
        table = self._prepared.table
        return table.identity_names[int(table.identities[self._row(name)])]

    def count(self, name: str) -> int:
        """Frames of a clip."""
        return int(self._prepared.table.num_frames[self._row(name)])

    def frames(self, name: str) -> Iterator[Tensor]:
        """The frames of a clip."""
        for number in range(self.count(name)):
            yield self.frame(name, number)

    def frame(self, name: str, number: int) -> Tensor:
        """One frame."""
        return self._read(name, number).image[0]

    @property
    def has_masks(self) -> bool:
        """True if the store was written with masks."""
        return "mask" in self._prepared.info.fields

    def mask(self, name: str, number: int) -> Tensor:
        """Mask of a frame of a store that has them."""
        mask = self._read(name, number).mask
        assert mask is not None
        return mask[0]

    def _read(self, name: str, number: int) -> Portrait:
        """A frame as a batch of one portrait."""
        if not 0 <= number < self.count(name):
            raise ReenactError(f"{self.option}: clip {name} has no frame {number}; it has {self.count(name)}")
        place, info = self._prepared.place(self._row(name)), self._prepared.info
        return self._prepared.reader.read(place, "", [number], info.size, self._size).normalised()

    def _row(self, name: str) -> int:
        row = self._prepared.table.find(name)
        assert row is not None  # names come from `find`
        return row


def resize_to_match(image: Tensor, like: Tensor) -> Tensor:
    """A picture (3, h, w) at the size of another of the same shape of frame, averaged over areas."""
    if image.shape == like.shape:
        return image
    height, width = like.shape[-2:]
    changed = cv2.resize(image.permute(1, 2, 0).numpy(), (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(changed).permute(2, 0, 1)


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def _read_still(picture: Path | NDArray[Any]) -> Tensor:
    return _read_picture(picture) if isinstance(picture, Path) else _frame_to_tensor(picture)


def _read_picture(path: Path) -> Tensor:
    """Read a picture file; raises `ReenactError` for more than 8 bits, since scores are of what was saved."""
    with open_picture(path) as picture:
        mode = picture.mode
    if mode not in _EIGHT_BITS:
        raise ReenactError(f"{path} is not of 8 bits a channel ({mode}); save it as an 8-bit PNG")
    return _frame_to_tensor(read_image(path))


def _frame_to_tensor(frame: NDArray[Any]) -> Tensor:
    image = torch.from_numpy(np.array(frame)).permute(2, 0, 1)
    return unit_range(image) if image.dtype == torch.uint8 else image.float()
