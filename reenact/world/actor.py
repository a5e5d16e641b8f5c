"""One identity made ready to be posed: its mesh with all it wears, materials, textures and baked occlusion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.world.complexion import paint_skin
from reenact.world.hair import make_hair
from reenact.world.head_arrays import HeadArrays, head_arrays, head_model
from reenact.world.kernels import CLOTH, EYE, F32, FRAME, HAIR, I32, MOUTH, TEETH, TONGUE, pose_points
from reenact.world.occlusion import bake_occlusion
from reenact.world.people import Person, draw_person
from reenact.world.rng import IDENTITY, open_stream
from reenact.world.shading import encode_picture
from reenact.world.wear import Piece, build_glasses, build_torso

Array = NDArray[np.float64]
BODY = 5
"""Number of the bone that carries shoulders and clothes; bones 0 to 4 are the head's joints."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """An identity ready to be posed. Vertices: the head's first, then hair, glasses, torso."""

    person: Person
    shape: Array
    """(S,) identity coefficients."""
    rest: F32
    """(V, 3) vertices in metres, unposed and neutral."""
    expression: F32
    """(E, H, 3) displacements of the head's vertices."""
    weights: F32
    """(V, 6) of the head's five joints and the body."""
    joints: Array
    """(5, 3) of the neutral face."""
    joint_expression: Array
    """(5, 3, E) displacement of the joints per expression coefficient."""
    faces: I32
    material: NDArray[np.uint8]
    attributes: F32
    """(V, 4); see `shading.shade`."""
    skin: NDArray[np.uint8]
    relief: NDArray[np.int8]
    box: tuple[Array, float]
    """Centre (2,) and mean side of the neutral landmarks' frontal box, metres."""


def _draw_shape(seed: int, identity: int, count: int) -> Array:
    rng = open_stream(seed, IDENTITY, identity, 1)
    return np.clip(rng.normal(0, 0.8, count), -1.8, 1.8)


def _carry_points(points: Array, head: HeadArrays, change: Array) -> Array:
    """Move (N, 3) points of the mean head's space with the (V, 3) change of the skin around them."""
    distance, near = map(np.asarray, head.near.query(points, k=12))
    weight = 1 / (distance + 0.004) ** 2
    return np.asarray(points + ((weight / weight.sum(1, keepdims=True))[..., None] * change[head.skin[near]]).sum(1))


def _head_attributes(head: HeadArrays) -> F32:
    """(H, 4) shading attributes of the head's vertices, occlusion left at 1."""
    out = np.ones((len(head.mean), 4), np.float32)
    out[:, :2] = head.charted
    for material in (EYE, TEETH, TONGUE, MOUTH):
        used = np.unique(head.faces[head.material == material])
        if material == EYE:
            for side, centre in (
                (used[head.mean[used, 0] > 0], head.joints[3]),
                (used[head.mean[used, 0] < 0], head.joints[4]),
            ):
                offset = head.mean[side] - centre
                out[side, :3] = offset / np.linalg.norm(offset, axis=1, keepdims=True)
        else:
            out[used, :2] = head.mean[used, :2]
        out[used, 3] = 1.0
    return out


def _build_extras(person: Person, head: HeadArrays, change: Array) -> list[tuple[Array, I32, Array, int]]:
    """Hair, glasses and torso: vertices, faces, attributes (V, 4) and material of each."""
    out: list[tuple[Array, I32, Array, int]] = []
    hair = make_hair(person, head.skull)
    if hair is not None:
        strand = np.insert(hair.strand, 2, 1.0, axis=1)
        out.append((_carry_points(hair.vertices, head, change), hair.faces, strand, HAIR))
    marks = head.landmark_vertices
    if person.glasses != "none":
        eyes = np.stack([marks[42:48].mean(0), marks[36:42].mean(0)])
        ears = np.array([[0.078, 0.036, -0.004], [-0.078, 0.036, -0.004]])
        out.append(_with_chart(build_glasses(person, eyes, ears, marks[27, 2]), head, change, FRAME))
    out.append(_with_chart(build_torso(person, 0.0), head, 0.6 * change, CLOTH))
    return out


def _with_chart(piece: Piece, head: HeadArrays, change: Array, material: int) -> tuple[Array, I32, Array, int]:
    attributes = np.concatenate([piece.chart, np.ones((len(piece.chart), 2))], 1)
    return _carry_points(piece.vertices, head, change), piece.faces, attributes, material


