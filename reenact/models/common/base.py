"""The contracts that every method keeps: network, its results, its needs, and the training module around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.fields import TensorFields
from reenact.faces.portrait import Portrait
from reenact.faces.windows import repeat_frame, slide_window
from reenact.models.common.controls import Control, blend_fields, find_control
from reenact.nn.whole_batch import BatchDraws

Mode = Literal["absolute", "relative", "pose", "expression"]
"""Share of a driving face that a source takes: everything as it is, its change against a reference, head pose alone,
expression alone."""

RESULT = "result"
"""Name of the image among the pictures of a `Reenactment`."""

MODES: tuple[Mode, ...] = get_args(Mode)

ReportProgress = Callable[[float], None]
"""Function that takes the finished fraction of a piece of work, from 0 to 1."""


def ignore_progress(fraction: float) -> None:
    """Take the finished fraction of a piece of work and show nothing."""


@dataclass(frozen=True)
class Transfer:
    """Choice of the motion that a source takes from a driving face."""

    mode: Mode = "absolute"
    """`absolute` takes the driving face's values, `relative` its change against a reference frame."""
    _: KW_ONLY
    parts: tuple[str, ...] = ()
    """Parts that move, of the method's `parts`; the rest stays the source's. Empty: everything."""
    strength: float = 1.0
    """1 is the full motion, less calms, more exaggerates."""
    adapt_scale: bool = True
    """Scale relative motion by the ratio of the faces' sizes: of face parameters, the way that an orthographic camera
    moves the face. Perspective cameras move it in metres, which need no ratio."""
    renormalise_scale: bool = False
    """Absolute motion takes the change of the driving camera's scale against the reference, in place of the scale, as
    PIRenderer does across identities. Read by the methods that are driven by face parameters."""


@dataclass
class Reenactment(TensorFields):
    """The result of driving a source; methods add fields for what they can show of their inside."""

    image: Tensor
    """(B, 3, H, W) or (B, T, 3, H, W) in [-1, 1]."""

    def pictures(self) -> dict[str, Tensor]:
        """Named pictures (B, 3, H, W) or (B, T, 3, H, W) in [-1, 1] for picture grids and `--show`, the result last."""
        return {RESULT: self.image}

    def pictures_of(self, driving: Tensor) -> dict[str, Tensor]:
        """Named pictures in [-1, 1] of the driving image (B, 3, H, W) or (B, T, 3, H, W) with what was read in it."""
        return {}


@dataclass
class SourceState(TensorFields):
    """Encoded source; methods add fields."""

    motion: TensorFields
    """Result of `Reenactor.read` on the source itself: its own pose and expression."""
    example: TensorFields | None = field(default=None, kw_only=True)
    """Motion of another picture, which some controls go towards; see `Reenactor.controls`."""


State = TypeVar("State", bound=SourceState)
Motion = TypeVar("Motion", bound=TensorFields)


