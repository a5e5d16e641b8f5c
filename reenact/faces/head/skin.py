"""The skin's mesh: concentric loops around eyes and mouth in a centroidal (evenly graded) triangulation of the rest.

The left half (x >= 0) is built and mirrored, so left and right agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial import ConvexHull, cKDTree

from reenact.faces.head import curves, sculpt
from reenact.faces.head.base import FrontMap, surface_points
from reenact.faces.head.parts import triangulate_strip

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

EYE_RINGS = 9
"""Loops around an eye, the lid's rim first."""
BORDER = 5
"""The border of the vermilion among the 11 loops around the mouth, the seam of the lips first."""
_EYE_ELLIPSE = ((0.0312, 0.0312), (0.0192, 0.0178))
_MOUTH_ELLIPSE = ((0.0, curves.MOUTH_Y - 0.0010), (0.0375, 0.0200))


@dataclass
class HalfSkin:
    """The left half of the skin; `eye` and `mouth` are (rings, points) vertex numbers."""

    vertices: Array
    faces: Ints
    eye: Ints
    mouth: Ints


def _compute_spacing(points: Array) -> Array:
    """Wanted edge length (N,) in metres at (N, 3) points of the mannequin."""
    x, y, z = points.T
    front = z > 0.05
    nose = np.maximum(
        sculpt.evaluate_bump(x, y, (0.004, -0.014), (0.012, 0.010)),
        0.75 * sculpt.evaluate_bump(x, y, (0.003, 0.008), (0.011, 0.016)),
    )
    face = np.clip(z / 0.06, 0, 1) * np.clip((0.095 - y) / 0.03, 0, 1) * np.clip((y + 0.1) / 0.01, 0, 1)
    return np.asarray(0.0125 - 0.0080 * face - 0.0025 * nose * face * front)


def _is_inside(xy: Array, ellipse: tuple[tuple[float, float], tuple[float, float]], margin: float) -> NDArray[np.bool_]:
    (cx, cy), (ax, ay) = ellipse
    return ((xy[:, 0] - cx) / (ax + margin)) ** 2 + ((xy[:, 1] - cy) / (ay + margin)) ** 2 < 1


def _is_free(points: Array, margin: float) -> NDArray[np.bool_]:
    front = points[:, 2] > 0.03
    hole = _is_inside(points[:, :2], _EYE_ELLIPSE, margin) | _is_inside(points[:, :2], _MOUTH_ELLIPSE, margin)
    return ~(front & hole)


def _sample_curve(t: Array, theta: Array) -> tuple[Array, Array]:
    """Points along a curve of the mannequin at the wanted spacing, both ends included: (K, 2) parameters, (K, 3)."""
    points = surface_points(t, theta)
    middle = (points[1:] + points[:-1]) / 2
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1) / _compute_spacing(middle))]
    samples = np.linspace(0, length[-1], int(np.ceil(1.4 * length[-1])) + 1)
    pick = np.stack([np.interp(samples, length, t), np.interp(samples, length, theta)], -1)
    return pick, surface_points(pick[:, 0], pick[:, 1])


def _fixed_points() -> Array:
    """(K, 2) parameters on the midline, the crown and the neck's edge; none inside the mouth's loops."""
    t = np.linspace(0, 1, 4000)
    front, front_points = _sample_curve(t, np.zeros_like(t))
    back, _ = _sample_curve(t, np.full_like(t, np.pi))
    theta = np.linspace(0, np.pi, 2000)
    edge, _ = _sample_curve(np.ones_like(theta), theta)
    return np.concatenate([front[_is_free(front_points, 0.0015)], back[1:], edge[1:-1]])


