"""Face parameters of a tracked face: fitted to its landmarks, or regressed by a network from its pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reenact.estimators.base import ParameterRegressor, Points
from reenact.faces.appearance import fit_appearance
from reenact.faces.crop import Crop
from reenact.faces.fitting import fit_landmarks
from reenact.faces.landmarks import inter_ocular_distance
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.portrait import to_tensor
from reenact.media.video import Image
from reenact.tracking.face_track import FaceTrack

INNER = slice(17, 68)
"""Landmarks without the jaw line, which in pictures slides to the silhouette."""
BATCH = 32
"""Frames that a network is given at once."""


def fit_track(track: FaceTrack, face_model: FaceModel, crops: list[Crop]) -> tuple[FaceParams, NDArray[np.float64]]:
    """Fit a face model to a track.

    Args:
        track: T frames.
        face_model: Any face model.
        crops: T crops, or one that holds for all; the cameras belong to them.

    Returns:
        Parameters of T rows, and the (T,) landmark error as a fraction of the inter-ocular distance, NaN where the
        face was not seen.
    """
    placed = crops * len(track) if len(crops) == 1 else crops
    points = np.stack([crop.to_ndc(crop.to_crop(p)) for crop, p in zip(placed, track.landmarks, strict=True)])
    fit = fit_landmarks(face_model, torch.from_numpy(points.astype(np.float32)), torch.from_numpy(track.visible))
    return fit.params, fit.error.double().cpu().numpy()


def measure_landmark_errors(
    track: FaceTrack, crop: Crop, face_model: FaceModel, params: FaceParams
) -> NDArray[np.float64]:
    """(T,) distance of the mesh's landmarks to the found ones, in inter-ocular distances; NaN where none was seen."""
    # of the vertices around the landmarks alone: all of BFM's, of a long clip, are gigabytes
    near = face_model.vertices(params, face_model.landmark_vertices.flatten())
    corners = face_model.project(near, params.camera)[..., :2].reshape(len(near), 68, -1, 2)
    mesh = (corners * face_model.landmark_weights[..., None]).sum(2).double().cpu().numpy()
    placed = crop.to_frame(crop.from_ndc(mesh))[:, INNER]
    distances = np.linalg.norm(placed - track.landmarks[:, INNER], axis=-1).mean(1)
    return np.where(track.visible, distances / inter_ocular_distance(track.landmarks), np.nan)


def measure_appearance(
    params: FaceParams,
    face_model: FaceModel,
    numbers: NDArray[np.int64],
    images: Iterable[Image],
    crops: Sequence[Crop],
) -> FaceParams:
    """Measure one texture and one light of a tracked face in some of its frames, see `faces.appearance`.

    Args:
        params: T rows.
        face_model: Face model of the parameters.
        numbers: (N,) frame numbers.
        images: The N frames (H, W, 3).
        crops: N crops, to which the cameras belong.

    Returns:
        The parameters with texture and light.

    Raises:
        ReenactError: if the face model has no texture.
    """
    pictures = [crop.warp_to_crop(image, outside="edge") for image, crop in zip(images, crops, strict=True)]
    return fit_appearance(face_model, params, to_tensor(np.stack(pictures)), torch.from_numpy(numbers))


def regress_track(track: FaceTrack, images: Iterable[Image], regressor: ParameterRegressor) -> FaceParams:
    """Regress the parameters of a tracked face.

    Args:
        track: T frames.
        images: The T frames (H, W, 3) again, taken one at a time.
        regressor: The network.

    Returns:
        T rows; frames without the face have those of their neighbours. Cameras belong to the square around the whole
        frame.
    """
    batches = RegressionBatches(regressor, 1)
    for image, points, visible in zip(images, track.landmarks, track.visible, strict=True):
        if visible:
            batches.add(0, image, points)
    batches.finish()
    return batches.parameters(0, track.visible)


class RegressionBatches:
    """Frames of several tracks that share the batches of a network.

    Args:
        regressor: The network.
        tracks: Number of tracks.
    """

    def __init__(self, regressor: ParameterRegressor, tracks: int) -> None:
        self._regressor = regressor
        self._rows: list[list[FaceParams]] = [[] for _ in range(tracks)]
        self._waiting: list[tuple[int, Image, Points]] = []

    def add(self, track: int, image: Image, points: Points) -> None:
        """Add the next frame of a track that shows the face, with its (68, 2) landmarks in frame pixels."""
        self._waiting.append((track, image, points))
        if len(self._waiting) == BATCH:
            self.finish()

    def finish(self) -> None:
        """Regress the frames that wait for a full batch."""
        if not self._waiting:
            return
        tracks, images, points = zip(*self._waiting, strict=True)
        self._waiting = []
        params = self._regressor.regress(list(images), np.stack(points)).map(lambda tensor: tensor.detach().cpu())
        for row, track in enumerate(tracks):
            self._rows[track].append(params[row : row + 1])

    def parameters(self, track: int, visible: NDArray[np.bool_]) -> FaceParams:
        """Collect the parameters of a finished track, those of frames without the face between their neighbours'.

        Args:
            track: Number of the track.
            visible: (T,) True for the frames that were added.

        Returns:
            T rows.
        """
        visible_numbers, numbers = np.flatnonzero(visible), np.arange(len(visible))

        def fill_gaps(values: Tensor) -> Tensor:
            rows = values.numpy().astype(np.float32).reshape(len(visible_numbers), -1)
            columns = [np.interp(numbers, visible_numbers, column) for column in rows.T]
            filled = np.stack(columns, 1).reshape(len(numbers), *values.shape[1:])
            return torch.from_numpy(filled.astype(np.float32))

        return FaceParams.cat(self._rows[track]).map(fill_gaps)
