"""The expression basis: the actions of the face's muscles, fully contracted at coefficient 1 (millimetres)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from reenact.faces.head.deform import Field, Push, compute_displacement
from reenact.faces.head.lids import lid_motion, mirror_field
from reenact.faces.head.mesh import Mesh
from reenact.faces.head.skeleton import JOINTS, part_vertices

Array = NDArray[np.float64]

_OPEN = 0.40
"""Jaw angle (radians) of the pose in which the fields are laid out, so that the lips are well apart."""
_CORNER, _UPPER, _LOWER = (26.0, -42.5, 91.0), (0.0, -38.5, 105.0), (0.0, -48.0, 104.0)

_RING_FADE = (1.0, 0.97, 0.92, 0.86, 0.78, 0.68, 0.62, 0.5, 0.32, 0.13, 0.0)
_BAG_FADE = (1.0, 0.8, 0.45, 0.15, 0.0, 0.0)
"""Share of the seam's motion that each loop around and inside the mouth follows."""

SIDED: dict[str, Field] = {
    "smile": (
        Push(centre=_CORNER, size=(12, 11, 17), move=(6.2, 7.2, -3.8), jaw=0.5),
        Push(centre=(40, -20, 80), size=(14, 14, 18), move=(1.6, 4.2, 2.6)),
        Push(centre=(13, -38, 103), size=(9, 6, 10), move=(1.4, 1.6, -1.6)),
        Push(centre=(13, -48, 101), size=(9, 6, 10), move=(1.4, 1.0, -1.4), jaw=1.0),
        Push(centre=(34, 17, 80), size=(11, 5, 14), move=(0, 1.6, 0.6)),
    ),
    "frown": (
        Push(centre=_CORNER, size=(9, 9, 15), move=(0.8, -6.0, -0.8), jaw=0.5),
        Push(centre=(24, -56, 88), size=(11, 10, 16), move=(0.4, -2.4, 0.6), jaw=1.0),
    ),
    "stretch": (
        Push(centre=_CORNER, size=(10, 9, 16), move=(6.5, -1.0, -4.4), jaw=0.5),
        Push(centre=(13, -38, 103), size=(9, 6, 10), move=(1.8, 0, -1.4)),
        Push(centre=(13, -48, 101), size=(9, 6, 10), move=(1.8, 0, -1.4), jaw=1.0),
    ),
    "upper_lip_raise": (
        Push(centre=(12, -37, 104), size=(9, 6, 13), move=(0.4, 4.8, 0.6)),
        Push(centre=(17, -14, 98), size=(7, 9, 12), move=(0.6, 1.9, 0.6)),
        Push(centre=(28, -14, 88), size=(10, 10, 14), move=(0, 2.0, 1.0)),
    ),
    "lower_lip_depress": (Push(centre=(12, -50, 101), size=(9, 7, 13), move=(0.8, -4.6, -0.6), jaw=1.0),),
    "cheek_raise": (Push(centre=(38, 10, 80), size=(15, 10, 18), move=(0, 3.6, 1.6)),),
    "brow_outer_up": (
        Push(centre=(46, 52, 82), size=(14, 11, 20), move=(0, 6.0, 0.6)),
        Push(centre=(44, 75, 85), size=(16, 14, 20), move=(0, 2.0, 0)),
    ),
    "brow_down": (
        Push(centre=(20, 50, 95), size=(13, 9, 18), move=(-2.2, -4.6, 1.0)),
        Push(centre=(42, 52, 85), size=(13, 9, 18), move=(-0.6, -3.2, 0.4)),
    ),
}
"""Actions of one side, given for the left."""

