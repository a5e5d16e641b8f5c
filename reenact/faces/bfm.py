"""The Basel Face Model as Deep3D uses it (sicxu/Deep3DFaceRecon_pytorch, `models/bfm.py`).

Convention: Deep3D's space, x right, y up, z towards the camera, in decimetres, is this package's model space in
metres. Its camera stands at z = 10 and looks along -z; that distance and the translation are part of our cameras. The
head turns about the space's origin by R = Rz Ry Rx of Deep3D's angles, as column vectors; neck, jaw and eyes have no
joints of their own, so these poses are not read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.bfm_file import EXPRESSION, SHAPE, TEXTURE, BfmArrays, read_bfm
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.rotation import axis_angle_to_matrix, join_rigid
from reenact.faces.shading import DEEP3D, vertex_normals

METRES = 0.1
"""Length of a decimetre, the model's unit, in metres."""
DISTANCE = 10 * METRES
"""Distance of the camera from the origin in metres."""
FOCAL = 1015 / 112
"""Focal length in normalised device coordinates of Deep3D's crop of 224 pixels (1015 pixels)."""
REGIONS = ("face", "skin")
COEFFICIENTS = 257


class Bfm(FaceModel):
    """80 identity, 64 expression and 80 texture coefficients, in standard deviations.

    Args:
        arrays: the model, as `bfm_file.read_bfm` gives it.
        name: the name under which stores and checkpoints record it.
    """

    camera_type = "perspective"
    num_shape, num_expression, num_texture = SHAPE, EXPRESSION, TEXTURE
    light_convention = DEEP3D
    rotations = ("global_pose",)
    rings: Tensor
    """(V, 8) int64 triangles around each vertex; F where there are fewer."""

    def __init__(self, arrays: BfmArrays, name: str = "bfm") -> None:
        super().__init__()
        self.name = name
        mean = torch.from_numpy(arrays.mean_shape).reshape(-1, 3)
        mean = (mean - mean.mean(0, keepdim=True)) * METRES
        buffers = {
            "mean_vertices": mean,
            "faces": torch.from_numpy(arrays.triangles),
            "shape_basis": torch.from_numpy(arrays.shape_basis).reshape(-1, 3, SHAPE) * METRES,
            "expression_basis": torch.from_numpy(arrays.expression_basis).reshape(-1, 3, EXPRESSION) * METRES,
            "mean_texture": torch.from_numpy(arrays.mean_texture).reshape(-1, 3) / 255,
            "texture_basis": torch.from_numpy(arrays.texture_basis).reshape(-1, 3, TEXTURE) / 255,
            "rings": torch.from_numpy(arrays.rings),
            "skin": torch.from_numpy(arrays.skin),
            "landmark_vertices": torch.from_numpy(arrays.landmarks)[:, None],
            "landmark_weights": torch.ones(68, 1),
            "flip_permutation": _mirror_vertices(mean),
        }
        for key, value in buffers.items():
            self.register_buffer(key, value, persistent=False)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read an official file; the name is `bfm` and two fingerprints of eight hexadecimal digits (`name_model`).

        Raises:
            ReenactError: as `bfm_file.read_bfm`.
        """
        arrays = read_bfm(path)
        return cls(arrays, name_model(arrays))

    def _vertices(self, params: FaceParams, subset: Tensor | None) -> Tensor:
        unposed = self._unposed(params, subset)
        return unposed @ axis_angle_to_matrix(params.global_pose).mT

    def _skull(self, params: FaceParams) -> Tensor:
        rotation = axis_angle_to_matrix(params.global_pose)
        return join_rigid(rotation, torch.zeros_like(params.global_pose))

    def unposed(self, params: FaceParams, subset: Tensor | None = None) -> Tensor:
        """Vertices (..., V or N, 3) before the head turns."""
        return params.restore_leading(self._unposed(params.flattened(), subset))

    def _unposed(self, params: FaceParams, subset: Tensor | None = None) -> Tensor:
        for name, count in (("shape", SHAPE), ("expression", EXPRESSION)):
            length = getattr(params, name).shape[-1]
            if length != count:
                raise ReenactError(
                    f"Face model {self.name} has {count} {name} coefficients, not {length}: these parameters are of"
                    " another face model; prepare the data with this one"
                )
        mean, shape, expression = (
            self.get_buffer(name) if subset is None else self.get_buffer(name)[subset]
            for name in ("mean_vertices", "shape_basis", "expression_basis")
        )
        moved: Tensor = torch.einsum("vck,bk->bvc", shape, params.shape)
        return mean + moved + torch.einsum("vck,bk->bvc", expression, params.expression)

    def _normals(self, params: FaceParams) -> Tensor:
        normals = vertex_normals(self._unposed(params), self.faces, self.rings)
        return normals @ axis_angle_to_matrix(params.global_pose).mT

    def albedo(self, texture: Tensor) -> Tensor:
        """Vertex colours (..., V, 3) of texture coefficients (..., 80): RGB, 1 is white, not clipped."""
        flat = texture.reshape(-1, TEXTURE)
        colours = self.get_buffer("mean_texture") + torch.einsum("vck,bk->bvc", self.get_buffer("texture_basis"), flat)
        return colours.reshape(*texture.shape[:-1], -1, 3)

    def region(self, name: str) -> Tensor:
        """Boolean mask (V,) of `face` (all of it) or `skin`; raises `ReenactError` for another name."""
        if name not in REGIONS:
            raise ReenactError(f"BFM has no region {name!r}: choose one of {', '.join(REGIONS)}")
        skin = self.get_buffer("skin")
        return skin.clone() if name == "skin" else torch.ones_like(skin)

    def default_camera(self) -> Tensor:
        """The (7,) camera that frames the mean face as GDPW's crop does: 1.485 times the landmarks' box."""
        points = self.mean_vertices[self.landmark_vertices[:, 0]]
        low, high = points.amin(0), points.amax(0)
        side = 1.485 * (high - low)[:2].mean()
        centre = (low + high) / 2
        # The square's centre lies a tenth of its side above the box's.
        x, y = -centre[0], -(centre[1] + 0.1 * side)
        focal = 2 * (DISTANCE - centre[2]) / side
        return torch.stack([focal, focal, x * 0, x * 0, x, y, x * 0 - DISTANCE])


def name_model(arrays: BfmArrays) -> str:
    """Return `bfm`, the fingerprint of mean shape and expression, and that of everything else, such as the identity.

    Stores and checkpoints of earlier versions record the first fingerprint alone (`registry.is_same_model`).
    """
    motion = arrays.mean_shape, arrays.expression_basis
    person = arrays.shape_basis, arrays.mean_texture, arrays.texture_basis
    mesh = arrays.triangles, arrays.landmarks, arrays.skin
    return "-".join(("bfm", _fingerprint(motion), _fingerprint((*person, *mesh))))


def _fingerprint(parts: Iterable[NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.tobytes())
    return digest.hexdigest()[:8]


def split_coefficients(vector: Tensor) -> dict[str, Tensor]:
    """Deep3D's vector (..., 257) by part.

    Returns:
        `shape` (..., 80), `expression` (..., 64), `texture` (..., 80), `angles` (..., 3) in radians about x, y and z,
        `light` (..., 9, 3) band by channel, `translation` (..., 3) in decimetres.

    Raises:
        ValueError: for another length.
    """
    if vector.shape[-1] != COEFFICIENTS:
        raise ValueError(f"Deep3D has {COEFFICIENTS} coefficients, not {vector.shape[-1]}")
    shape, expression, texture, angles, light, translation = torch.split(vector, [80, 64, 80, 3, 27, 3], -1)
    return {
        "shape": shape,
        "expression": expression,
        "texture": texture,
        "angles": angles,
        "light": light.reshape(*light.shape[:-1], 3, 9).mT,
        "translation": translation,
    }


def join_coefficients(parts: dict[str, Tensor]) -> Tensor:
    """The vector (..., 257) of `split_coefficients`' parts."""
    light = parts["light"].mT.flatten(-2)
    names = ("shape", "expression", "texture", "angles")
    return torch.cat([*(parts[name] for name in names), light, parts["translation"]], -1)


