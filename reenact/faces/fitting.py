"""Fitting a face model to the 68 landmarks of a clip.

Gauss-Newton on the reprojection error with a robust loss and Gaussian priors, in three stages: head pose and camera in
closed form; shape, shared by the clip, together with pose, camera, jaw and expression on at most 32 frames; then every
frame with that shape, all frames in one banded system because neighbours are tied together. Each landmark of the jaw
line slides to the silhouette (`faces.contour`). Gaze cannot be seen in 68 landmarks: eye and neck poses stay zero, and
lids follow where the model's expressions move them. The face keeps the mean face's size, which the camera explains as
well, and the shape's prior weighs as much in a clip as in a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reenact.faces.fit_clip import ClipFit, FitOptions
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams

KEY_FRAMES = 32
"""Frames from which the shape is found."""
FEWEST = 12
"""Landmarks without which a frame says nothing about shape."""


@dataclass(frozen=True)
class LandmarkFit:
    """Face parameters fitted to landmarks, with their errors."""

    params: FaceParams
    """Parameters of T frames; shape is the same in all."""
    landmarks: Tensor
    """(T, 68, 2) landmarks of the fitted mesh in NDC, jaw line on the silhouette."""
    error: Tensor
    """(T,) mean distance to the seen landmarks as a fraction of the inter-ocular distance (outer corners of the given
    eyes, landmarks 36 and 45); NaN where no landmark is seen."""


@torch.inference_mode(False)  # torch 2.11 takes no derivatives in inference mode
@torch.no_grad()
def fit_landmarks(
    face_model: FaceModel,
    landmarks: Tensor,
    visible: Tensor | None = None,
    options: FitOptions | None = None,
) -> LandmarkFit:
    """Face parameters of a clip, or of one picture (T = 1).

    Args:
        face_model: any face model.
        landmarks: (T, 68, 2) in NDC of the crop that the cameras shall belong to (`Crop.to_ndc`).
        visible: (T,) or (T, 68) bool: which to believe; frames without any are filled in from their neighbours.
        options: noise levels and priors.

    Raises:
        ValueError: if no frame has enough visible landmarks, or a visible one is not finite.
    """
    mask = torch.ones(landmarks.shape[:2], dtype=torch.bool) if visible is None else visible
    mask = mask[:, None].expand(-1, 68) if mask.ndim == 1 else mask
    frames = torch.nonzero(mask.sum(1) >= FEWEST)[:, 0]
    if not len(frames):
        raise ValueError(f"no frame has {FEWEST} visible landmarks")
    if not landmarks[mask].isfinite().all():
        raise ValueError("a visible landmark is not finite")
    options = options or FitOptions()
    clip = ClipFit(face_model, landmarks.to(face_model.mean_vertices), mask, options)
    start = clip.start()
    keys = frames[torch.linspace(0, len(frames) - 1, min(KEY_FRAMES, len(frames))).round().long()]
    key_state, shape = clip.select(keys).fit_shape(start[keys], options.shape_steps)
    state = clip.fit_frames(clip.spread(start, key_state, keys), shape, options.steps)
    shapes = shape.expand(len(state), -1)
    points = clip.points(state, shapes, clip.mix(state, shape))
    distance = torch.where(mask, (points - clip.target).norm(dim=-1), torch.nan).nanmean(1)
    eyes = torch.where(mask[:, [36, 45], None], clip.target[:, [36, 45]], points[:, [36, 45]])
    return LandmarkFit(clip.params(state, shapes), points, distance / (eyes[:, 1] - eyes[:, 0]).norm(dim=-1))
