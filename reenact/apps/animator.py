"""A trained method as an object to stream faces through."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reenact.apps.input_faces import InputFaces
from reenact.apps.shown_picture import take_pictures
from reenact.apps.smoothing import OneEuro, Smoothing
from reenact.assets import require_all
from reenact.choices import Precision
from reenact.devices import autocast, explain_full_memory, pick_device, pick_precision
from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.faces.portrait import Portrait
from reenact.faces.registry import load_face_model
from reenact.media.video import Image
from reenact.models.common.base import (
    RESULT,
    Reenactment,
    ReportProgress,
    SourceState,
    Transfer,
    ignore_progress,
)
from reenact.models.common.checkpoint import load_method
from reenact.models.common.controls import take_fields
from reenact.tracking.target import ParameterSource


@dataclass(frozen=True)
class PlayedFrame:
    """One frame of an animated video."""

    picture: Image
    """(size, size, 3) uint8 RGB."""
    landmarks: NDArray[np.float32] | None
    """(68, 2) points of the posed face in normalised device coordinates of the picture; None for methods that know
    none, see `Reenactor.pose_landmarks`."""


class Animator:
    """Animates one source with a stream of driving faces.

    Example:
        animator = Animator(Path("pwm.ckpt")).prepare(read_image(Path("portrait.jpg")))
        for frame in VideoReader(Path("driving.mp4")):
            picture = animator.step(frame)[0]

    Args:
        checkpoint: A checkpoint of any method.
        transfer: What the driving face gives; the method's own by default.
        smoothing: Filter of the driving face parameters over time; keypoints are not filtered.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, ...
        parameters: Where the face parameters of pictures and videos come from: `auto` is whoever gave those of the
            training data, see `reenact prepare`.
        settings: Settings of the method to change, see `load_method`.
        precision: Type of the numbers that the network computes with; motions stay in float32.
        show: Name of the picture that is returned, one of `Reenactment.pictures`.

    Raises:
        ReenactError: if the method can't move its source so, or needs a file that this machine lacks.
    """

    def __init__(
        self,
        checkpoint: Path,
        transfer: Transfer | None = None,
        smoothing: Smoothing = "none",
        device: str = "auto",
        parameters: ParameterSource = "auto",
        settings: Mapping[str, str] = MappingProxyType({}),
        precision: Precision = "float32",
        show: str = RESULT,
    ) -> None:
        self.device = pick_device(device)
        self._precision, self._show = pick_precision(self.device, precision), show
        self.checkpoint = checkpoint
        self.module = load_method(checkpoint, self.device, settings=settings)
        require_all(self.module.assets("use"))
        self.network = self.module.network
        self.size = self.module.image_size
        spec = self.module.arguments.get("face_model")
        self.face_model = load_face_model(str(spec)) if self.network.needs.params else None
        self.faces = InputFaces(checkpoint, self.module, self.face_model, parameters, str(self.device))
        self.transfer = transfer or self.network.transfer
        self.network.check_transfer(self.transfer)
        self._filter = OneEuro() if smoothing == "one_euro" else None
        self._state: SourceState | None = None
        self._reference: TensorFields | None = None
        self._motion: TensorFields | None = None

    @torch.inference_mode()
    def prepare(self, source: Image | Portrait, anchor: Portrait | None = None) -> Self:
        """Encode the source, once for any number of steps.

        Args:
            source: A picture (H, W, 3) with a face anywhere in it, which is cropped and fitted here; or portraits of
                batch 1, or of the batch of every following step (a source that moves by itself).
            anchor: The source at another time, batch 1, whose motion that of the driving face is applied to; the source
                itself by default.

        Raises:
            ReenactError: if the picture shows no face.
        """
        portrait = self.faces.read_portrait(source, of_source=True).to(self.device)
        with self._compute():
            state: SourceState = self.network.encode(portrait)
        if anchor is not None:
            state = replace(state, motion=self._anchored(state.motion, self.read(anchor)))
        self._state = state
        return self

    def keep_place(self) -> Self:
        """Leave the head's place and size in the crop to the source.

        In crops that follow two faces these change with expressions and turns alone, which the box around the
        landmarks grows and shifts with.

        Raises:
            ReenactError: if no other part moves.
        """
        parts = self.transfer.parts or self.network.movable_parts()
        moving = tuple(part for part in parts if part not in self.network.places)
        if not moving:
            raise ReenactError(
                f"leaves the parts {', '.join(parts)}, which alone should move, to the source",
                subject="--crop per_frame",
                remedy="use --crop fixed, or name other --parts",
            )
        self.transfer = replace(self.transfer, parts=moving)
        return self

    def change_transfer(self, **changes: Any) -> Self:  # noqa: ANN401 - the fields' own types
        """Change fields of the transfer; those of the value None stay.

        Raises:
            ReenactError: if the method can't move its source so.
        """
        self.transfer = replace(self.transfer, **{name: value for name, value in changes.items() if value is not None})
        self.network.check_transfer(self.transfer)
        return self

    def refer_to(self, reference: Portrait) -> Self:
        """Set the driving face (batch 1) that corresponds to the source's in relative mode; else the first step's."""
        self._reference = self.read(reference)
        return self

    def play(
        self, drivings: Iterable[Portrait], progress: ReportProgress = ignore_progress, work: Path | None = None
    ) -> Iterator[PlayedFrame]:
        """Animate the frames of one video in order.

        A moving source is prepared anew, for the frames of the next batch, before that batch is drawn.

        Args:
            drivings: Batches of consecutive driving faces, drawn as they are needed.
            progress: Takes the finished fraction of the work of a method that works before its first frame.
            work: Folder for intermediate files, see `Reenactor.play`.

        Raises:
            ReenactError: as `step`.
        """
        return self.play_motions(map(self._read_motion, drivings), progress, work)

    def play_motions(
        self, motions: Iterable[TensorFields], progress: ReportProgress = ignore_progress, work: Path | None = None
    ) -> Iterator[PlayedFrame]:
        """Play exactly these motions of the source, without retargeting: edits to a video need it.

        Args:
            motions: Batches of the motions of consecutive frames, drawn as they are needed.
            progress: As of `play`.
            work: As of `play`.

        Raises:
            ReenactError: if no source was prepared, or a result is not finite.
        """
        points: deque[NDArray[np.float32]] = deque()

        def read_frames() -> Iterator[tuple[SourceState, TensorFields]]:
            for motion in motions:
                self._motion = motion.to(self.device)
                posed = self._pose_landmarks(self._motion)
                points.extend(() if posed is None else posed)
                yield self.state, self._motion

        results = self.network.play(read_frames(), progress, work)
        while (result := self._draw_next(results)) is not None:
            for picture in self._take_pictures(result):
                yield PlayedFrame(picture, points.popleft() if points else None)

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
        return self.pose(self._read_motion(self.faces.read_portrait(driving)))

    @torch.inference_mode()
    def landmarks(self) -> NDArray[np.float32] | None:
        """(B, 68, 2) of the last step's posed faces, in normalised device coordinates of the result.

        None for methods that know none, see `Reenactor.pose_landmarks`.
        """
        return None if self._motion is None else self._pose_landmarks(self._motion)

    @torch.inference_mode()
    def pose(self, motion: TensorFields) -> NDArray[np.uint8]:
        """The source with exactly a motion (batch B), without retargeting: what editing needs.

        Raises:
            ReenactError: if no source was prepared, or the result is not finite.
        """
        self._motion = motion.to(self.device)
        with self._compute():
            result = self.network.perform(self.state, self.network.repeat_motion(self._motion))
        return self._take_pictures(result)

    @torch.inference_mode()
    def read(self, driving: Portrait) -> TensorFields:
        """The motion that portraits (batch B) show, in float32 or more."""
        with self._compute():
            motion: TensorFields = self.network.read(driving.to(self.device))
        return motion.map(lambda values: values.float() if values.dtype in (torch.bfloat16, torch.float16) else values)

    @property
    def motion(self) -> TensorFields:
        """The source's own motion, from which edits start; raises `ReenactError` if no source was prepared."""
        return self.state.motion

    @property
    def state(self) -> SourceState:
        """The prepared source; raises `ReenactError` if there is none."""
        if self._state is None:
            raise ReenactError("no source yet: call `prepare` before `step` or `pose`")
        return self._state

    def _anchored(self, motion: TensorFields, anchor: TensorFields) -> TensorFields:
        """The source's own motion (batch B), with the anchor's (batch 1) in everything that the driving face moves."""
        parts, optional = self.network.parts, self.network.optional_parts
        names = {name for part in self.transfer.parts or parts for name in {**parts, **optional}[part]}
        return take_fields(motion, anchor, names)

    @torch.inference_mode()
    def _read_motion(self, driving: Portrait) -> TensorFields:
        """The motion of the source that driving faces (batch B) give it, by the transfer."""
        state, portrait = self.state, driving.to(self.device)
        if self._filter is not None and portrait.params is not None:
            portrait = replace(portrait, params=self._filter(portrait.params))
        motion = self.read(portrait)
        if self._reference is None:
            self._reference = motion[:1]
        with autocast(self.device, "float32"):  # a method draws motions in the middle of its own work
            retargeted: TensorFields = self.network.retarget(state, motion, self.transfer, self._reference)
        return retargeted

    @torch.inference_mode()
    def _draw_next(self, results: Iterator[Reenactment]) -> Reenactment | None:
        """The next frames of a video; the mode of inference ends with each, so that the consumer keeps its own."""
        with self._compute():
            return next(results, None)

    @contextmanager
    def _compute(self) -> Iterator[None]:
        """Compute in the precision of the user; raises `ReenactError` where the memory is full."""
        settings = [f"--set {setting}" for setting in self.module.memory_settings]
        remedies = ("--batch-size 1", *settings, "--precision bf16", "--device cpu")
        with explain_full_memory(remedies), autocast(self.device, self._precision):
            yield

    def _take_pictures(self, result: Reenactment) -> NDArray[np.uint8]:
        """Take the pictures to show out of results; raises `ReenactError` for pixels that are not numbers."""
        return take_pictures(result, self._show, self.checkpoint, self.module.method)

    @torch.inference_mode()
    def _pose_landmarks(self, motion: TensorFields) -> NDArray[np.float32] | None:
        with autocast(self.device, "float32"):
            points: Tensor | None = self.network.pose_landmarks(motion)
        return None if points is None else points.cpu().numpy()
