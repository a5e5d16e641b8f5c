"""The built-in head as arrays, and what is laid over it once for all identities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from reenact.faces.head import Head
from reenact.faces.registry import load_face_model
from reenact.world.canvas import Canvas, ear_chart, project_to_chart
from reenact.world.hair import Scalp, Skull
from reenact.world.kernels import EYE, F32, I32, MOUTH, SKIN, TEETH, TONGUE, vertex_normals

Array = NDArray[np.float64]
_PART_MATERIAL = {
    "mouth_bag": MOUTH,
    "left_eyeball": EYE,
    "right_eyeball": EYE,
    "upper_teeth": TEETH,
    "lower_teeth": TEETH,
    "tongue": TONGUE,
}


@dataclass(frozen=True, kw_only=True)
class HeadArrays:
    """The built-in head's buffers as arrays, and what is laid over the mean head once."""

    mean: Array
    basis: Array
    """(V, 3, S + E) displacements in metres per identity and expression coefficient."""
    joints: Array
    joint_basis: Array
    weights: Array
    faces: I32
    material: NDArray[np.uint8]
    """(F,) material of each face."""
    expression: F32
    """(E, V, 3) expression basis, laid out for posing."""
    charted: F32
    """(V, 2) place in the skin chart."""
    canvas: Canvas
    landmark_vertices: Array
    """(68, 3) landmarks of the mean head, metres."""
    num_shape: int
    skin: NDArray[np.int64]
    """Vertices of the skin."""
    skull: Skull
    scalp: Scalp
    near: cKDTree
    """Search tree over the skin's mean vertices."""


@lru_cache(maxsize=1)
def head_model() -> Head:
    """Load the built-in head, once per process."""
    model = load_face_model("head")
    assert isinstance(model, Head)
    return model


@lru_cache(maxsize=1)
def head_arrays() -> HeadArrays:
    """The built-in head as arrays."""
    head = head_model()
    mean = head.mean_vertices.double().numpy()
    faces = head.faces.numpy().astype(np.int32)
    names = [_PART_MATERIAL.get(name, SKIN) for name in head.part_names]
    material = np.array(names, np.uint8)[head.part.numpy()]
    landmarks = head.landmarks68(head.mean_vertices[None])[0].double().numpy()
    normals = np.empty(mean.shape, np.float32)
    vertex_normals(mean.astype(np.float32), faces, normals)
    skin = np.unique(faces[material == SKIN])
    ears = head.part.numpy() == head.part_names.index("ears")
    charted = project_to_chart(mean)
    ear_vertices = np.unique(faces[ears])
    charted[ear_vertices] = ear_chart(mean[ear_vertices])
    canvas = Canvas.of(mean, faces[material == SKIN], charted, ears[material == SKIN], landmarks)
    return HeadArrays(
        mean=mean,
        basis=head.basis.double().numpy(),
        joints=head.joints.double().numpy(),
        joint_basis=head.joint_basis.double().numpy(),
        weights=head.skinning_weights.double().numpy(),
        faces=faces,
        material=material,
        expression=np.ascontiguousarray(head.basis[..., head.num_shape :].permute(2, 0, 1).numpy()),
        charted=charted,
        canvas=canvas,
        scalp=Scalp.of(canvas.place, canvas.ear),
        landmark_vertices=landmarks,
        num_shape=head.num_shape,
        skin=skin,
        skull=Skull(mean[skin], normals[skin].astype(np.float64)),
        near=cKDTree(mean[skin]),
    )
