"""Faces that edits start from: the source in another picture's head pose, and without an expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from reenact.apps.animator import Animator
from reenact.apps.common_frame import share_frame, share_size
from reenact.apps.edit_names import Edit
from reenact.apps.edit_options import EditOptions, Neutral
from reenact.apps.edit_request import EditRequest, parse_edit
from reenact.apps.face_input import open_clip
from reenact.apps.performance import read_portrait
from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.methods.registry import find_method, list_methods, load_object
from reenact.models.common.base import SourceState, Transfer
from reenact.models.common.controls import EXAMPLE
from reenact.tracking.face_clip import FaceClip
from reenact.tracking.target import ParameterSource


def load_animator(
    checkpoint: Path, request: EditRequest, parameters: ParameterSource, options: EditOptions, device: str
) -> tuple[Animator, EditRequest]:
    """Load the method with its changed settings and the files of its controls.

    A name of `request.others` is a control where the method has one of this name, else a setting.

    Returns:
        The method, and the request with all of its edits.

    Raises:
        ReenactError: if a setting is unknown or refused; if the method reads no such file, or has no control that goes
            towards an example.
    """

    def load(settings: Mapping[str, str]) -> Animator:
        return Animator(
            checkpoint,
            device=device,
            parameters=parameters,
            settings=settings,
            precision=options.precision,
            show=options.show,
        )

    animator = load({})
    controls = animator.network.controls()
    settings = {name: value for name, value in request.others.items() if name not in controls}
    if settings:
        animator = load(settings)
    animator.network.control_files = _load_control_files(animator, request)
    own_edits = [parse_edit(name, value) for name, value in request.others.items() if name in controls]
    return animator, request.with_edits((*_list_example_edits(animator, request), *own_edits))


def _load_control_files(animator: Animator, request: EditRequest) -> dict[str, object]:
    method = find_method(animator.module.method)
    files = {} if method is None else method.control_files
    loaded = {}
    for name, path in request.files.items():
        if name not in files:
            able = ", ".join(other.name for other in list_methods() if name in other.control_files)
            raise ReenactError(f"--set {name} is for {able} and {animator.checkpoint} is of {animator.module.method}")
        loaded[name] = load_object(files[name].load)(path, animator.checkpoint, animator.device)
    return loaded


def _list_example_edits(animator: Animator, request: EditRequest) -> tuple[Edit, ...]:
    """Edits that take everything that controls can take from the example."""
    if request.example is None:
        return ()
    controls = animator.network.controls().items()
    edits = tuple(
        Edit(name, control.high, "--set example") for name, control in controls if control.requires == EXAMPLE
    )
    if not edits:
        raise ReenactError(
            f"--set example: {animator.module.method} has no control that goes towards another picture; take its"
            " expression in reenact animate --parts"
        )
    return edits


def build_start(animator: Animator, face: FaceClip, request: EditRequest) -> SourceState:
    """The prepared source with the face that edits start from as its motion, and the example.

    Raises:
        ReenactError: as `make_neutral` and `take_pose`.
    """
    start = animator.motion if request.neutral is None else make_neutral(animator, request.neutral)
    if request.pose_from is not None:
        start = take_pose(animator, start, face, open_clip(request.pose_from, animator.faces.target))
    example = None
    if request.example is not None:
        example_face = open_clip(request.example, animator.faces.target)
        example = animator.read(read_portrait(example_face, 0, animator.network.needs))
    return replace(animator.state, motion=start, example=example)


@torch.inference_mode()
def take_pose(animator: Animator, start: TensorFields, source: FaceClip, other: FaceClip) -> TensorFields:
    """The source's motion with the head pose, place and size of another picture, as `animate --motion pose` gives them.

    Args:
        animator: A method with its source prepared.
        start: Motion of the source, batch 1; its expression stays.
        source: The source's picture.
        other: The picture whose pose is taken.

    Raises:
        ReenactError: if the method's motion has no head pose.
    """
    if "pose" not in animator.network.modes:
        raise ReenactError(
            f"--set pose_from: the motion of {animator.module.method} has no head pose; use reenact animate"
        )
    other = share_size(source, share_frame(source, other, 0, animator.faces.target.crop), animator.face_model)
    driving = animator.read(read_portrait(other, 0, animator.network.needs))
    return _transfer_motion(animator, start, driving, Transfer(mode="pose"))


@torch.inference_mode()
def make_neutral(animator: Animator, kind: Neutral) -> TensorFields:
    """Return a motion of the source without an expression, batch 1.

    Args:
        animator: A method with its source prepared.
        kind: `expression` sets all numbers of its expression, jaw and eyes to 0 and leaves the head where it is;
            `canonical` gives the canonical keypoints themselves, in front view.

    Raises:
        ReenactError: if the method's motion has no expression, or the method no canonical keypoints.
    """
    if kind == "canonical":
        canonical: TensorFields = animator.network.build_canonical_motion(animator.state)
        return canonical
    if "expression" not in animator.network.modes:
        raise ReenactError(f"--set neutral: the motion of {animator.module.method} has no expression; omit it")
    motion = animator.motion
    return _transfer_motion(animator, motion, motion.map(torch.zeros_like), Transfer(mode="expression"))


def _transfer_motion(
    animator: Animator, start: TensorFields, driving: TensorFields, transfer: Transfer
) -> TensorFields:
    """Return a motion of the source (batch 1) with what a driving motion gives it, not in the mode `relative`."""
    motion: TensorFields = animator.network.retarget(replace(animator.state, motion=start), driving, transfer)
    return motion
