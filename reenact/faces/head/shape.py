"""The identity basis: what makes one head differ from another, a standard deviation at a time (millimetres)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.faces.head.curves import EYE_CENTRE
from reenact.faces.head.deform import Field, Push, Stretch, compute_displacement
from reenact.faces.head.lids import lid_motion, mirror_field
from reenact.faces.head.mesh import Mesh
from reenact.faces.head.skeleton import part_vertices

Array = NDArray[np.float64]

_EYE = (31.85, 30.0, 70.0)
_TIP = (0.0, -12.0, 122.0)

FIELDS: dict[str, Field] = {
    "head_size": (Stretch(0, 0.03), Stretch(1, 0.03), Stretch(2, 0.03)),
    "head_width": (Stretch(0, 0.040, low=-20.0, soft=90.0),),
    "head_height": (Stretch(1, 0.055, pivot=45.0, low=60.0, soft=60.0),),
    "head_depth": (Stretch(2, 0.05, pivot=10.0, back=True, low=-40.0, soft=60.0),),
    "face_width": (Stretch(0, 0.035, low=-90.0, high=60.0, soft=50.0),),
    "face_length": (Stretch(1, 0.050, pivot=30.0, low=-95.0, high=20.0, soft=24.0),),
    "midface_length": (Push((0, -50, 95), (60, 26, 60), (0, -2.6, 0)), Push((0, -85, 80), (50, 18, 50), (0, -1.4, 0))),
    "chin_length": (Push((0, -86, 85), (34, 13, 34), (0, -3.4, 0)),),
    "jaw_width": (Push((54, -50, 8), (24, 24, 34), (4.2, 0, 0)),),
    "jaw_angle": (Push((54, -52, 8), (20, 22, 30), (1.0, -5.0, 0)),),
    "chin_width": (Push((24, -78, 76), (14, 15, 22), (2.6, 0, 0)),),
    "chin_forward": (Push((0, -78, 92), (22, 14, 22), (0, 0, 3.6)),),
    "chin_square": (Push((19, -86, 80), (12, 10, 18), (1.5, -1.9, 0.6)),),
    "cheekbone_width": (Push((60, 6, 42), (18, 15, 24), (3.2, 0, 0)),),
    "cheekbone_forward": (Push((42, 4, 72), (14, 12, 16), (0.5, 0, 2.6)),),
    "cheek_full": (Push((47, -34, 60), (17, 20, 24), (3.6, 0, 2.4)),),
    "nose_length": (Push((0, -15, 112), (17, 12, 22), (0, -2.8, 0)),),
    "nose_width": (Push((14, -15, 104), (6.5, 9, 12), (2.0, 0, 0)),),
    "nose_bridge_height": (Push((0, 20, 102), (9, 15, 16), (0, 0, 2.2)),),
    "nose_bridge_width": (Push((8, 16, 100), (6, 16, 12), (1.3, 0, 0)),),
    "nose_protrusion": (Push(_TIP, (11, 13, 17), (0, 0, 2.8)),),
    "nose_tip_up": (Push(_TIP, (9, 8, 12), (0, 1.9, 0)),),
    "nose_hump": (Push((0, 8, 112), (7, 8, 12), (0, 0, 1.7)),),
    "nose_tip_width": (Push((5, -10, 119), (5, 7, 9), (1.2, 0, 0)),),
    "nostril_height": (Push((14, -15, 103), (5, 6, 9), (0, 1.6, 0)),),
    "eye_distance": (Push(_EYE, (14, 13, 24), (2.0, 0, 0)),),
    "eye_height": (Push(_EYE, (22, 14, 26), (0, 2.2, 0)),),
    "eye_depth": (Push(_EYE, (14, 12, 24), (0, 0, 1.8)),),
    "eye_tilt": (Push((46, 30.8, 70), (8, 6, 14), (0, 1.9, 0)), Push((18, 29, 76), (6, 5, 12), (0, -0.6, 0))),
    "eye_outer": (Push((47, 30.8, 68), (8, 8, 14), (1.6, 0, 0)),),
    "eye_inner": (Push((17, 29, 76), (6, 7, 12), (-1.1, 0, 0)),),
    "lid_fold": (Push((33, 40, 84), (14, 4.5, 12), (0, -1.6, 1.0)),),
    "eye_bag": (Push((32, 19, 82), (11, 4.0, 12), (0, 0, 1.0)),),
    "brow_height": (Push((32, 52, 90), (22, 7.5, 24), (0, 2.8, 0)),),
    "brow_ridge": (Push((30, 51, 92), (20, 7.5, 20), (0, 0, 2.4)), Push((0, 50, 97), (9, 8, 14), (0, 0, 1.2))),
    "brow_tilt": (Push((49, 52, 80), (11, 8, 18), (0, 2.6, 0)),),
    "brow_inner": (Push((14, 49, 97), (9, 8, 14), (0, 2.2, 0)),),
    "forehead_slope": (Push((0, 105, 85), (60, 30, 40), (0, 0, -4.5)),),
    "forehead_bulge": (Push((0, 82, 95), (38, 18, 26), (0, 0, 2.8)),),
    "temple_width": (Push((68, 66, 40), (20, 24, 34), (3.4, 0, 0)),),
    "mouth_width": (Push((27, -42, 90), (10, 11, 16), (2.6, 0, -0.4)),),
    "mouth_height": (Push((0, -43, 102), (32, 11, 30), (0, 2.2, 0)),),
    "lip_protrusion": (Push((0, -42, 106), (20, 10, 14), (0, 0, 2.2)),),
    "mouth_tilt": (Push((27, -42, 90), (9, 9, 14), (0, 1.5, 0)),),
    "philtrum_depth": (Push((0, -30, 104), (12, 7, 14), (0, 0, 1.6)),),
    "overbite": (Push((0, -36, 104), (18, 5.5, 14), (0, 0, 1.2)), Push((0, -50, 103), (18, 6, 14), (0, 0, -1.2))),
    "ear_size": (Push((76, 14, -10), (16, 30, 24), (0, 0, 0)),),
    "ear_out": (Push((86, 18, -26), (10, 26, 14), (4.5, 0, -1.0)),),
    "ear_height": (Push((80, 14, -10), (12, 34, 24), (0, 2.6, 0)),),
    "neck_width": (Stretch(0, 0.09, low=-300.0, high=-88.0, soft=50.0), Push((0, -130, 30), (40, 30, 30), (0, 0, 2.5))),
    "masculine": (
        Push((30, 51, 92), (20, 7.5, 20), (0, -1.0, 2.0)),
        Push((54, -56, 8), (24, 22, 34), (3.2, -2.4, 0)),
        Push((18, -82, 82), (15, 12, 22), (1.3, -1.6, 1.0)),
        Push((0, 10, 110), (9, 16, 18), (0, 0, 1.4)),
        Stretch(0, 0.06, low=-300.0, high=-88.0, soft=50.0),
    ),
    "age": (
        Push((44, -58, 58), (14, 13, 22), (0.8, -2.6, 1.0)),
        Push((33, 39, 84), (15, 5.0, 12), (0, -1.4, 0.6)),
        Push((0, -13, 120), (12, 9, 16), (0, -1.6, 0)),
        Push((46, -30, 66), (12, 15, 18), (-1.0, 0, -1.8)),
        Push((0, -112, 44), (16, 16, 18), (0, 0, 2.0)),
    ),
    "weight": (
        Push((50, -42, 48), (22, 24, 36), (4.4, -0.6, 1.6)),
        Push((0, -98, 64), (30, 12, 24), (0, -3.4, 0.8)),
        Stretch(0, 0.05, low=-300.0, high=-88.0, soft=50.0),
    ),
    "nose_aside": (Push((0, -8, 116), (12, 16, 22), (1.0, 0, 0)),),
    "mouth_aside": (Push((0, -44, 100), (30, 14, 30), (0.9, 0, 0)),),
    "jaw_aside": (Push((0, -76, 80), (40, 24, 44), (1.3, 0, 0)),),
}
"""Components that are fields over the mean head; `LOOPS` are those that need its loops."""

LOOPS = ("eye_opening", "upper_lip", "lower_lip", "cupid_bow")
ONE_SIDED = {
    "eye_unlevel": Push(_EYE, (20, 14, 26), (0, 0.8, 0), side=1),
    "brow_unlevel": Push((32, 52, 90), (22, 8, 24), (0, 1.2, 0), side=1),
}
SHAPE_NAMES = (*FIELDS, *LOOPS, *ONE_SIDED)
"""Names of the identity coefficients, in order."""


def _rigid_parts(field: Array, mesh: Mesh, evaluate: Field) -> Array:
    """Let eyeballs and teeth follow as a whole, and the lids stay around their ball."""
    centres = np.stack([EYE_CENTRE, EYE_CENTRE * [-1, 1, 1]])
    mouth = np.array([[0.0, -0.0422, 0.092], [0.027, -0.0422, 0.085], [0.0, -0.0560, 0.098]])
    moves = compute_displacement(np.concatenate([centres, mouth]), evaluate)
    inside = part_vertices(mesh, "upper_teeth", "lower_teeth", "tongue")
    field[inside] = moves[2] * [0.0, 1.0, 1.0]
    lower = part_vertices(mesh, "lower_teeth")
    field[lower, 2] = moves[4, 2]
    field[inside, 0] = 0.5 * moves[3, 0] / 0.027 * mesh.vertices[inside, 0]
    for side in (0, 1):
        distance = np.linalg.norm(mesh.vertices - centres[side], axis=1)
        share = 0.75 * np.exp(-((np.maximum(distance - 0.012, 0) / 0.0055) ** 2))[:, None]
        field = (1 - share) * field + share * moves[side]
        field[mesh.eyeballs[side]] = moves[side]
    return field


def _lip_profile(mesh: Mesh, upper: bool, crest: float) -> Array:
    """(V,) how much each vertex of the lips shares in their thickness; `crest` 1 limits it to the cupid's bow."""
    weight = np.zeros(len(mesh.vertices))
    half = mesh.mouth.shape[1]
    angle = np.linspace(-np.pi / 2, np.pi / 2, half)
    side = np.clip(np.sin(angle) * (2 if upper else -2), 0, 1)
    across = side * (np.exp(-(((np.cos(angle) - 0.25) / 0.17) ** 2)) if crest else np.sqrt(np.abs(np.sin(angle))))
    for ring, share in enumerate([0.0, 0.2, 0.42, 0.65, 0.85, 1.0, 0.95, 0.72, 0.36, 0.10, 0.0]):
        for table in (mesh.mouth[ring], mesh.flip[mesh.mouth[ring]]):
            weight[table] = share * across
    return weight


