"""Transfer of motion from one face to another, for the methods that are driven by face parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.fields import TensorFields
from reenact.faces.params import FaceParams
from reenact.faces.rotation import axis_angle_to_matrix, matrix_to_axis_angle
from reenact.models.common.base import Mode, Transfer

Part = Literal["pose", "jaw", "expression", "eyes", "camera"]
"""Part of a face that may move: head and neck rotation, jaw, expression coefficients, eyeballs, place and size in the
picture."""

Fields = TypeVar("Fields", bound=TensorFields)
PARTS: tuple[Part, ...] = get_args(Part)
FIELDS_OF_PART: dict[str, tuple[str, ...]] = {
    "pose": ("global_pose", "neck_pose"),
    "jaw": ("jaw_pose",),
    "expression": ("expression",),
    "eyes": ("eye_pose",),
    "camera": ("camera",),
}
"""The fields of `FaceParams` behind each part."""
OPTIONAL_PARTS: dict[str, tuple[str, ...]] = {"shape": ("shape",)}
"""Parts that move only where they are named: the identity (MagicPortrait, Fig. 8: without alignment)."""
PARTS_OF_MODE: dict[Mode, tuple[Part, ...]] = {
    "absolute": PARTS,
    "relative": PARTS,
    "pose": ("pose", "camera"),
    "expression": ("expression", "jaw", "eyes"),
}


def retarget(
    source: FaceParams,
    driving: FaceParams,
    mode: Mode = "absolute",
    reference: FaceParams | None = None,
    strength: float = 1.0,
    parts: Collection[str] = PARTS,
    *,
    adapt_scale: bool = True,
    renormalise_scale: bool = False,
) -> FaceParams:
    """Parameters of the source's face with the motion of the driving face.

    Texture and light are the source's, and shape unless `parts` names it. A part that moves goes from its source value
    towards `change(reference to driving) applied to source`: coefficients `s + k (d - r)`, rotations
    `(R_d R_r^-1)^k R_s`, camera scale `s (d / r)^k`, camera translation so that the face's place in the picture moves
    by k times the driving face's way in units of its size. Where nothing changed (d == r) the source's value stays to
    the bit. Every other mode is this with the source as its own reference, so with k = 1 it takes the driving values.

    Args:
        source: (1 or B, K), or (1 or B, 1 or T, K).
        driving: (B, K) or, for clips, (B, T, K), in the same face model and kind of camera.
        mode: `absolute` as PWM's demo; `relative` moves by the change against `reference`; `pose` and `expression` are
            absolute motion of those parts alone.
        reference: the driving face in the pose that corresponds to the source's, with dimensions as the source, read
            in relative mode; None takes the first driving frame, of clips the first of each.
        strength: k; 0 keeps the source, 1 is the full motion, more exaggerates.
        parts: what may move at all, of `PARTS` and `OPTIONAL_PARTS`.
        adapt_scale: an orthographic camera moves the face in units of its size, else as far in the picture as the
            driving face's does.
        renormalise_scale: outside of relative mode, the camera's scale is `s (d / r)^k`, too, and the rest of the
            camera goes where it goes without: PIRenderer's ratio across identities.

    Raises:
        ReenactError: if a part is unknown, or the coefficients of the faces differ in number.
    """
    known_parts = (*PARTS, *OPTIONAL_PARTS)
    unknown = sorted(set(parts) - set(known_parts))
    if unknown:
        raise ReenactError(f"Unknown part {unknown[0]!r}: choose from {', '.join(known_parts)}")
    _check_same_model(source, driving, ("expression", "camera", *(part for part in OPTIONAL_PARTS if part in parts)))
    if mode != "relative" and not renormalise_scale:
        reference = source
    elif reference is None:
        reference = first_frames(driving, len(driving.leading))
    source, reference = align_leading(source, driving), align_leading(reference, driving)
    leading = torch.broadcast_shapes(source.leading, driving.leading)  # type: ignore[no-untyped-call]
    source, driving, reference = (_expand_leading(params, leading) for params in (source, driving, reference))
    start = reference if mode == "relative" else source
    moving = set(parts).intersection((*PARTS_OF_MODE[mode], *OPTIONAL_PARTS))
    changes = _move_fields(source, driving, start, strength, moving)
    if "camera" in moving:
        cameras = source.camera, driving.camera, start.camera
        changes["camera"] = _move_camera(*cameras, strength, adapt_scale)
        if renormalise_scale and mode != "relative":
            changes["camera"] = _renormalise_camera(changes["camera"], *cameras[:2], reference.camera, strength)
    return replace(source, mirrored=driving.mirrored, **changes)


def _move_fields(s: FaceParams, d: FaceParams, r: FaceParams, k: float, moving: set[str]) -> dict[str, Tensor]:
    changes = {}
    if "expression" in moving:
        changes["expression"] = blend_motion(s.expression, d.expression, r.expression, k)
    if "pose" in moving:
        changes["global_pose"] = _turn_axis_angle(s.global_pose, d.global_pose, r.global_pose, k)
        changes["neck_pose"] = _turn_axis_angle(s.neck_pose, d.neck_pose, r.neck_pose, k)
    if "jaw" in moving:
        changes["jaw_pose"] = _turn_axis_angle(s.jaw_pose, d.jaw_pose, r.jaw_pose, k)
    if "eyes" in moving:
        eyes = [
            _turn_axis_angle(a, b, c, k) for a, b, c in zip(*(p.eye_pose.chunk(2, -1) for p in (s, d, r)), strict=True)
        ]
        changes["eye_pose"] = torch.cat(eyes, dim=-1)
    if "shape" in moving:
        changes["shape"] = blend_motion(s.shape, d.shape, r.shape, k)
    return changes


def _turn_axis_angle(s: Tensor, d: Tensor, r: Tensor, k: float) -> Tensor:
    """Axis-angle vectors (..., 3) of `(R_d R_r^-1)^k R_s`."""
    moved = turn_rotation(axis_angle_to_matrix(s), axis_angle_to_matrix(d), axis_angle_to_matrix(r), k)
    return keep_unmoved(matrix_to_axis_angle(moved), s, d, r, k)


def _move_camera(s: Tensor, d: Tensor, r: Tensor, k: float, adapt_scale: bool) -> Tensor:
    return _move_orthographic(s, d, r, k, adapt_scale) if s.shape[-1] == 3 else _move_perspective(s, d, r, k)


def _renormalise_camera(moved: Tensor, s: Tensor, d: Tensor, r: Tensor, k: float) -> Tensor:
    """The moved camera with the scale `s (d / r)^k`; the face's place in the picture, or in metres, stays."""
    if s.shape[-1] == 3:
        scale = s[..., :1] * (d[..., :1] / r[..., :1]) ** k
        return torch.cat((scale, moved[..., 1:] * (moved[..., :1] / scale)), dim=-1)
    return torch.cat((s[..., :2] * (d[..., :2] / r[..., :2]) ** k, moved[..., 2:]), dim=-1)


