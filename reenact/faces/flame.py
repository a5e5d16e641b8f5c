"""FLAME (Li et al., SIGGRAPH Asia 2017), from the official files of 2017, 2019, 2020 and 2023."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from torch import Tensor

from reenact import assets
from reenact.errors import ReenactError
from reenact.faces.flame_file import hash_arrays, read_embedding, read_flame_arrays
from reenact.faces.flame_texture import NUM_TEXTURE, read_vertex_texture
from reenact.faces.params import FaceParams
from reenact.faces.rotation import axis_angle_to_matrix
from reenact.faces.shading import DECA
from reenact.faces.skinning import SkinnedFaceModel

EXPRESSION_START = 300
"""Column of `shapedirs` at which expression begins (DECA, `decalib/models/FLAME.py`)."""
CONTOUR_LIMIT = 39
"""Largest yaw, in whole degrees, that the dynamic jaw line knows (same file)."""
REGIONS = ("face", "jaw", "neck", "eyes", "scalp")


class Flame(SkinnedFaceModel):
    """FLAME with DECA's landmarks.

    `landmarks68` uses the embedding's `full` set, 68 fixed points of the surface (DECA's `landmarks3d`); `landmarks2d`
    exchanges the jaw line for the one that slides with yaw (DECA's `landmarks2d`).

    Args:
        arrays: entries of the official file: `v_template`, `f`, `shapedirs`, `posedirs`, `J_regressor`,
            `kintree_table`, `weights`.
        embedding: entries of DECA's `landmark_embedding.npy`, or None; landmarks then raise `ReenactError`.
        name: the name under which stores and checkpoints record the model.
        num_shape: how many of the 300 shape coefficients neutral and fitted parameters have; DECA has 100. Parameters
            from elsewhere may have up to all 300, as SMIRK's do.
        num_expression: the same of the 100 expression coefficients; DECA has 50.
        texture_files: FLAME_texture.npz and head_template_mesh.obj; those of the asset cache by default.
    """

    light_convention = DECA
    dynamic_vertices: Tensor
    """(79, 17, 3) int64: vertices of the jaw line per degree of yaw: 0 to 39, then -1 to -39."""
    dynamic_weights: Tensor
    """(79, 17, 3) their weights."""
    mean_texture: Tensor | None
    """(V, 3) mean colours of the vertices, once they are read."""
    texture_basis: Tensor | None
    """(V, 3, 50) change of the colours by each texture coefficient, once it is read."""

    def __init__(
        self,
        arrays: dict[str, NDArray[Any]],
        embedding: dict[str, NDArray[Any]] | None = None,
        name: str = "flame",
        num_shape: int = 100,
        num_expression: int = 50,
        texture_files: tuple[Path, Path] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        directions = arrays["shapedirs"]
        if num_shape > EXPRESSION_START or directions.shape[-1] < EXPRESSION_START + num_expression:
            raise ReenactError(
                f"{name} has {EXPRESSION_START} shape and {directions.shape[-1] - EXPRESSION_START} expression "
                f"components, not {num_shape} and {num_expression}: ask for fewer"
            )
        self.register_mesh(
            mean_vertices=_to_float_tensor(arrays["v_template"]),
            faces=_to_long_tensor(arrays["f"]),
            shape_basis=_to_float_tensor(directions[..., :EXPRESSION_START]),
            expression_basis=_to_float_tensor(directions[..., EXPRESSION_START:]),
            pose_basis=_to_float_tensor(arrays["posedirs"]),
            joint_regressor=_to_float_tensor(arrays["J_regressor"]),
            skinning_weights=_to_float_tensor(arrays["weights"]),
        )
        self.num_shape, self.num_expression = num_shape, num_expression
        self.register_buffer("flip_permutation", _mirror_vertices(self.mean_vertices), persistent=False)
        self._texture_files = texture_files or _locate_texture()
        self.num_texture = NUM_TEXTURE if self._texture_files else 0
        self.register_buffer("mean_texture", None, persistent=False)
        self.register_buffer("texture_basis", None, persistent=False)
        self._has_landmarks = embedding is not None
        if embedding is not None:
            self._register_landmarks(embedding)

    @classmethod
    def from_file(cls, path: Path, embedding: Path | None = None) -> Self:
        """Read an official `.pkl`, or an `.npz` of the same arrays.

        The name is `flame`, the year where a file or folder name on the path tells it, and eight hexadecimal digits of
        the arrays' SHA-256, which tell any two models apart: `flame2020-1a2b3c4d`.

        Args:
            path: the model file.
            embedding: DECA's `landmark_embedding.npy`; by default the one beside the model, then the one in the asset
                cache, then none.

        Raises:
            ReenactError: if a file is missing, damaged, malicious, or not FLAME.
        """
        arrays = read_flame_arrays(path)
        beside = path.with_name("landmark_embedding.npy")
        embedding = embedding or (beside if beside.is_file() else assets.locate_asset("flame_landmarks"))
        year = re.search(r"20(?:17|19|20|23)", "/".join(path.absolute().parts[-3:]))
        name = f"flame{year[0] if year else ''}-{hash_arrays(arrays)}"
        return cls(arrays, None if embedding is None else read_embedding(embedding), name)

    def landmarks68(self, vertices: Tensor) -> Tensor:
        """The 68 fixed landmarks (..., 68, 3); see `FaceModel.landmarks68`.

        Raises:
            ReenactError: if no landmark embedding was found.
        """
        self._need_landmarks()
        return super().landmarks68(vertices)

    def landmarks2d(self, vertices: Tensor, params: FaceParams) -> Tensor:
        """Landmarks (..., 68, 3) whose jaw line slides with yaw, as a 2D detector marks them.

        Yaw is that of global and neck rotation together, clamped at +39 degrees and, as in DECA's code, taken as 39 at
        and below -39.

        Args:
            vertices: (..., V, 3) in any space.
            params: the parameters that posed them.

        Raises:
            ReenactError: if no landmark embedding was found.
        """
        self._need_landmarks()
        flat = params.flattened()
        rotation = axis_angle_to_matrix(flat.neck_pose) @ axis_angle_to_matrix(flat.global_pose)
        height = torch.hypot(rotation[:, 0, 0], rotation[:, 1, 0])
        degrees = torch.rad2deg(torch.atan2(-rotation[:, 2, 0], height)).clamp(max=CONTOUR_LIMIT).round().long()
        negative = torch.where(degrees < -CONTOUR_LIMIT, 2 * CONTOUR_LIMIT, CONTOUR_LIMIT - degrees)
        row = torch.where(degrees < 0, negative, degrees)
        corners = self.dynamic_vertices[row].flatten(1)[..., None].expand(-1, -1, 3)
        jaw = vertices.reshape(-1, *vertices.shape[-2:]).gather(1, corners).reshape(-1, 17, 3, 3)
        jaw = params.restore_leading((jaw * self.dynamic_weights[row][..., None]).sum(-2))
        return torch.cat([jaw, super().landmarks68(vertices)[..., 17:, :]], -2)

    def albedo(self, texture: Tensor) -> Tensor:
        """Vertex colours (..., V, 3) of texture coefficients (..., K): RGB, 1 is white, not clipped.

        Of more than 50 coefficients, the first 50 count. The texture space is read at the first call.

        Raises:
            ReenactError: if FLAME's texture space or UV coordinates are absent; names the file and where to get it.
        """
        if self.mean_texture is None:
            self._load_texture()
        assert self.mean_texture is not None
        assert self.texture_basis is not None
        count = min(texture.shape[-1], NUM_TEXTURE)
        flat = texture.reshape(-1, texture.shape[-1])[:, :count]
        colours = self.mean_texture + torch.einsum("vck,bk->bvc", self.texture_basis[..., :count], flat)
        return colours.reshape(*texture.shape[:-1], -1, 3)

    def measured_vertices(self) -> Tensor:
        """(V,) bool: the face without eyes."""
        return self.region("face")

    def region(self, name: str) -> Tensor:
        """Boolean mask (V,) of a region; `face`, `neck`, `eyes` and `scalp` hold every vertex once.

        `eyes`, `jaw` and `neck` are the vertices that the eye joints, the jaw joint and the root move most. The rest
        belongs to `face`, as the jaw does, where it lies in front of the ears and below the hair line (our own limits,
        in units of the distance between the eye joints: 0.6 behind them and 0.9 above), else to `scalp`.

        Raises:
            ReenactError: for another name.
        """
        if name not in REGIONS:
            raise ReenactError(f"FLAME has no region {name!r}: choose one of {', '.join(REGIONS)}")
        owner = self.skinning_weights.argmax(-1)
        eyes = self.joints[3:].mean(0)
        unit = (self.joints[3] - self.joints[4]).norm()
        beside = self.mean_vertices - eyes
        rest = owner == 1
        front = rest & (beside[:, 2] > -0.6 * unit) & (beside[:, 1] < 0.9 * unit)
        masks: dict[str, Tensor] = {"eyes": owner >= 3, "jaw": owner == 2, "neck": owner == 0, "scalp": rest & ~front}
        masks["face"] = front | masks["jaw"]
        return masks[name]

    def default_camera(self) -> Tensor:
        """The (3,) camera that frames the mean face as GDPW's crop does.

        Set by the eye joints, which every file has: for an adult face that crop's side is 3.1 distances between them
        and its centre lies 0.34 below them.
        """
        eyes = self.joints[3:].mean(0)
        unit = (self.joints[3] - self.joints[4]).norm()
        return torch.stack([2 / (3.1 * unit), -eyes[0], 0.34 * unit - eyes[1]])

    def _register_landmarks(self, embedding: dict[str, NDArray[Any]]) -> None:
        """Turn faces with barycentric coordinates into vertices with weights."""
        tables = {"landmark": "full", "dynamic": "dynamic"}
        for name, table in tables.items():
            corners = self.faces[_to_long_tensor(embedding[f"{table}_lmk_faces_idx"])]
            weights = _to_float_tensor(embedding[f"{table}_lmk_bary_coords"])
            if name == "landmark":
                corners, weights = corners.reshape(68, 3), weights.reshape(68, 3)
            self.register_buffer(f"{name}_vertices", corners, persistent=False)
            self.register_buffer(f"{name}_weights", weights, persistent=False)

    def _load_texture(self) -> None:
        if self._texture_files is None:
            self._texture_files = assets.require_asset("flame_texture"), assets.require_asset("flame_uv")
        mean, basis = read_vertex_texture(*self._texture_files, len(self.mean_vertices))
        self.mean_texture, self.texture_basis = mean.to(self.mean_vertices), basis.to(self.mean_vertices)

    def _need_landmarks(self) -> None:
        if not self._has_landmarks:
            raise ReenactError(
                "FLAME's landmarks need DECA's landmark_embedding.npy: put it beside the model file or under "
                f"{assets.cache_dir() / 'flame'}"
            )


def _locate_texture() -> tuple[Path, Path] | None:
    texture, template = assets.locate_asset("flame_texture"), assets.locate_asset("flame_uv")
    return (texture, template) if texture and template else None


def _mirror_vertices(vertices: Tensor) -> Tensor:
    """(V,) permutation that takes each vertex to the one at its mirror image.

    Vertices that are each other's nearest are pairs; the few others, where the template is not quite symmetric, are
    assigned so that the sum of squared distances is least.
    """
    points = vertices.numpy()
    mirrored = points * np.array([-1, 1, 1], points.dtype)
    nearest = np.asarray(cKDTree(points).query(mirrored)[1])
    unpaired = np.flatnonzero(nearest[nearest] != np.arange(len(nearest)))
    rows, columns = linear_sum_assignment(((mirrored[unpaired, None] - points[unpaired]) ** 2).sum(-1))
    nearest[unpaired[rows]] = unpaired[columns]
    return torch.from_numpy(nearest)


def _to_float_tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))


def _to_long_tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, np.int64))