class Reenactor(nn.Module, ABC, Generic[State, Motion]):
    """A method's network: `perform(encode(source), read(driving))`.

    Motion is whatever a method moves by: face parameters, keypoints. What lies between reading a motion and performing
    it, from retargeting to editing, sees only motions.
    """

    needs: Contents
    """Parts of a portrait that it reads, and the form of its samples."""
    modes: ClassVar[tuple[Mode, ...]] = MODES
    """Ways of `Transfer` that the method knows."""
    parts: ClassVar[Mapping[str, tuple[str, ...]]]
    """Parts that can move apart from the rest -> their fields in the method's motion."""
    transfer: ClassVar[Transfer] = Transfer()
    """The paper's own choice of the motion that a source takes, for everything that an application leaves open."""
    optional_parts: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Parts that stay the source's in every mode, unless `Transfer.parts` names them -> their fields."""
    places: ClassVar[tuple[str, ...]] = ()
    """The parts that hold the head's place and size in the crop and nothing else, which a crop that follows the face
    takes out of a clip."""
    moving_source: ClassVar[bool] = True
    """True where the source may be a video, each frame of which has a state of its own."""
    control_files: Mapping[str, Any] = MappingProxyType({})
    """Contents of the files that its controls read, by the names of `Method.control_files`; set where people edit."""

    @abstractmethod
    def encode(self, source: Portrait) -> State:
        """Everything that depends on the source alone, computed once per source."""

    @abstractmethod
    def read(self, driving: Portrait) -> Motion:
        """The motion that a portrait shows, of the portrait's own frame: of a window see `read_window`."""

    def read_window(self, driving: Portrait) -> Motion:
        """The motion of a portrait in the form that `perform` takes.

        A method of windows gets the motions (B, 2w + 1) of the frames of `Portrait.window`; a portrait without a window
        is every frame of its own.
        """
        if not self.needs.window:
            return self.read(driving)
        if driving.window is None:
            return self.repeat_motion(self.read(driving))
        return self.read(replace(driving, params=driving.window, window=None))

    def repeat_motion(self, motion: Motion) -> Motion:
        """The motion (B) of single pictures in the form that `perform` takes: a window repeats its only frame."""
        return repeat_frame(motion, self.needs.window) if self.needs.window else motion

    @abstractmethod
    def perform(self, state: State, motion: Motion, random: BatchDraws | None = None) -> Reenactment:
        """The source with a motion; a state of batch 1 serves motions of any batch.

        Args:
            state: the source, batch 1 or B.
            motion: batch B; of a method of windows (B, 2w + 1), the frame itself in the middle.
            random: random numbers of a training step, from which alone a method draws; None, as in every application
                and test, gives the same result for the same input.
        """

    def play(
        self,
        frames: Iterable[tuple[State, Motion]],
        progress: ReportProgress = ignore_progress,
        work: Path | None = None,
    ) -> Iterator[Reenactment]:
        """Perform the frames of one video in order, batch by batch unless the method knows of time.

        A method of windows performs the windows around the frames: of exactly these motions, whatever retargeting,
        smoothing and edits left of what was read.

        Args:
            frames: batches of consecutive frames (B), drawn as they are needed; a still source has one state object of
                batch 1 for all of them, a moving source a state of the batch of each motion.
            progress: called with the finished fraction of the work by a method that works before its first result.
            work: folder for intermediate files, which the method creates, with its parents, if it writes any and the
                caller removes at the end; what lies in it is of an interrupted run of the same inputs and settings.
                None: in memory.

        Returns:
            As many frames in the same order, in batches of any size.
        """
        for state, motion in slide_window(frames, self.needs.window) if self.needs.window else frames:
            yield self.perform(state, motion)

    @abstractmethod
    def retarget(self, state: State, driving: Motion, transfer: Transfer, reference: Motion | None = None) -> Motion:
        """The motion of the source when the driving face gives what `transfer` says.

        Args:
            state: the source, batch 1 or B; motion is applied to `state.motion`.
            driving: batch B, or clips of (B, T).
            transfer: what moves and how.
            reference: the driving face that corresponds to the source's, batch 1 or B, read in relative mode; None
                takes the first driving frame, of clips the first of each.

        Raises:
            ReenactError: if the method knows no such mode or part.
        """

    def pose_landmarks(self, motion: Motion) -> Tensor | None:
        """Landmarks (..., 68, 2) of the face that a motion poses, in normalised device coordinates of the result.

        Applications count by them the frames in which the face leaves its crop, and paste around them. None where the
        method knows no landmarks.
        """
        return None

    def weigh_pasted(self, size: int) -> NDArray[np.float32] | None:
        """Weights (size, size) in [0, 1] by which its authors paste a whole result back into the source's picture.

        None where nothing is known: a soft region around the head is pasted.
        """
        return None

    def build_canonical_motion(self, state: State) -> Motion:
        """Return the motion (batch 1 or B) that puts the source's keypoints where its canonical keypoints are.

        Raises:
            ReenactError: if the method has no canonical keypoints.
        """
        raise ReenactError(f"{type(self).__name__} has no canonical keypoints: give --neutral expression")

    def controls(self) -> Mapping[str, Control]:
        """Numbers of a motion that people set, by name; none where the motion moves as one."""
        return {}

    def set_control(self, state: State, motion: Motion, name: str, value: float) -> Motion:
        """The motion with one control set; everything else stays.

        Args:
            state: the source; `state.motion` is the face that edits start from.
            motion: of any leading dimensions.
            name: name of one of `controls`.
            value: in the unit of the control.

        Raises:
            ControlError: if the method has no such control, or the value is out of its range.
        """
        find_control(name, self.controls(), type(self).__name__)
        raise NotImplementedError(f"{type(self).__name__} lists the control {name} and does not set it")

    def blend_motions(self, first: Motion, second: Motion, weight: float) -> Motion:
        """The motion between two: `first` at weight 0 and `second` at 1, to the bit; weights are in [0, 1]."""
        return blend_fields(first, second, weight)

    def drive(self, state: State, driving: Portrait, random: BatchDraws | None = None) -> Reenactment:
        """The source with the motion of `driving`, as it is."""
        return self.perform(state, self.read_window(driving), random)

    def forward(self, source: Portrait, driving: Portrait, random: BatchDraws | None = None) -> Reenactment:
        """Encode and drive in one call, as training does."""
        return self.drive(self.encode(source), driving, random)

    def folded(self) -> Self:
        """The network for inference: same outputs, not trainable; a method that can be made faster returns a copy."""
        return self.eval().requires_grad_(False)

    def movable_parts(self) -> tuple[str, ...]:
        """Return the parts that can move; a method with a face model leaves out what the model has not."""
        return tuple(self.parts)

    def check_transfer(self, transfer: Transfer) -> None:
        """Hold a transfer against what the method knows.

        Raises:
            ReenactError: names the wrong mode or part and the known ones.
        """
        name = type(self).__name__
        if transfer.mode not in self.modes:
            raise ReenactError(f"{name} knows no motion {transfer.mode!r}: choose from {', '.join(self.modes)}")
        parts = (*self.parts, *self.optional_parts)
        unknown = sorted(set(transfer.parts) - set(parts))
        if unknown:
            raise ReenactError(f"{name} has no part {unknown[0]!r}: choose from {', '.join(parts)}")
        if transfer.renormalise_scale and "camera" not in parts:
            raise ReenactError(f"{name} has no camera whose scale changes: leave out --renormalise-scale")