def angles_to_matrix(angles: Tensor) -> Tensor:
    """(..., 3, 3) rotations Rz Ry Rx, for column vectors, of angles (..., 3) about x, y, z in radians, right-handed.

    Deep3D's `compute_rotation` returns the transpose, for row vectors.
    """
    axes = torch.eye(3, dtype=angles.dtype, device=angles.device)
    about = [axis_angle_to_matrix(angles[..., k, None] * axes[k]) for k in range(3)]
    return about[2] @ about[1] @ about[0]


def matrix_to_angles(matrix: Tensor) -> Tensor:
    """Angles (..., 3) of `angles_to_matrix`; y lies within a quarter turn."""
    x = torch.atan2(matrix[..., 2, 1], matrix[..., 2, 2])
    y = torch.atan2(-matrix[..., 2, 0], torch.hypot(matrix[..., 2, 1], matrix[..., 2, 2]))
    return torch.stack([x, y, torch.atan2(matrix[..., 1, 0], matrix[..., 0, 0])], -1)


def crop_camera(translation: Tensor) -> Tensor:
    """(..., 7) cameras of Deep3D's crop of 224 pixels, of translations (..., 3) in decimetres."""
    focal = translation.new_full((*translation.shape[:-1], 2), FOCAL)
    shift = translation * METRES - translation.new_tensor([0.0, 0.0, DISTANCE])
    return torch.cat([focal, torch.zeros_like(focal), shift], -1)


def _mirror_vertices(vertices: Tensor) -> Tensor:
    """(V,) the vertex nearest to the mirror image of each; the mesh is symmetric to a fraction of a millimetre."""
    points = vertices.double().numpy()
    _, nearest = cKDTree(points).query(points * (-1, 1, 1))
    return torch.from_numpy(np.asarray(nearest, np.int64))