def _move_orthographic(s: Tensor, d: Tensor, r: Tensor, k: float, adapt_scale: bool) -> Tensor:
    """Cameras (..., 3) `[scale, x, y]`; the model's origin lies at `scale * (x, -y)` in the picture."""
    scale = s[..., :1] * (d[..., :1] / r[..., :1]) ** k
    shift = d[..., :1] * d[..., 1:] - r[..., :1] * r[..., 1:]
    if adapt_scale:
        shift = shift * (s[..., :1] / r[..., :1])
    moved = torch.cat((scale, s[..., 1:] * (s[..., :1] / scale) + k * shift / scale), dim=-1)
    return keep_unmoved(moved, s, d, r, k)


def _move_perspective(s: Tensor, d: Tensor, r: Tensor, k: float) -> Tensor:
    """Cameras (..., 7) `[fx, fy, cx, cy, tx, ty, tz]`; focal lengths change by ratio, the rest by difference."""
    focal = s[..., :2] * (d[..., :2] / r[..., :2]) ** k
    moved = torch.cat((focal, blend_motion(s[..., 2:], d[..., 2:], r[..., 2:], k)), dim=-1)
    return keep_unmoved(moved, s, d, r, k)


def keep_unmoved(moved: Tensor, s: Tensor, d: Tensor, r: Tensor, k: float, dims: int = 1) -> Tensor:
    """Exactly `s` where nothing changed (d == r), exactly `d` where all of the way from the source (r == s) is gone.

    Args:
        moved: the value after arithmetic that rounds.
        s: the source's.
        d: the driving face's.
        r: the reference's.
        k: strength of the motion.
        dims: last dimensions that make one value.
    """
    last = tuple(range(-dims, 0))
    if k == 1:
        moved = torch.where((r == s).all(last, keepdim=True), d, moved)
    return torch.where((d == r).all(last, keepdim=True), s, moved)


def turn_rotation(s: Tensor, d: Tensor, r: Tensor, k: float) -> Tensor:
    """Rotations (..., 3, 3) `(R_d R_r^-1)^k R_s`, of leading dimensions that broadcast."""
    change = d @ r.transpose(-1, -2)
    if k != 1:
        change = axis_angle_to_matrix(k * matrix_to_axis_angle(change))
    return keep_unmoved(change @ s, s, d, r, k, dims=2)


def blend_motion(s: Tensor, d: Tensor, r: Tensor, k: float, scale: Tensor | float = 1.0, dims: int = 1) -> Tensor:
    """`s + k scale (d - r)`, of leading dimensions that broadcast; `dims` as of `keep_unmoved`."""
    return keep_unmoved(s + k * scale * (d - r), s, d, r, k, dims)


def moving_parts(transfer: Transfer, parts: Collection[str], parts_of_mode: Mapping[str, Collection[str]]) -> set[str]:
    """The parts that move: those that are asked for, of those that the mode moves; modes not named move all."""
    return set(transfer.parts or parts).intersection(parts_of_mode.get(transfer.mode, parts))


def first_frames(motion: Fields, dims: int) -> Fields:
    """Return the first frame of a motion (B, ...), or of each clip of a motion (B, T, ...), as batch 1 or (B, 1, ...).

    Args:
        motion: any motion.
        dims: leading dimensions, 1 or 2.
    """
    return motion[:1] if dims == 1 else motion[:, :1]


def align_leading(motion: Fields, driving: Fields) -> Fields:
    """Insert dimensions of length 1 behind the first one where the driving motion has more, so that the two broadcast.

    Args:
        motion: that of a source or a reference, of leading dimensions (1 or B) or the driving motion's.
        driving: the same kind of motion, (B) or (B, T).
    """
    extra = driving.first_tensor().ndim - motion.first_tensor().ndim
    if extra <= 0:
        return motion
    return motion.map(lambda value: value.reshape(len(value), *(1,) * extra, *value.shape[1:]))


def _expand_leading(params: FaceParams, leading: torch.Size) -> FaceParams:
    return params.map(lambda value: value.expand(*leading, *value.shape[len(leading) :]))


def _check_same_model(source: FaceParams, driving: FaceParams, names: Collection[str]) -> None:
    for name in names:
        source_count, driving_count = getattr(source, name).shape[-1], getattr(driving, name).shape[-1]
        if source_count != driving_count:
            raise ReenactError(
                f"The source has {source_count} {name} values and the driving face {driving_count}: fit both"
                " with the same face model"
            )