def _loop_component(name: str, mesh: Mesh) -> Array:
    if name == "eye_opening":
        left_field = lid_motion(mesh, upper=-0.10, lower=-0.05)[0]
        return left_field + mirror_field(left_field, mesh)
    field = np.zeros_like(mesh.vertices)
    if name == "cupid_bow":
        field[:, 1] = 1e-3 * _lip_profile(mesh, True, 1.0)
    else:
        upper = name == "upper_lip"
        thickness = _lip_profile(mesh, upper, 0.0)
        field[:, 1] = (1.5e-3 if upper else -1.7e-3) * thickness
        field[:, 2] = 0.5e-3 * thickness
    return field


def _ear_size(mesh: Mesh) -> Array:
    field = np.zeros_like(mesh.vertices)
    for numbers, root in zip(mesh.ears, ((0.0700, 0.010, 0.004), (-0.0700, 0.010, 0.004)), strict=True):
        field[numbers] = 0.07 * (mesh.vertices[numbers] - root)
    return field


def shape_basis(mesh: Mesh) -> Array:
    """(S, V, 3) displacement in metres of each identity component at +1 standard deviation."""
    basis = []
    for name in SHAPE_NAMES:
        if name in LOOPS:
            basis.append(_loop_component(name, mesh))
        elif name == "ear_size":
            basis.append(_ear_size(mesh))
        else:
            field = FIELDS[name] if name in FIELDS else (ONE_SIDED[name],)
            basis.append(_rigid_parts(compute_displacement(mesh.vertices, field), mesh, field))
    return np.stack(basis)