WHOLE: dict[str, Field] = {
    "brow_inner_up": (
        Push(centre=(12, 50, 97), size=(12, 11, 20), move=(0.2, 6.0, 0.6)),
        Push(centre=(12, 74, 96), size=(16, 14, 20), move=(0, 2.2, 0.2)),
    ),
    "nose_wrinkle": (
        Push(centre=(12, -8, 104), size=(7, 10, 14), move=(0, 3.0, 0.6)),
        Push(centre=(0, 30, 98), size=(10, 8, 14), move=(0, -1.4, 1.2)),
        Push(centre=(11, -36, 104), size=(10, 6, 13), move=(0, 2.2, 0.2)),
    ),
    "nostril_flare": (Push(centre=(15, -16, 102), size=(5, 6, 10), move=(1.8, 0.3, 0)),),
    "pucker": (
        Push(centre=_CORNER, size=(10, 10, 16), move=(-8.5, 0.2, 3.8), jaw=0.5),
        Push(centre=_UPPER, size=(14, 6, 14), move=(0, -0.4, 5.0)),
        Push(centre=_LOWER, size=(14, 6, 14), move=(0, 0.6, 4.6), jaw=1.0),
        Push(centre=(13, -37, 103), size=(7, 6, 12), move=(-2.6, 0.6, 1.6)),
        Push(centre=(13, -50, 101), size=(7, 6, 12), move=(-2.6, -0.4, 1.6), jaw=1.0),
    ),
    "funnel": (
        Push(centre=_CORNER, size=(10, 10, 16), move=(-6.0, 0, 2.6), jaw=0.5),
        Push(centre=_UPPER, size=(13, 6, 14), move=(0, 3.4, 4.6)),
        Push(centre=_LOWER, size=(13, 6, 14), move=(0, -3.8, 4.4), jaw=1.0),
        Push(centre=(14, -37, 103), size=(7, 6, 12), move=(-1.2, 2.2, 2.0)),
        Push(centre=(14, -50, 101), size=(7, 6, 12), move=(-1.2, -2.4, 2.0), jaw=1.0),
    ),
    "lips_press": (
        Push(centre=(0, -37, 106), size=(20, 4.5, 14), move=(0, -2.0, -1.8)),
        Push(centre=(0, -49, 105), size=(20, 5.0, 14), move=(0, 2.4, -1.8), jaw=1.0),
    ),
    "lips_part": (
        Push(centre=(0, -40, 105), size=(15, 6, 16), move=(0, 2.2, 0)),
        Push(centre=(0, -46, 104), size=(15, 6, 16), move=(0, -3.0, 0), jaw=1.0),
    ),
    "lower_lip_out": (Push(centre=(0, -49, 104), size=(17, 6.5, 13), move=(0, 1.0, 4.2), jaw=1.0),),
    "chin_raise": (
        Push(centre=(0, -70, 96), size=(18, 14, 20), move=(0, 4.2, 1.2), jaw=1.0),
        Push(centre=(0, -47, 104), size=(20, 7, 15), move=(0, 3.2, 1.8), jaw=1.0),
        Push(centre=(0, -38, 105), size=(20, 6, 15), move=(0, 2.6, 0.8)),
    ),
    "cheek_puff": (
        Push(centre=(40, -38, 76), size=(15, 16, 20), move=(5.0, 0, 5.5)),
        Push(centre=(0, -32, 104), size=(16, 7, 14), move=(0, 0, 1.8)),
    ),
}
"""Actions of both sides together."""

CLOSED = ("smile", "frown", "stretch", "pucker", "lips_press", "chin_raise", "cheek_puff", "nose_wrinkle")
"""Actions that leave a closed mouth closed."""
JAW_SLIDES = {"jaw_forward": (0.0, 0.0, 5.0), "jaw_left": (5.0, -0.5, 0.0), "jaw_right": (-5.0, -0.5, 0.0)}
LID_MOVES = {"blink": (0.87, 0.13), "wide": (-0.26, -0.10), "squint": (0.10, 0.34)}
EXPRESSION_NAMES = (
    *(f"{name}_{side}" for name in SIDED for side in ("left", "right")),
    *WHOLE,
    "mouth_left",
    "mouth_right",
    *JAW_SLIDES,
    "lips_seal",
    "tongue_out",
    *(f"{name}_{side}" for name in LID_MOVES for side in ("left", "right")),
)
"""Names of the expression coefficients, in order."""

SEAL_ANGLE = 0.16
"""Jaw angle (radians) at which `lips_seal` = 1 closes the lips again."""


def _open_mouth(mesh: Mesh, jaw: Array) -> tuple[Array, Array]:
    """(V, 3) mean vertices with the jaw open, metres, and the jaw's (4, 4) motion, millimetres."""
    turn = Rotation.from_rotvec([_OPEN, 0, 0]).as_matrix()
    moved = (mesh.vertices - JOINTS[2]) @ turn.T + JOINTS[2]
    motion = np.eye(4)
    motion[:3, :3] = turn
    motion[:3, 3] = (JOINTS[2] - turn @ JOINTS[2]) * 1e3
    return mesh.vertices + jaw[:, None] * (moved - mesh.vertices), motion


def _soft_only(field: Array, mesh: Mesh) -> Array:
    """Bones and eyeballs do not follow the muscles; the mouth's inside follows less with depth."""
    field = field.copy()
    field[part_vertices(mesh, "upper_teeth", "lower_teeth", "tongue", "left_eyeball", "right_eyeball", "ears")] = 0
    for share, table in zip((1.0, 0.85, 0.5, 0.2, 0.0, 0.0), mesh.bag, strict=True):
        for numbers in (table, mesh.flip[table]):
            field[numbers] *= share
    for rims, eyes in zip(mesh.rims, mesh.eyes, strict=True):
        field[rims] = field[eyes[0]]
    return field


