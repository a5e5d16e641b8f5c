"""Arrays of a clip as a store keeps them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reenact.data.store.clip_files import PARAMS
from reenact.faces.params import FaceParams


@dataclass(frozen=True, kw_only=True)
class ClipArrays:
    """Arrays of a clip's T frames; each has T rows, or one row that holds for all frames."""

    crop: NDArray[np.float64]
    """(T, 4) or (1, 4): `Crop.to_array` of each frame."""
    visible: NDArray[np.bool_]
    """(T,) or (1,): whether the face was found, or filled in from its neighbours."""
    landmarks: NDArray[np.float32] | None
    """(T, 68, 2) in pixels of the stored frames."""
    params: FaceParams | None
    """T rows; `mirrored` is not kept."""
    mask: NDArray[np.bool_] | None = None
    """(T, size, size) pixels of the stored frames that show the person."""


def list_fields(arrays: ClipArrays) -> tuple[str, ...]:
    """Return the names under which the arrays of a clip are stored, for `StoreInfo.fields`."""
    return tuple(sorted(build_tables(arrays)))


def build_tables(arrays: ClipArrays) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of a clip by the names under which they are stored, in the form in which they are stored."""
    tables: dict[str, NDArray[np.generic]] = {"crop": arrays.crop, "visible": arrays.visible}
    if arrays.landmarks is not None:
        tables["landmarks"] = np.ascontiguousarray(arrays.landmarks, np.float32)
    if arrays.mask is not None:
        tables["mask"] = np.packbits(arrays.mask, axis=-1)
    return tables | (split_params(arrays.params) if arrays.params is not None else {})


def split_params(params: FaceParams) -> dict[str, NDArray[np.float32]]:
    """Return the parts of face parameters that are not None by name, as they are stored; not `mirrored`."""
    values = {name: getattr(params, name) for name in PARAMS}
    return {
        name: np.ascontiguousarray(value.detach().cpu().numpy(), np.float32)
        for name, value in values.items()
        if value is not None
    }
