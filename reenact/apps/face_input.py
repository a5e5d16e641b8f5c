"""Faces that a command is pointed to: in a picture, in a video, or in a clip of a store."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.data.store.clip_files import PARAMS
from reenact.data.store.reader import ClipRecord, Store
from reenact.errors import ReenactError
from reenact.faces.appearance import choose_frames, fit_appearance
from reenact.faces.crop import Crop
from reenact.faces.params import FaceParams
from reenact.faces.portrait import to_image
from reenact.faces.registry import is_same_model
from reenact.media.video import Image
from reenact.tracking.face_clip import FaceClip
from reenact.tracking.read_face import CropMotion, read_face_file
from reenact.tracking.target import Target

CHUNK = 16
"""Frames of a store read at once."""


@dataclass(frozen=True, kw_only=True)
class StoreFaceClip(FaceClip):
    """The face of a clip of a store; `path` is the store's folder."""

    record: ClipRecord

    def read_masks(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The stored masks (B, H, W), 255 where the person is."""
        store = Store(self.path)
        rows = store.arrays(self.record, numbers.tolist())["mask"]
        return np.unpackbits(rows, axis=-1, count=store.info.size) * np.uint8(255)

    @property
    def sound(self) -> Path | None:
        """The file that the clip was prepared from, where it is still there."""
        return Path(self.record.source) if Path(self.record.source).is_file() else None

    def images(self) -> Iterator[Image]:
        """The stored frames in order, (H, W, 3) RGB."""
        store = Store(self.path)
        for start in range(0, len(self), CHUNK):
            numbers = range(start, min(start + CHUNK, len(self)))
            yield from to_image(store.read(self.record, numbers).image)


def open_clip(
    path: Path, target: Target, crop: CropMotion = "fixed", face_index: int = 0, clip: str | None = None
) -> FaceClip:
    """Read a face from a file, or take it from a store.

    Args:
        path: A picture, a video or the folder of a store.
        target: Requirements on the face.
        crop: Fixed or following the face; a store is cropped already.
        face_index: Number of the face, 0 is the largest.
        clip: Name of the clip of a store, the first by default.

    Raises:
        ReenactError: if the file can't be read, shows no face or not so many, or is a store of another face model.
    """
    return open_store_clip(path, target, clip) if path.is_dir() else read_face_file(path, target, crop, face_index)


def open_store_clip(root: Path, target: Target, name: str | None) -> StoreFaceClip:
    """Open a clip of a store.

    Args:
        root: The store's folder.
        target: Requirements on the face.
        name: The clip; the first one by default.

    Raises:
        ReenactError: if it is no store, has no such clip, or its parameters are of another face model or network.
    """
    store = Store(root)
    _check_store(store, target)
    record = _find_record(store, name)
    arrays = store.arrays(record)
    _check_arrays(root, arrays, target)
    tensors = {name: torch.from_numpy(arrays[name]) for name in PARAMS if name in arrays}
    params, visible = FaceParams(**tensors) if tensors else None, arrays["visible"].astype(np.bool_)
    if target.appearance and target.face_model is not None and params is not None and params.texture is None:
        numbers = choose_frames(np.broadcast_to(visible, record.num_frames))
        images = store.read(record, numbers.tolist()).normalised().image
        params = fit_appearance(target.face_model, params, images, torch.from_numpy(numbers))
    return StoreFaceClip(
        path=root,
        fps=record.fps,
        crops=[Crop(0.0, 0.0, store.info.size, target.size)] * record.num_frames,
        found=visible,
        params=params,
        record=record,
        landmarks=arrays.get("landmarks"),
    )


def _check_store(store: Store, target: Target) -> None:
    """Refuse a store whose parameters are of another face model or origin than the target's."""
    if target.face_model is None:
        return
    if not is_same_model(store.info.face_model, target.face_model.name):
        raise ReenactError(
            f"{store.root} has parameters of the face model {store.info.face_model!r} and the checkpoint needs "
            f"{target.face_model.name!r}; prepare the store with --face-model {target.face_model.name}"
        )
    recipe, regressor = store.info.recipe, target.regressor.name if target.regressor else None
    if recipe.get("regressor") != regressor:
        raise ReenactError(
            f"{store.root} has face parameters by {recipe.get('regressor', 'fitting')} and the source's are by"
            f" {regressor or 'fitting'}: pass --parameters {recipe.get('parameters', 'fit')} to have both alike, or"
            " another store"
        )


def _check_arrays(root: Path, arrays: Collection[str], target: Target) -> None:
    """Refuse a clip without the landmarks or masks that are needed."""
    if target.needs.mask and "mask" not in arrays:
        raise ReenactError(
            f"{root} has no masks of the person, which this method reads: write it with prepare or world --masks"
        )
    if target.needs.landmarks and "landmarks" not in arrays:
        raise ReenactError(f"{root} has no landmarks, which this method reads: prepare it again")


def _find_record(store: Store, name: str | None) -> ClipRecord:
    if name is not None:
        return store.clip(name)
    clips = store.clips()
    if not clips:
        raise ReenactError(f"{store.root} has no usable clip; prepare it again")
    return clips[0]