def _relaxed_points(fixed: Array, generator: np.random.Generator) -> Array:
    """(N, 2) parameters of evenly graded points between fixed ones: weighted Lloyd iterations on a dense cloud."""
    cloud = np.stack([generator.uniform(0.0, 1, 900_000), generator.uniform(0, np.pi, 900_000)], -1)
    points = surface_points(cloud[:, 0], cloud[:, 1])
    step = 1e-4
    along_t = surface_points(np.clip(cloud[:, 0] + step, 0, 1), cloud[:, 1]) - surface_points(
        cloud[:, 0] - step, cloud[:, 1]
    )
    along_theta = surface_points(cloud[:, 0], cloud[:, 1] + step) - surface_points(cloud[:, 0], cloud[:, 1] - step)
    area = np.linalg.norm(np.cross(along_t, along_theta), axis=1) / (4 * step**2) * np.pi / len(cloud)
    spacing = _compute_spacing(points)
    cells = area / (spacing**2 * np.sqrt(3) / 2)
    free = _is_free(points, 0.0)
    count = int(cells[free].sum()) - len(fixed) // 2
    keep = free & (generator.uniform(size=len(cloud)) < cells * 120_000 / cells.sum())
    cloud, points, weight = cloud[keep], points[keep], spacing[keep] ** -2.0
    anchors = surface_points(fixed[:, 0], fixed[:, 1])
    centres = points[generator.choice(len(points), count, replace=False)]
    for _ in range(60):
        owner = cKDTree(np.concatenate([centres, anchors])).query(points)[1]
        mass = np.bincount(owner, weight, len(centres) + len(anchors))[:count]
        sums = [np.bincount(owner, weight * points[:, i], len(centres) + len(anchors))[:count] for i in range(3)]
        used = mass > 0
        centres[used] = (np.stack(sums, -1)[used]) / mass[used, None]
    chosen = np.unique(cKDTree(points).query(centres)[1])
    return np.asarray(cloud[chosen])


def _eye_outlines() -> Array:
    """(EYE_RINGS, EYE_POINTS, 2) loops from the lid's rim to the orbit."""
    rim = curves.lid_outline()
    outer = curves.sample_ellipse(curves.EYE_POINTS, *_EYE_ELLIPSE)
    fraction = np.array([0, 0.055, 0.13, 0.23, 0.35, 0.49, 0.65, 0.82, 1.0])[:, None, None]
    return rim + fraction * (outer - rim)


def _mouth_outlines() -> Array:
    """(11, MOUTH_POINTS, 2) loops from the seam of the lips outwards."""
    seam, border = curves.lip_outline("line"), curves.lip_outline("border")
    outer = curves.sample_ellipse(curves.MOUTH_POINTS, *_MOUTH_ELLIPSE)
    lips = np.linspace(0, 1, BORDER + 1)[:, None, None] ** 0.9
    skin = np.array([0.06, 0.2, 0.42, 0.69, 1.0])[:, None, None]
    return np.concatenate([seam + lips * (border - seam), border + skin * (outer - border)])


def _lip_bulge() -> Array:
    """(11, MOUTH_POINTS) depth of the lips over the muzzle, in metres."""
    angle = 2 * np.pi * np.arange(curves.MOUTH_POINTS) / curves.MOUTH_POINTS
    across = np.sqrt(np.maximum(1 - np.abs(np.cos(angle)) ** 2.6, 0))
    upper = np.array([-2.2, 1.0, 2.4, 2.9, 2.5, 1.3, 0.75, 0.1, 0, 0, 0])
    lower = np.array([-2.2, 1.2, 3.0, 3.7, 3.2, 1.6, 0.8, 0.0, 0, 0, 0])
    blend = np.clip(0.5 + np.sin(angle) * 2.5, 0, 1)
    profile = upper[:, None] * blend + lower[:, None] * (1 - blend)
    corner = np.array([-2.4, -2.0, -1.7, -1.4, -1.2, -1.0, -0.9, -0.6, -0.2, 0, 0])[:, None]
    return np.asarray(1e-3 * (profile * across + corner * (1 - across)))


def _map_to_sphere(parameters: Array) -> Array:
    """(N, 3) points on the unit sphere: a nearly conformal image of the mannequin, crown up, for the triangulation."""
    t, theta = np.meshgrid(np.linspace(1e-3, 1, 800), np.linspace(0, np.pi, 181), indexing="ij")
    grid = surface_points(t, theta)
    around = np.r_["1", np.zeros((800, 1)), np.cumsum(np.linalg.norm(np.diff(grid, axis=1), axis=2), 1)]
    radius = around[:, -1] / np.pi
    step = np.linalg.norm(np.diff(grid, axis=0), axis=2).mean(1)
    mercator = np.r_[0, np.cumsum(step * 2 / (radius[1:] + radius[:-1]))]
    mercator -= np.interp(0.5, t[:, 0], mercator)
    level = np.clip(parameters[:, 0], 1e-3, 1)
    turn = RegularGridInterpolator((t[:, 0], theta[0]), around / around[:, -1:] * np.pi)(
        np.stack([level, np.clip(parameters[:, 1], 0, np.pi)], -1)
    )
    polar = 2 * np.arctan(np.exp(np.interp(level, t[:, 0], mercator)))
    polar = np.where(parameters[:, 0] < 1e-3, 0, polar)
    return np.stack([np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)], -1)


