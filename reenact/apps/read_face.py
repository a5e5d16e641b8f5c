"""The face of a picture or video, for Python callers: landmarks, crops and face parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from reenact.apps.face_clip import FaceClip
from reenact.apps.media import check_input
from reenact.apps.tracking import Target, open_clip
from reenact.choices import check_choices
from reenact.devices import pick_device
from reenact.errors import ReenactError
from reenact.estimators.registry import REGRESSORS, RegressorChoice, load_face_finder, load_regressor
from reenact.faces.registry import load_face_model
from reenact.methods.choices import VIDEO_CROP, CropRuleName
from reenact.paths import PathLike


@check_choices
def read_face(
    path: PathLike,
    *,
    parameters: Literal["fit", "none", RegressorChoice] = "fit",
    face_model: str | None = None,
    crop: CropRuleName = VIDEO_CROP,
    size: int = 256,
    face_index: int = 0,
    device: str = "auto",
) -> FaceClip:
    """Find one face in every frame of a picture or video, and measure it.

    Args:
        path: picture or video.
        parameters: source of the face parameters: `fit` (to the landmarks), a regressor, or `none`.
        face_model: face model of the parameters: head, flame, bfm, or the path of a file; by default head where they
            are fitted, else the regressor's own.
        crop: rule by which the face is cut out of the frames.
        size: side of the crops in pixels.
        face_index: number of the face, 0 is the largest.
        device: `auto`, `cpu`, `cuda`, ...

    Returns:
        T frames: `landmarks` (T, 68, 2) in pixels of the full frames, `found` (T,), `crops`, and `params` of batch T in
        the normalised device coordinates of the crops; `params` is None where `parameters` is `none`.

    Raises:
        ReenactError: if the file can't be read or shows no such face, or an estimator or its files are missing.
    """
    path = Path(path)
    check_input(path, "read_face:")
    if size < 16 or face_index < 0:
        raise ReenactError(f"size={size} must be at least 16, face_index={face_index} at least 0")
    target_device = str(pick_device(device))
    regressor, model = None, None
    if parameters == "fit":
        model = load_face_model(face_model or "head")
    elif parameters != "none":
        regressor = load_regressor(parameters, target_device)
        model = load_face_model(face_model or REGRESSORS[parameters])
        if not model.name.startswith(regressor.face_model):
            raise ReenactError(
                f"parameters={parameters!r} gives those of {regressor.face_model}: leave out face_model={face_model!r}"
            )
    target = Target(load_face_finder(device=target_device), model, size, crop, regressor)
    return open_clip(path, target, face_index=face_index)
