"""The built-in head as a face model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.head.texture import TEXTURE_NAMES, load_texture
from reenact.faces.params import FaceParams
from reenact.faces.shading import WORLD
from reenact.faces.skinning import SkinnedFaceModel

FILE = Path(__file__).with_name("head.npz")
STEP = 5e-6
LID_FOLLOW = 0.55
"""Share of a blink by which the upper lid follows the gaze, per unit of the sine of the downward angle."""
LIDS = 6
"""The last expressions move the lids: blink, wide, squint, each left then right."""
CROP = 1.485
"""Side of a portrait over the mean side of its landmarks' box (GDPW's crop: 1.1 * 1.35)."""
CROP_SHIFT = 0.1
"""Height of that crop above the box, as a fraction of its side (GDPW's 0.6 against one half)."""


class Head(SkinnedFaceModel):
    """Our own head: skin, eyes, lids, lips, mouth, teeth, tongue, ears and neck, made by `reenact.faces.head.build`.

    Identity coefficients are standard deviations of `shape_names`; expression coefficients are the share of the
    actions `expression_names`, 1 being full. Lids follow the gaze, and travel on the eyeball's arc. Joints: `root`
    (skull base), `neck`, `jaw` (hinge at the condyles), `left_eye`, `right_eye`. Texture is the linear albedo of skin,
    lips, brows and irises, light the synthetic world's.
    """

    expression_range = (0.0, 1.0)
    num_texture, texture_names = len(TEXTURE_NAMES), TEXTURE_NAMES
    texture_range = (0.004, 0.95)
    light_convention = WORLD
    part: Tensor
    """(F,) int64 part of each face, index into `part_names`."""
    part_names: tuple[str, ...]
    shape_names: tuple[str, ...]
    region_names: tuple[str, ...]

    def __init__(self) -> None:
        super().__init__()
        self.name = "head"
        arrays = _load_arrays()
        self.register_mesh(
            mean_vertices=_to_float_tensor(arrays["mean_vertices"]),
            faces=_to_long_tensor(arrays["faces"]),
            shape_basis=_to_float_tensor(arrays["shape_basis"]),
            expression_basis=_to_float_tensor(arrays["expression_basis"]),
            pose_basis=torch.zeros(len(arrays["mean_vertices"]), 3, 0),
            joint_regressor=_to_float_tensor(arrays["joint_regressor"]),
            skinning_weights=_to_float_tensor(arrays["skinning_weights"]),
        )
        for name in ("part", "shape", "expression", "region"):
            setattr(self, f"{name}_names", tuple(str(entry) for entry in arrays[f"{name}_names"]))
        self.num_expression = len(self.expression_names)
        for name in ("part", "flip_permutation", "landmark_vertices"):
            self.register_buffer(name, _to_long_tensor(arrays[name]), persistent=False)
        self.register_buffer("landmark_weights", _to_float_tensor(arrays["landmark_weights"]), persistent=False)
        masks = np.unpackbits(arrays["regions"], axis=1)[:, : len(self.mean_vertices)].astype(bool)
        self.register_buffer("_regions", torch.from_numpy(masks), persistent=False)
        for name, value in load_texture().items():
            self.register_buffer(f"_{name}", value.clone(), persistent=False)

    def _vertices(self, params: FaceParams, subset: Tensor | None) -> Tensor:
        return super()._vertices(replace(params, expression=self._with_lids(params)), subset)

    def albedo(self, texture: Tensor) -> Tensor:
        """Linear albedo (..., V, 3) of texture coefficients (..., 12): skin, lips, brows and irises, RGB each."""
        parts = texture.reshape(*texture.shape[:-1], 4, 3)
        albedo: Tensor = self.get_buffer("_rest") + self.get_buffer("_shares") @ parts
        return albedo

    def reflectance(self, texture: Tensor) -> Tensor:
        """Albedo times the light that ears, brow ridge, lids and lips of the mean head let through."""
        return self.albedo(texture) * self.get_buffer("_openness")

    def appearance_prior(self) -> tuple[Tensor, Tensor]:
        """Mean (39,) and covariance (39, 39) of texture and light over the synthetic world's people and clips."""
        return self.get_buffer("_prior_mean"), self.get_buffer("_prior_covariance")

    def measured_vertices(self) -> Tensor:
        """(V,) bool: face, lips, lids and irises, without the pupils and white of the eyes, alike in all people."""
        irises = self.region("left_iris") | self.region("right_iris")
        return (self.region("face") | irises) & (self.get_buffer("_shares") > 0).any(1)

    def _skull(self, params: FaceParams) -> Tensor:
        return super()._skull(replace(params, expression=self._with_lids(params)))

    def region(self, name: str) -> Tensor:
        """Boolean mask (V,) of one of `region_names`.

        Raises:
            ReenactError: for another name.
        """
        if name not in self.region_names:
            raise ReenactError(f"The head has no region {name!r}: choose one of {', '.join(self.region_names)}")
        masks: Tensor = self.get_buffer("_regions")
        return masks[self.region_names.index(name)]

    def default_camera(self) -> Tensor:
        """The (3,) orthographic camera that frames the mean face as GDPW's crop does."""
        landmarks = self.landmarks68(self.mean_vertices[None])[0, :, :2]
        low, high = landmarks.amin(0), landmarks.amax(0)
        side = CROP * (high - low).mean()
        centre = (low + high) / 2
        return torch.stack([2 / side, -centre[0], -(centre[1] + CROP_SHIFT * side)])

    def _with_lids(self, params: FaceParams) -> Tensor:
        """Expression coefficients (B, E + 6): lids moved by the gaze, and the arcs of the lids' actions."""
        first = self.num_expression - LIDS
        other, lids = params.expression[..., :first], params.expression[..., first:]
        down = torch.stack([params.eye_pose[..., 0], params.eye_pose[..., 3]], -1).sin()
        blink = lids[..., :2] + LID_FOLLOW * down * (1 - lids[..., :2])
        lids = torch.cat([blink, lids[..., 2:]], -1)
        part = lids.clamp(0, 1)
        return torch.cat([other, lids, 4 * part * (1 - part)], -1)


@cache
def _load_arrays() -> Mapping[str, np.ndarray]:
    """Read the file's arrays once in a process; the bases are (V, 3, C) metres of (C, V, 3) multiples of `STEP`."""
    with np.load(FILE) as data:
        arrays = {name: data[name] for name in data.files}
    for name in ("shape_basis", "expression_basis"):
        metres = np.moveaxis(arrays[name].astype(np.float64) * STEP, 0, -1)
        arrays[name] = np.ascontiguousarray(metres, np.float32)
    return arrays


def _to_float_tensor(array: np.ndarray) -> Tensor:
    """Copy an array, which other heads read too."""
    return torch.from_numpy(np.array(array, np.float32, order="C"))


def _to_long_tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, np.int64, order="C"))