def _hull_faces(chart: Array, middle: NDArray[np.bool_], holes: list[Ints]) -> Ints:
    """Delaunay triangles on the sphere (as its points' convex hull) of the half x >= 0, without the holes."""
    chart = np.where(middle[:, None], chart * [0, 1, 1], chart)
    mirrored = np.flatnonzero(~middle)
    full = np.concatenate([chart, chart[mirrored] * [-1, 1, 1]])
    faces = ConvexHull(full).simplices.astype(np.int64)
    faces = np.concatenate([faces[(faces < len(chart)).all(1)], _across_the_middle(faces, mirrored, middle)])
    for ring in holes:
        faces = faces[~np.isin(faces, ring).all(1)]
    inwards = np.linalg.det(chart[faces]) < 0
    faces[inwards] = faces[inwards][:, [0, 2, 1]]
    return faces


def _across_the_middle(faces: Ints, mirrored: Ints, middle: NDArray[np.bool_]) -> Ints:
    """Left halves of the quads (K, 3) that are split along an edge from a vertex to its mirror image."""
    apexes: dict[int, list[int]] = {}
    for face in faces:
        left_corners = [int(v) for v in face if v < len(middle) and not middle[v]]
        apex = [int(v) for v in face if v < len(middle) and middle[v]]
        right_corners = [int(mirrored[v - len(middle)]) for v in face if v >= len(middle)]
        if len(apex) == 1 and left_corners == right_corners:
            apexes.setdefault(left_corners[0], []).append(apex[0])
    return np.array([(side, *pair) for side, pair in apexes.items() if len(pair) == 2], np.int64).reshape(-1, 3)


def build_half(seed: int = 7) -> HalfSkin:
    """The left half of the sculpted skin, without the mouth's inside."""
    front = FrontMap()
    half = np.r_[np.arange(3 * curves.MOUTH_POINTS // 4, curves.MOUTH_POINTS), : curves.MOUTH_POINTS // 4 + 1]
    eye_xy, mouth_xy = _eye_outlines(), _mouth_outlines()[:, half]
    mouth_xy[:, [0, -1], 0] = 0.0
    eye_parameters, mouth_parameters = front(eye_xy.reshape(-1, 2)), front(mouth_xy.reshape(-1, 2))
    fixed = _fixed_points()
    border = np.concatenate([eye_parameters[-eye_xy.shape[1] :], mouth_parameters[-mouth_xy.shape[1] :]])
    loose = _relaxed_points(np.concatenate([fixed, border]), np.random.default_rng(seed))
    grid = np.concatenate([fixed, loose])
    count = len(grid)
    eye = count + np.arange(eye_xy.size // 2).reshape(eye_xy.shape[:2])
    mouth = count + eye.size + np.arange(mouth_xy.size // 2).reshape(mouth_xy.shape[:2])
    parameters = np.concatenate([grid, eye_parameters, mouth_parameters])
    base = surface_points(*parameters.T)
    base[count:, :2] = np.concatenate([eye_xy.reshape(-1, 2), mouth_xy.reshape(-1, 2)])
    base[np.abs(base[:, 0]) < 1e-9, 0] = 0.0
    outer = np.r_[:count, eye[-1], mouth[-1]]
    holes = [np.flatnonzero(np.isin(outer, ring)) for ring in (eye[-1], mouth[-1])]
    holes.append(np.flatnonzero(parameters[outer, 0] > 1 - 1e-9))
    faces = outer[_hull_faces(_map_to_sphere(parameters[outer]), base[outer, 0] == 0, holes)]
    faces = np.concatenate([faces, triangulate_strip(eye, True), triangulate_strip(mouth, False)])
    return HalfSkin(_sculpt_skin(base, mouth, half), faces, eye, mouth)


def _sculpt_skin(base: Array, mouth: Ints, half: Ints) -> Array:
    depth = sculpt.face_depth(base[:, 0], base[:, 1], base[:, 2])
    vertices = np.stack([base[:, 0], base[:, 1], np.where(base[:, 2] > 0.0, depth, base[:, 2])], -1)
    vertices[mouth.ravel(), 2] += _lip_bulge()[:, half].ravel()
    shift = sculpt.nostril_shift(base[:, 0], base[:, 1]) * (base[:, 2:] > 0.05)
    shift[base[:, 0] == 0, 0] = 0.0
    return np.asarray(vertices + shift)