def _lips_closed(field: Array, mesh: Mesh) -> Array:
    """Move facing places of the two lips together, so that a closed mouth stays closed."""
    field = field.copy()
    for mirror in (np.arange(len(mesh.vertices)), mesh.flip):
        seam = mirror[mesh.mouth[0]]
        change = (field[seam[::-1]] - field[seam]) / 2
        rows = [*((mirror[ring], share) for ring, share in zip(mesh.mouth, _RING_FADE, strict=True))]
        rows += [(mirror[loop], share) for loop, share in zip(mesh.bag, _BAG_FADE, strict=True)]
        for numbers, share in rows:
            middle = mesh.vertices[numbers, 0] == 0
            once = 1.0 if mirror[0] == 0 else np.where(middle, 0.0, 1.0)[:, None]
            field[numbers] += share * once * change
    return field


def _lids_stay(field: Array, mesh: Mesh) -> Array:
    """Keep the lids on the eyeball: muscles beyond the lids' own hardly move their rims."""
    for loops in mesh.eyes:
        keep = np.array([0.0, 0.04, 0.12, 0.25, 0.42, 0.6, 0.78, 0.92, 1.0])[:, None, None]
        field[loops] *= keep
    return field


def _seal_lips(mesh: Mesh, jaw: Array) -> Array:
    """Lips that meet half-way while the jaw is open by `SEAL_ANGLE`."""
    turn = Rotation.from_rotvec([SEAL_ANGLE, 0, 0]).as_matrix()
    lower = mesh.vertices + jaw[:, None] * ((mesh.vertices - JOINTS[2]) @ (turn.T - np.eye(3)))
    seam = mesh.mouth[0]
    opposite = seam[::-1]
    meet = (lower[seam] + lower[opposite]) / 2
    # The jaw turns what is added before it, so the wanted motion is turned back.
    skinning = np.eye(3) + jaw[seam, None, None] * (turn - np.eye(3))
    move = np.linalg.solve(skinning, (meet - lower[seam])[..., None])[..., 0]
    field = np.zeros_like(mesh.vertices)
    for share, numbers in zip((*_RING_FADE, *_BAG_FADE), (*mesh.mouth, *mesh.bag), strict=True):
        field[numbers] = share * move
        field[mesh.flip[numbers]] = share * move * [-1, 1, 1]
    return field


def _tongue_out(mesh: Mesh) -> Array:
    field = np.zeros_like(mesh.vertices)
    tongue = part_vertices(mesh, "tongue")
    z = mesh.vertices[tongue, 2]
    fraction = np.clip((z - 0.045) / 0.045, 0, 1)
    field[tongue] = np.stack([0 * z, 0.004 * fraction - 0.003 * fraction**6, 0.022 * fraction], -1)
    return field


def expression_basis(mesh: Mesh, jaw: Array) -> tuple[Array, Array]:
    """Displacements (E, V, 3) in metres at coefficient 1, and the arcs (E, V, 3) of those that bend on their way.

    The arc of action i is added `4 c (1 - c)` times. `jaw` (V,) are the jaw's skinning weights.
    """
    points, motion = _open_mouth(mesh, jaw)

    def soft(field: Field) -> Array:
        return _lids_stay(_soft_only(compute_displacement(points, field, motion), mesh), mesh)

    basis: dict[str, Array] = {}
    for name, field in SIDED.items():
        left_pushes = tuple(
            Push(centre=push.centre, size=push.size, move=push.move, side=1, jaw=push.jaw)
            for push in field
            if isinstance(push, Push)
        )
        moved = soft(left_pushes)
        basis[f"{name}_left"] = _lips_closed(moved, mesh) if name in CLOSED else moved
        basis[f"{name}_right"] = mirror_field(basis[f"{name}_left"], mesh)
    whole = {name: soft(field) for name, field in WHOLE.items()}
    basis |= {name: _lips_closed(moved, mesh) if name in CLOSED else moved for name, moved in whole.items()}
    aside = soft(
        (
            Push(centre=(0, -41, 100), size=(26, 9, 24), move=(6.0, 0.4, 0)),
            Push(centre=(0, -46, 98), size=(26, 9, 24), move=(6.0, 0.4, 0), jaw=1.0),
        )
    )
    aside = _lips_closed(aside, mesh)
    basis |= {"mouth_left": aside, "mouth_right": mirror_field(aside, mesh)}
    for name, slide in JAW_SLIDES.items():
        basis[name] = _lips_closed(jaw[:, None] * np.array(slide) * 1e-3, mesh)
    basis |= {"lips_seal": _seal_lips(mesh, jaw), "tongue_out": _tongue_out(mesh)}
    arcs = dict.fromkeys(EXPRESSION_NAMES, np.zeros_like(mesh.vertices))
    for name, (upper, lower) in LID_MOVES.items():
        move, arc = lid_motion(mesh, upper, lower)
        for side, pair in (("left", (move, arc)), ("right", (mirror_field(move, mesh), mirror_field(arc, mesh)))):
            basis[f"{name}_{side}"], arcs[f"{name}_{side}"] = pair
    return np.stack([basis[name] for name in EXPRESSION_NAMES]), np.stack([arcs[name] for name in EXPRESSION_NAMES])
