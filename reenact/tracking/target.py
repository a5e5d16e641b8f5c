"""Requirements of a method on the faces of its inputs, and the estimators that meet them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reenact.errors import ReenactError
from reenact.estimators.base import ParameterRegressor
from reenact.estimators.registry import FaceFinder, RegressorChoice, find_regressor, load_face_finder, load_regressor
from reenact.faces.contents import IMAGES, Contents
from reenact.faces.model import FaceModel
from reenact.methods.registry import collect_crop_rules, find_default_crop

ParameterSource = Literal["auto", "fit", RegressorChoice]
"""Origin of face parameters: as in the training data, fitted to landmarks, or a network."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Requirements of a method on the faces of its inputs."""

    finder: FaceFinder
    face_model: FaceModel | None
    """Face model that is fitted; None where the method reads images alone."""
    size: int
    """Side of the network's input in pixels."""
    crop: str = field(default_factory=lambda: find_default_crop("synthetic"))
    """Name of the rule by which the face is cropped."""
    turned: bool = False
    """True where crops of single frames are turned as the rule says: those of a source without face parameters."""
    regressor: ParameterRegressor | None = None
    """Network that estimates the parameters; None where they are fitted to landmarks."""
    needs: Contents = IMAGES
    """Parts of portraits that the method reads."""

    @property
    def appearance(self) -> bool:
        """True where texture or light is needed; both are measured in the pictures where no network gives them."""
        return self.needs.texture or self.needs.light


def build_target(
    checkpoint: Path,
    recipe: Mapping[str, str],
    face_model: FaceModel | None,
    size: int,
    source: ParameterSource,
    device: str,
    needs: Contents = IMAGES,
) -> Target:
    """Build the requirements on faces: they are prepared as those that the method was trained on.

    Args:
        checkpoint: Names the method in errors.
        recipe: How its training data was prepared, see `Store.info`; empty for the synthetic world.
        face_model: What it is driven by; None where it reads images alone.
        size: Side of its input in pixels.
        source: Where parameters come from.
        device: Where the estimators run.
        needs: What it reads.

    Raises:
        ReenactError: if an estimator or its weights are missing, its parameters are not the face model's, or texture
            is to be measured and the face model has none.
    """
    rule = recipe.get("crop", find_default_crop("synthetic"))
    if rule not in collect_crop_rules():
        # A whole frame or a data set's own box is a video's default crop for the most part; new pictures have no box.
        rule = find_default_crop("videos")
    regressor = None
    if face_model is not None:
        regressor = _load_regressor(checkpoint, recipe, source, device)
        if regressor is not None and not face_model.name.startswith(regressor.face_model):
            raise ReenactError(
                f"--parameters {regressor.name} gives those of {regressor.face_model}, and {checkpoint} is driven by"
                f" those of {face_model.name}: use --parameters fit"
            )
    target = Target(
        finder=load_face_finder(device=device),
        face_model=face_model,
        size=size,
        crop=rule,
        regressor=regressor,
        needs=needs,
    )
    if target.appearance and face_model is not None and regressor is None:
        face_model.check_texture()
    return target


def _load_regressor(
    checkpoint: Path, recipe: Mapping[str, str], source: ParameterSource, device: str
) -> ParameterRegressor | None:
    if source == "fit":
        return None
    if source != "auto":
        return load_regressor(source, device)
    name = recipe.get("regressor")
    if name is None:
        return None
    try:
        return find_regressor(name, device)
    except ReenactError as error:
        raise ReenactError(
            f"{checkpoint} was trained on face parameters by {name}, and {error}; or fit them with --parameters fit"
        ) from error
