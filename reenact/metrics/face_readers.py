"""Readers of faces: a library finds the face, then a network is shown it as its authors do.

A frame in which no face is found has rows of NaN. Where there are several faces the largest is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from reenact.estimators.base import Image, ParameterRegressor, Points
from reenact.estimators.registry import (
    IdentityNetwork,
    RegressorChoice,
    load_face_finder,
    load_identity,
    load_regressor,
)
from reenact.faces.bfm import angles_to_matrix
from reenact.faces.portrait import to_bytes
from reenact.faces.rotation import axis_angle_to_euler, matrix_to_euler
from reenact.metrics.faces import FaceReading
from reenact.metrics.networks import Finder
from reenact.metrics.scene import Chain, Reader


@dataclass(frozen=True)
class Found:
    """Places of the faces of B pictures."""

    points: Tensor
    """(B, 68, 2) landmarks, of `insightface` (B, 5, 2), in continuous pixels; NaN where there is no face."""
    size: Tensor
    """(B, 2) width and height of the pictures."""


@dataclass(frozen=True, eq=False)
class FaceFinder:
    """The points of the largest face of each picture."""

    name: Finder

    def __call__(self, image: Tensor) -> Found:
        """Look at pictures (B, 3, H, W) in [-1, 1]."""
        find = _build_finder(self.name, str(image.device))
        face_points = [find(picture) for picture in to_library_images(image)]
        empty = np.full((5 if self.name == "insightface" else 68, 2), np.nan, np.float32)
        points = np.stack([empty if face is None else face for face in face_points])
        size = image.new_tensor(image.shape[:-3:-1]).expand(len(image), 2)
        return Found(torch.from_numpy(points).to(image), size)


@cache
def finder_reader(name: Finder) -> Reader[Found]:
    """The finder of a name; the same for all that need it."""
    return FaceFinder(name)


def landmark_reader(name: Finder) -> Reader[FaceReading]:
    """Landmarks as the finder places them."""
    return Chain(
        name, finder_reader(name), lambda _, faces: FaceReading(landmarks=faces.points / faces.size[:, None] * 2 - 1)
    )


def identity_reader(label: str, network: IdentityNetwork, name: Finder) -> Reader[FaceReading]:
    """Embeddings of the faces that a finder finds.

    Args:
        label: What to call the reader.
        network: The recognition network.
        name: The finder.
    """
    widths = {"embedding": 128 if network == "dlib" else 512}

    def read(image: Tensor, faces: Found) -> FaceReading:
        embed = _build_embedder(network, name, str(image.device))

        def each(pictures_of_faces: list[Image], points: Points) -> dict[str, Tensor]:
            rows = [embed(picture, face) for picture, face in zip(pictures_of_faces, points, strict=True)]
            return {"embedding": torch.from_numpy(np.stack(rows))}

        return FaceReading(**_where_found(image, faces, widths, each))

    return Chain(label, finder_reader(name), read)


def parameter_reader(label: str, network: RegressorChoice, name: Finder) -> Reader[FaceReading]:
    """Expression and pose of the faces that a finder finds, as a network gives them.

    Args:
        label: What to call the reader.
        network: The regressor.
        name: The finder.
    """
    deep3d = network == "deep3d"
    widths = {"expression": 64 if deep3d else 50, "angles": 3, "euler": 3, **({"translation": 3} if deep3d else {})}

    def read(image: Tensor, faces: Found) -> FaceReading:
        regressor = _build_regressor(network, str(image.device))
        return FaceReading(
            **_where_found(
                image,
                faces,
                widths,
                lambda face_pictures, points: _comparable_codes(regressor.codes(face_pictures, points)),
            )
        )

    return Chain(label, finder_reader(name), read)


def to_library_images(image: Tensor) -> list[Image]:
    """(H, W, 3) uint8 pictures, as libraries take them, of (B, 3, H, W) in [-1, 1]."""
    return list(to_bytes(image).permute(0, 2, 3, 1).contiguous().cpu().numpy())


def _comparable_codes(codes: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the comparable codes of a network: an axis-angle vector of FLAME's regressors, three angles of Deep3D."""
    if "angles" in codes:
        euler = matrix_to_euler(angles_to_matrix(codes["angles"].double()))
        parts = {"angles": codes["angles"], "translation": codes["translation"]}
    else:
        euler = axis_angle_to_euler(codes["global_pose"].double())
        parts = {"angles": codes["global_pose"]}
    return {"expression": codes["expression"], "euler": euler, **parts}


def _where_found(
    image: Tensor,
    faces: Found,
    widths: dict[str, int],
    read: Callable[[list[Image], Points], dict[str, Tensor]],
) -> dict[str, Tensor]:
    """Read the pictures in which there is a face; the rows of all others are NaN."""
    whole = {part: image.new_full((len(image), width), torch.nan) for part, width in widths.items()}
    points = faces.points.cpu().numpy()
    rows = np.flatnonzero(np.isfinite(points).all((1, 2))).tolist()
    if rows:
        for part, values in read(to_library_images(image[rows]), points[rows]).items():
            whole[part][rows] = values.to(image)
    return whole


@cache
def _build_finder(name: Finder, device: str) -> Callable[[Image], Points | None]:
    """Gives the points of the largest face of a picture, or None."""
    if name == "insightface":
        from reenact.estimators.insightface import InsightFaceEstimator

        return InsightFaceEstimator(device).five_points
    library = load_face_finder(name, device)

    def find(picture: Image) -> Points | None:
        boxes = [box for box in library.detector.detect(picture) if not box.lies]
        return library.landmarks.landmarks(picture, boxes[0]) if boxes else None

    return find


@cache
def _build_embedder(network: IdentityNetwork, name: Finder, device: str) -> Callable[[Image, Points], Points]:
    if network == "dlib":
        return load_identity(network).embed
    from reenact.estimators.insightface import ArcFace

    arcface = ArcFace(network, device)
    return arcface.embed_five if name == "insightface" else arcface.embed


@cache
def _build_regressor(network: RegressorChoice, device: str) -> ParameterRegressor:
    return load_regressor(network, device)