def _extra_weights(points: Array, material: int) -> Array:
    """(N, 6) skinning weights: glasses go with the skull, clothes with the body, long hair from one to the other."""
    weights = np.zeros((len(points), 6))
    body = np.clip((-0.03 - points[:, 1]) / 0.12, 0, 0.85) if material == HAIR else np.full(len(points), 0.0)
    if material == CLOTH:
        body[:] = 1
    weights[:, 1], weights[:, BODY] = 1 - body, body
    return weights


@lru_cache(maxsize=256)
def build_actor(seed: int, identity: int) -> Actor:
    """Make an identity (about a tenth of a second), or take it from the last 256 made (2 MB each)."""
    head = head_arrays()
    person = draw_person(seed, identity)
    shape = _draw_shape(seed, identity, head.num_shape)
    change = (head.basis[..., : head.num_shape] * shape).sum(-1)
    extras = _build_extras(person, head, change)
    points, faces, material = [head.mean + change], [head.faces], [head.material]
    attributes = [_head_attributes(head)]
    weights = [np.concatenate([head.weights, np.zeros((len(head.mean), 1))], 1)]
    for vertices, triangles, chart_, kind in extras:
        faces.append(triangles + sum(map(len, points)))
        material.append(np.full(len(triangles), kind, np.uint8))
        points.append(vertices)
        attributes.append(chart_.astype(np.float32))
        weights.append(_extra_weights(vertices, kind))
    skin, relief = paint_skin(head.canvas, person, head.scalp.cover(person))
    landmarks = head_model().landmarks68(torch.from_numpy(points[0][None]))[0].numpy()[:, :2]
    low, high = landmarks.min(0), landmarks.max(0)
    actor = Actor(
        person=person,
        shape=shape,
        rest=np.concatenate(points).astype(np.float32),
        expression=head.expression,
        weights=np.concatenate(weights).astype(np.float32),
        joints=head.joints + (head.joint_basis[..., : head.num_shape] * shape).sum(-1),
        joint_expression=head.joint_basis[..., head.num_shape :],
        faces=np.concatenate(faces).astype(np.int32),
        material=np.concatenate(material),
        attributes=np.concatenate(attributes),
        skin=encode_picture(skin),
        relief=np.clip(np.round(relief * 64), -127, 127).astype(np.int8),
        box=((low + high) / 2, float((high - low).mean())),
    )
    _bake_light(actor)
    return actor


def _bake_light(actor: Actor) -> None:
    """Write baked occlusion into the attributes; the jaw hangs open meanwhile, so that light reaches the mouth."""
    opened = np.zeros((5, 3))
    opened[2, 0] = 0.25
    bones = bone_matrices(actor, np.zeros(actor.expression.shape[0]), opened)
    points = np.empty_like(actor.rest)
    nothing = np.zeros(actor.expression.shape[0], np.float32)
    pose_points(actor.rest, actor.expression, nothing, actor.weights, bones, points)
    light = bake_occlusion(points, actor.faces, actor.material, actor.attributes)
    light = np.clip(0.12 + 0.95 * light, 0.1, 1).astype(np.float32)
    eyes = np.unique(actor.faces[actor.material == EYE])
    others = np.ones(len(points), np.bool_)
    others[eyes] = False
    actor.attributes[others, 2] = light[others]
    actor.attributes[eyes, 3] = np.sqrt(light[eyes])


def compute_rotation(vector: Array) -> Array:
    """(3, 3) matrix of an axis-angle vector (Rodrigues)."""
    angle = float(np.sqrt((vector**2).sum()))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    outer = np.array([[x * x, x * y, x * z], [x * y, y * y, y * z], [x * z, y * z, z * z]])
    return np.asarray(np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * outer)


def bone_matrices(actor: Actor, expression: Array, pose: Array, body: Array | None = None) -> F32:
    """(6, 3, 4) transforms of the head's joints (chained as in `faces.skinning`) and of the body.

    Args:
        actor: whose joints.
        expression: (E,) coefficients, which move the joints slightly.
        pose: (5, 3) axis-angle of each joint.
        body: (3, 4) transform of the body; at rest by default.
    """
    joints = actor.joints + (actor.joint_expression * expression).sum(-1)
    turned, origin = [compute_rotation(pose[0])], [joints[0]]
    for joint, parent in ((1, 0), (2, 1), (3, 1), (4, 1)):
        origin.append(origin[parent] + (turned[parent] * (joints[joint] - joints[parent])).sum(-1))
        local = compute_rotation(pose[joint])
        turned.append((turned[parent][:, :, None] * local[None]).sum(1))
    out = np.zeros((6, 3, 4))
    for joint in range(5):
        out[joint, :, :3] = turned[joint]
        out[joint, :, 3] = origin[joint] - (turned[joint] * joints[joint]).sum(-1)
    out[BODY] = np.eye(3, 4) if body is None else body
    return out.astype(np.float32)
