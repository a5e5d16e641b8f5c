"""Named regions of the head, as masks of vertices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.faces.head.mesh import PART_NAMES, Mesh
from reenact.faces.head.parts import ARCH_COLUMNS, EYE_SECTORS
from reenact.faces.head.skeleton import part_vertices
from reenact.faces.head.skin import BORDER

Mask = NDArray[np.bool_]


def region_masks(mesh: Mesh) -> dict[str, Mask]:
    """(V,) masks by name; left is the subject's left."""
    masks = {name: part_vertices(mesh, name) for name in PART_NAMES}
    masks["eyeballs"] = masks["left_eyeball"] | masks["right_eyeball"]
    masks["teeth"] = masks["upper_teeth"] | masks["lower_teeth"]
    masks["ears"] = _build_mask(mesh, mesh.ears)
    masks |= {"left_ear": _build_mask(mesh, mesh.ears[0]), "right_ear": _build_mask(mesh, mesh.ears[1])}
    masks |= _mask_eyes(mesh) | _mask_mouth(mesh) | _skin_areas(mesh)
    masks["gums"] = _mask_gums(mesh, masks)
    masks["jaw"] = masks["face"] & (mesh.vertices[:, 1] < -0.045)
    return masks


def _build_mask(mesh: Mesh, numbers: NDArray[np.int64]) -> Mask:
    mask = np.zeros(len(mesh.vertices), bool)
    mask[numbers] = True
    return mask


def _mask_eyes(mesh: Mesh) -> dict[str, Mask]:
    masks: dict[str, Mask] = {}
    for side, name in enumerate(("left", "right")):
        ball = mesh.eyeballs[side]
        masks[f"{name}_pupil"] = _build_mask(mesh, ball[: 1 + 2 * EYE_SECTORS])
        masks[f"{name}_iris"] = _build_mask(mesh, ball[: 1 + 4 * EYE_SECTORS])
        upper, lower = mesh.eyes[side][:5, 1:20], mesh.eyes[side][:5, 21:]
        masks[f"{name}_upper_lid"] = _build_mask(mesh, upper)
        masks[f"{name}_lower_lid"] = _build_mask(mesh, lower)
        masks[f"{name}_lid_rim"] = _build_mask(mesh, mesh.rims[side]) | _build_mask(mesh, mesh.eyes[side][0])
    masks["eyes"] = _build_mask(mesh, mesh.eyeballs) | _build_mask(mesh, mesh.eyes[:, :5])
    masks["lids"] = _build_mask(mesh, mesh.eyes[:, :5]) | _build_mask(mesh, mesh.rims)
    return masks


def _mask_mouth(mesh: Mesh) -> dict[str, Mask]:
    corner = mesh.mouth.shape[1] // 2
    lips = mesh.mouth[: BORDER + 1]
    halves = {"lower_lip": lips[:, : corner + 1], "upper_lip": lips[:, corner:]}
    return {name: _build_mask(mesh, half) | _build_mask(mesh, mesh.flip[half]) for name, half in halves.items()}


def _mask_gums(mesh: Mesh, masks: dict[str, Mask]) -> Mask:
    gums = np.zeros(len(mesh.vertices), bool)
    for name in ("upper_teeth", "lower_teeth"):
        rows = np.flatnonzero(masks[name]).reshape(-1, ARCH_COLUMNS)
        gums[rows[:2]] = True
    return gums


def _skin_areas(mesh: Mesh) -> dict[str, Mask]:
    x, y, z = np.abs(mesh.vertices[:, 0]), mesh.vertices[:, 1], mesh.vertices[:, 2]
    skin = part_vertices(mesh, "skin", "lips", "lids")
    hair_line = 0.093 - 9.0 * np.maximum(x - 0.02, 0) ** 2
    neck = skin & (y < -0.068 + 0.30 * np.minimum(0, z - 0.02) * -1) & (y < -0.094 + 0.55 * np.maximum(0.062 - z, 0))
    scalp = skin & ~neck & ((y > hair_line) | (z < 0.004) & (y > 0.004) | (z < -0.022))
    face = skin & ~neck & ~scalp
    along = (x - 0.012) / 0.047
    arch = 0.0485 + 0.0075 * np.sin(np.pi * np.clip(along, 0, 1) ** 0.9) - 0.0035 * np.clip(along, 0, 1)
    brows = face & (along > -0.04) & (along < 1.04) & (np.abs(y - arch) < 0.0045) & (z > 0.04)
    on_left = mesh.vertices[:, 0] > 0
    moustache = face & (y > -0.037) & (y < -0.0225) & (x < 0.031) & (z > 0.07)
    cheek_line = -0.012 - 0.022 * np.clip((x - 0.030) / 0.02, 0, 1) * np.clip((z - 0.03) / 0.03, 0, 1)
    beard = (face | neck) & (y < cheek_line) & (x > 0.030) & (z > 0.004) | (face | neck) & (y < -0.048) & (z > 0.03)
    beard = (beard | moustache) & (y > -0.118)
    return {
        "face": face,
        "neck": neck,
        "scalp": scalp,
        "brows": brows,
        "left_brow": brows & on_left,
        "right_brow": brows & ~on_left,
        "moustache": moustache,
        "beard": beard & ~part_vertices(mesh, "lips"),
        "forehead": face & (y > 0.055),
        "nose": face & (x < 0.019) & (y > -0.023) & (y < 0.036) & (z > 0.088 - 0.1 * np.maximum(x - 0.012, 0)),
        "cheeks": face & (y < 0.018) & (y > -0.05) & (x > 0.026) & (z > 0.03),
    }
