"""Faces of pictures and videos in the form that a trained method reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from reenact.errors import ReenactError
from reenact.faces.model import FaceModel
from reenact.faces.portrait import Portrait
from reenact.media.video import Image
from reenact.models.common.module import ReenactmentModule
from reenact.tracking.read_face import read_picture_face
from reenact.tracking.target import ParameterSource, Target, build_target


class InputFaces:
    """Reader of the faces of a method's inputs.

    Args:
        checkpoint: Names the method in errors.
        module: The method.
        face_model: Its face model; None where it reads images alone.
        parameters: Where face parameters come from.
        device: Where the estimators run.
    """

    def __init__(
        self,
        checkpoint: Path,
        module: ReenactmentModule,
        face_model: FaceModel | None,
        parameters: ParameterSource,
        device: str,
    ) -> None:
        self.checkpoint = checkpoint
        self.module = module
        self.face_model = face_model
        self._parameters = parameters
        self._device = device
        self._target: Target | None = None

    @property
    def target(self) -> Target:
        """Requirements on the faces of inputs; the estimators are loaded at the first access.

        Raises:
            ReenactError: as `build_target`.
        """
        if self._target is None:
            self._target = build_target(
                self.checkpoint,
                self.module.recipe,
                self.face_model,
                self.module.image_size,
                self._parameters,
                self._device,
                self.module.network.needs,
            )
        return self._target

    @property
    def source_target(self) -> Target:
        """Requirements on the faces of sources, whose crops are turned where no camera would have to turn with them.

        Raises:
            ReenactError: as `build_target`.
        """
        return replace(self.target, turned=self.face_model is None)

    def read_portrait(self, image: Image | Portrait, *, of_source: bool = False) -> Portrait:
        """Read the portrait of a full frame; portraits stay as they are.

        Raises:
            ReenactError: if the frame shows no face, or the portraits lack a part that the method reads.
        """
        needs = self.module.network.needs
        if isinstance(image, Portrait):
            missing = needs.find_missing(image.describe())
            if missing:
                raise ReenactError(
                    f"{self.module.method} reads {' and '.join(missing)} and the portrait has none: fill these fields,"
                    " or give the full frame"
                )
            return image
        clip = read_picture_face(Path("picture"), image, self.source_target if of_source else self.target)
        return clip.portraits(np.zeros(1, np.int64), [image], needs)
