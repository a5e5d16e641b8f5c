"""The whole mean head: skin and parts joined, mirrored, and numbered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reenact.faces.head import parts
from reenact.faces.head.skin import build_half

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

PART_NAMES = (
    "skin",
    "lids",
    "lips",
    "mouth_bag",
    "left_eyeball",
    "right_eyeball",
    "upper_teeth",
    "lower_teeth",
    "tongue",
    "ears",
)
"""Names of the numbers in `part` (per face)."""


@dataclass(kw_only=True)
class Mesh:
    """The mean head. Loops go around counter-clockwise seen from the front, from the subject's left."""

    vertices: Array
    """(V, 3) vertices in metres."""
    faces: Ints
    """(F, 3) vertex indices."""
    part: Ints
    """(F,) index into `PART_NAMES`."""
    flip: Ints
    """(V,) number of the mirror image."""
    eyes: Ints
    """(2, rings, points): loops of the left and right eye from the rim of the lids; the right one mirrors the left."""
    rims: Ints
    """(2, 2, points): loops behind the lids' rims."""
    mouth: Ints
    """(rings, half): left half loops of the mouth from the lower midline over the corner to the upper midline."""
    bag: Ints
    """(loops, half): left half loops inside the mouth."""
    ears: Ints
    """(2, points) vertices of the left and right ear."""
    eyeballs: Ints
    """(2, points) vertices of the left and right eyeball."""


class _Assembly:
    """Collects the left half, then mirrors it."""

    def __init__(self) -> None:
        self.vertices: list[Array] = []
        self.faces: list[Ints] = []
        self.part: list[Ints] = []
        self.count = 0

    def add_vertices(self, vertices: Array) -> Ints:
        numbers = self.count + np.arange(len(vertices))
        self.vertices.append(vertices)
        self.count += len(vertices)
        return numbers

    def add_faces(self, faces: Ints, name: str) -> None:
        self.faces.append(faces)
        self.part.append(np.full(len(faces), PART_NAMES.index(name)))

    def add(self, shape: tuple[Array, Ints], name: str) -> Ints:
        numbers = self.add_vertices(shape[0])
        self.add_faces(numbers[shape[1]], name)
        return numbers


def build_mesh() -> Mesh:
    """Join skin and parts to the mesh of the whole head."""
    assembly = _Assembly()
    skin = build_half()
    assembly.add_vertices(skin.vertices)
    kind = np.full(len(skin.faces), PART_NAMES.index("skin"))
    lips = np.isin(skin.faces, skin.mouth[: 5 + 1]).all(1)
    kind[lips] = PART_NAMES.index("lips")
    assembly.faces.append(skin.faces)
    assembly.part.append(kind)
    rims = parts.lid_rims(skin.vertices[skin.eye[0]])
    rim_numbers = assembly.add_vertices(rims.reshape(-1, 3)).reshape(rims.shape[:2])
    assembly.add_faces(parts.triangulate_strip(np.concatenate([rim_numbers[::-1], skin.eye[:1]]), True), "lids")
    bag = parts.mouth_bag(skin.vertices[skin.mouth[0]])
    bag_numbers = assembly.add_vertices(bag.reshape(-1, 3)).reshape(bag.shape[:2])
    end = assembly.add_vertices(bag[-1].mean(0, keepdims=True) * [0, 1, 1])
    assembly.add_faces(parts.triangulate_strip(np.concatenate([bag_numbers[::-1], skin.mouth[:1]]), False), "mouth_bag")
    last = bag_numbers[-1]
    assembly.add_faces(np.stack([np.full(len(last) - 1, end[0]), last[:-1], last[1:]], -1), "mouth_bag")
    ball = assembly.add(parts.build_eyeball(), "left_eyeball")
    ear = assembly.add(parts.build_ear(), "ears")
    return _mirror_mesh(assembly, skin.eye, rim_numbers, skin.mouth, bag_numbers, ear, ball)


def _mirror_mesh(assembly: _Assembly, eye: Ints, rims: Ints, mouth: Ints, bag: Ints, ear: Ints, ball: Ints) -> Mesh:
    half = np.concatenate(assembly.vertices)
    half_faces, half_part = np.concatenate(assembly.faces), np.concatenate(assembly.part)
    sided = np.flatnonzero(half[:, 0] != 0)
    mirror = np.arange(len(half))
    mirror[sided] = len(half) + np.arange(len(sided))
    both = _Assembly()
    both.add_vertices(np.concatenate([half, half[sided] * [-1, 1, 1]]))
    flip = np.concatenate([mirror, sided])
    right_part = np.where(half_part == PART_NAMES.index("left_eyeball"), PART_NAMES.index("right_eyeball"), half_part)
    both.faces += [half_faces, mirror[half_faces][:, [0, 2, 1]]]
    both.part += [half_part, right_part]
    flips = [flip]
    for shape, name, columns in (
        (parts.build_teeth(True), "upper_teeth", parts.ARCH_COLUMNS),
        (parts.build_teeth(False), "lower_teeth", parts.ARCH_COLUMNS),
        (parts.build_tongue(), "tongue", parts.TONGUE_COLUMNS),
    ):
        flips.append(both.add(shape, name).reshape(-1, columns)[:, ::-1].ravel())
    vertices, permutation = np.concatenate(both.vertices), np.concatenate(flips)
    return Mesh(
        vertices=(vertices + vertices[permutation] * [-1, 1, 1]) / 2,
        faces=np.concatenate(both.faces),
        part=np.concatenate(both.part),
        flip=permutation,
        eyes=np.stack([eye, mirror[eye]]),
        rims=np.stack([rims, mirror[rims]]),
        mouth=mouth,
        bag=bag,
        ears=np.stack([ear, mirror[ear]]),
        eyeballs=np.stack([ball, mirror[ball]]),
    )
