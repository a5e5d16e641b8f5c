"""A trained method as an object to stream faces through."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.apps.smoothing import OneEuro
from reenact.apps.tracking import Target, picture_clip
from reenact.data.store import to_image
from reenact.data.video import Image
from reenact.errors import ReenactError
from reenact.estimators.registry import load_face_finder
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.faces.registry import load_face_model
from reenact.models.base import Mode
from reenact.models.checkpoint import load_method
from reenact.models.retarget import PARTS, Part, retarget

Smoothing = Literal["one_euro", "none"]


@dataclass(frozen=True)
class Motion:
    """What a driving face gives to the source."""

    mode: Mode = "absolute"
    """`absolute` takes the driving face's values, `relative` its change against a reference frame."""
    parts: Collection[Part] = PARTS
    """What moves; the rest stays the source's."""
    strength: float = 1.0
    """1 is the full motion, less calms, more exaggerates."""


class Animator:
    """Animates one source with a stream of driving faces.

    Example:
        animator = Animator(Path("pwm.ckpt")).prepare(read_image(Path("portrait.jpg")))
        for frame in VideoReader(Path("driving.mp4")):
            picture = animator.step(frame)[0]

    Args:
        checkpoint: A checkpoint of any method.
        motion: What the driving face gives.
        smoothing: Filter of the driving parameters over time.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, ...
    """

    def __init__(
        self, checkpoint: Path, motion: Motion | None = None, smoothing: Smoothing = "none", device: str = "auto"
    ) -> None:
        self.device = pick_device(device)
        self.checkpoint = checkpoint
        self.module = load_method(checkpoint, self.device)
        self.network = self.module.network
        self.size = self.module.image_size
        spec = self.module.arguments.get("face_model")
        self.face_model = load_face_model(str(spec)) if self.network.needs.params else None
        self._target: Target | None = None
        self.motion = motion or Motion()
        self._filter = OneEuro() if smoothing == "one_euro" else None
        self._state: Any = None
        self._base: FaceParams | None = None
        self._reference: FaceParams | None = None

    @torch.inference_mode()
    def prepare(self, source: Image | Portrait, base: FaceParams | None = None) -> Self:
        """Encode the source, once for any number of steps.

        Args:
            source: A picture (H, W, 3) with a face anywhere in it, which is cropped and fitted here; or portraits of
                batch 1, or of the batch of every following step (a source that moves by itself).
            base: The face that motion is applied to, batch 1; the source's own by default.

        Raises:
            ReenactError: if the picture shows no face.
        """
        portrait = source if isinstance(source, Portrait) else self._portrait(source)
        portrait = portrait.to(self.device)
        self._state = self.network.encode(portrait)
        self._base = portrait.params if base is None else base.to(self.device)
        return self

    def refer_to(self, reference: FaceParams) -> Self:
        """Set the driving face (batch 1) that corresponds to the source's in relative mode; else the first step's."""
        self._reference = reference.to(self.device)
        return self

    @torch.inference_mode()
    def step(self, driving: Image | Portrait) -> NDArray[np.uint8]:
        """The next frames of the result.

        Args:
            driving: One full frame (H, W, 3) with a face in it, or portraits of batch B.

        Returns:
            (B, size, size, 3) uint8 RGB.

        Raises:
            ReenactError: if no source was prepared, the frame shows no face, or the result is not finite.
        """
        if self._state is None:
            raise ReenactError("no source yet: call `prepare` before `step`")
        portrait = (driving if isinstance(driving, Portrait) else self._portrait(driving)).to(self.device)
        if portrait.params is not None:
            portrait = replace(portrait, params=self._retarget(portrait.params))
        return self._drawn(portrait)

    @torch.inference_mode()
    def pose(self, portrait: Portrait) -> NDArray[np.uint8]:
        """The source exactly as the given parameters (batch B) say, without retargeting: what editing needs."""
        if self._state is None:
            raise ReenactError("no source yet: call `prepare` before `pose`")
        return self._drawn(portrait.to(self.device))

    def _drawn(self, portrait: Portrait) -> NDArray[np.uint8]:
        image = self.network.drive(self._state, portrait).image
        if not image.isfinite().all():
            raise ReenactError(
                f"{self.checkpoint} gives pixels that are not numbers: use an earlier checkpoint or less --strength"
            )
        return to_image(image)

    def _retarget(self, driving: FaceParams) -> FaceParams:
        assert self._base is not None
        if self._filter is not None:
            driving = self._filter(driving)
        if self._reference is None:
            self._reference = driving[:1]
        motion = self.motion
        return retarget(self._base, driving, motion.mode, self._reference, motion.strength, motion.parts)

    @property
    def target(self) -> Target:
        """What faces have to be found, cropped and fitted for; the estimators are loaded when first asked for.

        Raises:
            ReenactError: if no estimator is installed.
        """
        if self._target is None:
            self._target = Target(load_face_finder(device=str(self.device)), self.face_model, self.size)
        return self._target

    def _portrait(self, image: Image) -> Portrait:
        clip = picture_clip(Path("picture"), image, self.target)
        return clip.portraits(np.zeros(1, np.int64), [image])


def pick_device(name: str) -> torch.device:
    """A device by name; `auto` is the accelerator where there is one.

    Raises:
        ReenactError: if the name is unknown or the device is absent.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ReenactError(f"--device {name} is not available here; use cpu or auto") from error
    return device
