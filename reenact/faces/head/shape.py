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
    "head_size": (Stretch(axis=0, gain=0.03), Stretch(axis=1, gain=0.03), Stretch(axis=2, gain=0.03)),
    "head_width": (Stretch(axis=0, gain=0.040, low=-20.0, soft=90.0),),
    "head_height": (Stretch(axis=1, gain=0.055, pivot=45.0, low=60.0, soft=60.0),),
    "head_depth": (Stretch(axis=2, gain=0.05, pivot=10.0, back=True, low=-40.0, soft=60.0),),
    "face_width": (Stretch(axis=0, gain=0.035, low=-90.0, high=60.0, soft=50.0),),
    "face_length": (Stretch(axis=1, gain=0.050, pivot=30.0, low=-95.0, high=20.0, soft=24.0),),
    "midface_length": (
        Push(centre=(0, -50, 95), size=(60, 26, 60), move=(0, -2.6, 0)),
        Push(centre=(0, -85, 80), size=(50, 18, 50), move=(0, -1.4, 0)),
    ),
    "chin_length": (Push(centre=(0, -86, 85), size=(34, 13, 34), move=(0, -3.4, 0)),),
    "jaw_width": (Push(centre=(54, -50, 8), size=(24, 24, 34), move=(4.2, 0, 0)),),
    "jaw_angle": (Push(centre=(54, -52, 8), size=(20, 22, 30), move=(1.0, -5.0, 0)),),
    "chin_width": (Push(centre=(24, -78, 76), size=(14, 15, 22), move=(2.6, 0, 0)),),
    "chin_forward": (Push(centre=(0, -78, 92), size=(22, 14, 22), move=(0, 0, 3.6)),),
    "chin_square": (Push(centre=(19, -86, 80), size=(12, 10, 18), move=(1.5, -1.9, 0.6)),),
    "cheekbone_width": (Push(centre=(60, 6, 42), size=(18, 15, 24), move=(3.2, 0, 0)),),
    "cheekbone_forward": (Push(centre=(42, 4, 72), size=(14, 12, 16), move=(0.5, 0, 2.6)),),
    "cheek_full": (Push(centre=(47, -34, 60), size=(17, 20, 24), move=(3.6, 0, 2.4)),),
    "nose_length": (Push(centre=(0, -15, 112), size=(17, 12, 22), move=(0, -2.8, 0)),),
    "nose_width": (Push(centre=(14, -15, 104), size=(6.5, 9, 12), move=(2.0, 0, 0)),),
    "nose_bridge_height": (Push(centre=(0, 20, 102), size=(9, 15, 16), move=(0, 0, 2.2)),),
    "nose_bridge_width": (Push(centre=(8, 16, 100), size=(6, 16, 12), move=(1.3, 0, 0)),),
    "nose_protrusion": (Push(centre=_TIP, size=(11, 13, 17), move=(0, 0, 2.8)),),
    "nose_tip_up": (Push(centre=_TIP, size=(9, 8, 12), move=(0, 1.9, 0)),),
    "nose_hump": (Push(centre=(0, 8, 112), size=(7, 8, 12), move=(0, 0, 1.7)),),
    "nose_tip_width": (Push(centre=(5, -10, 119), size=(5, 7, 9), move=(1.2, 0, 0)),),
    "nostril_height": (Push(centre=(14, -15, 103), size=(5, 6, 9), move=(0, 1.6, 0)),),
    "eye_distance": (Push(centre=_EYE, size=(14, 13, 24), move=(2.0, 0, 0)),),
    "eye_height": (Push(centre=_EYE, size=(22, 14, 26), move=(0, 2.2, 0)),),
    "eye_depth": (Push(centre=_EYE, size=(14, 12, 24), move=(0, 0, 1.8)),),
    "eye_tilt": (
        Push(centre=(46, 30.8, 70), size=(8, 6, 14), move=(0, 1.9, 0)),
        Push(centre=(18, 29, 76), size=(6, 5, 12), move=(0, -0.6, 0)),
    ),
    "eye_outer": (Push(centre=(47, 30.8, 68), size=(8, 8, 14), move=(1.6, 0, 0)),),
    "eye_inner": (Push(centre=(17, 29, 76), size=(6, 7, 12), move=(-1.1, 0, 0)),),
    "lid_fold": (Push(centre=(33, 40, 84), size=(14, 4.5, 12), move=(0, -1.6, 1.0)),),
    "eye_bag": (Push(centre=(32, 19, 82), size=(11, 4.0, 12), move=(0, 0, 1.0)),),
    "brow_height": (Push(centre=(32, 52, 90), size=(22, 7.5, 24), move=(0, 2.8, 0)),),
    "brow_ridge": (
        Push(centre=(30, 51, 92), size=(20, 7.5, 20), move=(0, 0, 2.4)),
        Push(centre=(0, 50, 97), size=(9, 8, 14), move=(0, 0, 1.2)),
    ),
    "brow_tilt": (Push(centre=(49, 52, 80), size=(11, 8, 18), move=(0, 2.6, 0)),),
    "brow_inner": (Push(centre=(14, 49, 97), size=(9, 8, 14), move=(0, 2.2, 0)),),
    "forehead_slope": (Push(centre=(0, 105, 85), size=(60, 30, 40), move=(0, 0, -4.5)),),
    "forehead_bulge": (Push(centre=(0, 82, 95), size=(38, 18, 26), move=(0, 0, 2.8)),),
    "temple_width": (Push(centre=(68, 66, 40), size=(20, 24, 34), move=(3.4, 0, 0)),),
    "mouth_width": (Push(centre=(27, -42, 90), size=(10, 11, 16), move=(2.6, 0, -0.4)),),
    "mouth_height": (Push(centre=(0, -43, 102), size=(32, 11, 30), move=(0, 2.2, 0)),),
    "lip_protrusion": (Push(centre=(0, -42, 106), size=(20, 10, 14), move=(0, 0, 2.2)),),
    "mouth_tilt": (Push(centre=(27, -42, 90), size=(9, 9, 14), move=(0, 1.5, 0)),),
    "philtrum_depth": (Push(centre=(0, -30, 104), size=(12, 7, 14), move=(0, 0, 1.6)),),
    "overbite": (
        Push(centre=(0, -36, 104), size=(18, 5.5, 14), move=(0, 0, 1.2)),
        Push(centre=(0, -50, 103), size=(18, 6, 14), move=(0, 0, -1.2)),
    ),
    "ear_size": (Push(centre=(76, 14, -10), size=(16, 30, 24), move=(0, 0, 0)),),
    "ear_out": (Push(centre=(86, 18, -26), size=(10, 26, 14), move=(4.5, 0, -1.0)),),
    "ear_height": (Push(centre=(80, 14, -10), size=(12, 34, 24), move=(0, 2.6, 0)),),
    "neck_width": (
        Stretch(axis=0, gain=0.09, low=-300.0, high=-88.0, soft=50.0),
        Push(centre=(0, -130, 30), size=(40, 30, 30), move=(0, 0, 2.5)),
    ),
    "masculine": (
        Push(centre=(30, 51, 92), size=(20, 7.5, 20), move=(0, -1.0, 2.0)),
        Push(centre=(54, -56, 8), size=(24, 22, 34), move=(3.2, -2.4, 0)),
        Push(centre=(18, -82, 82), size=(15, 12, 22), move=(1.3, -1.6, 1.0)),
        Push(centre=(0, 10, 110), size=(9, 16, 18), move=(0, 0, 1.4)),
        Stretch(axis=0, gain=0.06, low=-300.0, high=-88.0, soft=50.0),
    ),
    "age": (
        Push(centre=(44, -58, 58), size=(14, 13, 22), move=(0.8, -2.6, 1.0)),
        Push(centre=(33, 39, 84), size=(15, 5.0, 12), move=(0, -1.4, 0.6)),
        Push(centre=(0, -13, 120), size=(12, 9, 16), move=(0, -1.6, 0)),
        Push(centre=(46, -30, 66), size=(12, 15, 18), move=(-1.0, 0, -1.8)),
        Push(centre=(0, -112, 44), size=(16, 16, 18), move=(0, 0, 2.0)),
    ),
    "weight": (
        Push(centre=(50, -42, 48), size=(22, 24, 36), move=(4.4, -0.6, 1.6)),
        Push(centre=(0, -98, 64), size=(30, 12, 24), move=(0, -3.4, 0.8)),
        Stretch(axis=0, gain=0.05, low=-300.0, high=-88.0, soft=50.0),
    ),
    "nose_aside": (Push(centre=(0, -8, 116), size=(12, 16, 22), move=(1.0, 0, 0)),),
    "mouth_aside": (Push(centre=(0, -44, 100), size=(30, 14, 30), move=(0.9, 0, 0)),),
    "jaw_aside": (Push(centre=(0, -76, 80), size=(40, 24, 44), move=(1.3, 0, 0)),),
}
"""Components that are fields over the mean head; `LOOPS` are those that need its loops."""

LOOPS = ("eye_opening", "upper_lip", "lower_lip", "cupid_bow")
ONE_SIDED = {
    "eye_unlevel": Push(centre=_EYE, size=(20, 14, 26), move=(0, 0.8, 0), side=1),
    "brow_unlevel": Push(centre=(32, 52, 90), size=(22, 8, 24), move=(0, 1.2, 0), side=1),
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
