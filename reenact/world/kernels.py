"""The pixel loops that do not shade: posing points, normals, the z-buffer, occlusion.

Screen convention: x right, y down, in samples of a square grid (sample i has its centre at i + 0.5), z away from the
camera in the same unit. Positions are snapped to 1/256 sample before coverage is decided, in integers, so that
neighbouring triangles leave no gap and the last bit of a float moves no edge. No kernel uses `fastmath`: the order of
operations, and with it every pixel, is the same on every machine.
"""

# Numba gives these loops their types; numpy's stubs see an array in every element.
# mypy: disable-error-code="index, call-overload, assignment, operator, no-any-return, arg-type, misc"
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.compilation import njit

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

SKIN, EYE, TEETH, TONGUE, MOUTH, HAIR, CLOTH, FRAME = range(8)
"""Materials: what a triangle is made of."""

SUBSAMPLES = 256


@njit(cache=True, nogil=True, inline="always")
def wrap_sample(texture: F32, u: float, v: float) -> float:
    """Bilinear look-up in a tileable square texture whose side is a power of two; u and v in texels."""
    side = texture.shape[0]
    fu, fv = np.floor(u), np.floor(v)
    x0, y0 = np.int64(fu) & (side - 1), np.int64(fv) & (side - 1)
    x1, y1 = (x0 + 1) & (side - 1), (y0 + 1) & (side - 1)
    a, b = np.float32(u - fu), np.float32(v - fv)
    top = texture[y0, x0] + (texture[y0, x1] - texture[y0, x0]) * a
    low = texture[y1, x0] + (texture[y1, x1] - texture[y1, x0]) * a
    return top + (low - top) * b


@njit(cache=True, nogil=True)
def rasterize(
    screen: F32, faces: I32, material: NDArray[np.uint8], cull: NDArray[np.uint8], attributes: F32, strands: F32,
    size: int, face_index: I32, barycentric: F32, depth: F32,
) -> None:  # fmt: skip
    """Draw a mesh into a z-buffer; hair lets through what its strand noise leaves open.

    Args:
        screen: (V, 3) vertices on screen.
        faces: (F, 3) vertex indices.
        material: (F,) material of each face.
        cull: (8,) whether back faces of a material are left out (faces wind clockwise on screen when seen from behind).
        attributes: (V, 4); of hair: strand coordinate, position along the strand, occlusion, density.
        strands: (N, N) tileable noise in [0, 1] that hair density is held against.
        size: side of the grid in samples.
        face_index: (size, size) out: the face seen, -1 for none.
        barycentric: (size, size, 2) out: weights of the face's first two vertices.
        depth: (size, size) out: z of the surface, infinity for none.
    """
    face_index[:] = -1
    depth[:] = np.inf
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = np.int64(np.rint(screen[i, 0] * SUBSAMPLES)), np.int64(np.rint(screen[i, 1] * SUBSAMPLES))
        x1, y1 = np.int64(np.rint(screen[j, 0] * SUBSAMPLES)), np.int64(np.rint(screen[j, 1] * SUBSAMPLES))
        x2, y2 = np.int64(np.rint(screen[k, 0] * SUBSAMPLES)), np.int64(np.rint(screen[k, 1] * SUBSAMPLES))
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        # Counter-clockwise seen from outside is negative here, where y points down.
        if area == 0 or (area > 0 and cull[material[f]]):
            continue
        half = SUBSAMPLES // 2
        x_min = max((min(x0, x1, x2) + half - 1) // SUBSAMPLES, 0)
        x_max = min((max(x0, x1, x2) - half) // SUBSAMPLES, size - 1)
        y_min = max((min(y0, y1, y2) + half - 1) // SUBSAMPLES, 0)
        y_max = min((max(y0, y1, y2) - half) // SUBSAMPLES, size - 1)
        sign = 1 if area > 0 else -1
        scale = 1.0 / (area * sign)
        z0, z1, z2 = screen[i, 2], screen[j, 2], screen[k, 2]
        for y in range(y_min, y_max + 1):
            px, py = (x_min - 1) * SUBSAMPLES + half, y * SUBSAMPLES + half
            e0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) * sign
            e1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) * sign
            for x in range(x_min, x_max + 1):
                e0 += (y1 - y2) * sign * SUBSAMPLES
                e1 += (y2 - y0) * sign * SUBSAMPLES
                if e0 < 0 or e1 < 0 or e0 + e1 > area * sign:
                    continue
                b0, b1 = np.float32(e0 * scale), np.float32(e1 * scale)
                b2 = np.float32(1) - b0 - b1
                z = b0 * z0 + b1 * z1 + b2 * z2
                if z >= depth[y, x]:
                    continue
                if material[f] == HAIR:
                    density = b0 * attributes[i, 3] + b1 * attributes[j, 3] + b2 * attributes[k, 3]
                    if density < 1:
                        u = b0 * attributes[i, 0] + b1 * attributes[j, 0] + b2 * attributes[k, 0]
                        v = b0 * attributes[i, 1] + b1 * attributes[j, 1] + b2 * attributes[k, 1]
                        if wrap_sample(strands, u, v) >= density:
                            continue
                depth[y, x] = z
                face_index[y, x] = f
                barycentric[y, x, 0] = b0
                barycentric[y, x, 1] = b1


@njit(cache=True, nogil=True)
def vertex_normals(points: F32, faces: I32, normals: F32) -> None:
    """Area-weighted unit normals (V, 3) of (V, 3) points."""
    normals[:] = 0
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1], points[j, 2] - points[i, 2]
        bx, by, bz = points[k, 0] - points[i, 0], points[k, 1] - points[i, 1], points[k, 2] - points[i, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for v in (i, j, k):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(points.shape[0]):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2) + np.float32(1e-20)
        normals[v, 0] /= length
        normals[v, 1] /= length
        normals[v, 2] /= length


@njit(cache=True, nogil=True)
def add_occlusion(screen: F32, normals: F32, direction: F32, depth: F32, bias: float, hit: F32, weight: F32) -> None:
    """Add one direction's share to ambient occlusion.

    Args:
        screen: (V, 3) vertices as seen from the direction.
        normals: (V, 3) unit normals in space.
        direction: (3,) unit vector towards the light.
        depth: (S, S) z-buffer of the mesh as seen from the direction.
        bias: depth in samples that still counts as the surface itself.
        hit: (V,) in and out: light received.
        weight: (V,) in and out: light an unoccluded vertex would have received.
    """
    side = depth.shape[0]
    for v in range(screen.shape[0]):
        cosine = normals[v, 0] * direction[0] + normals[v, 1] * direction[1] + normals[v, 2] * direction[2]
        if cosine <= 0:
            continue
        weight[v] += cosine
        x = min(max(np.int64(np.floor(screen[v, 0])), 0), side - 1)
        y = min(max(np.int64(np.floor(screen[v, 1])), 0), side - 1)
        if screen[v, 2] <= depth[y, x] + bias:
            hit[v] += cosine


@njit(cache=True, nogil=True)
def pose_points(rest: F32, basis: F32, coefficients: F32, weights: F32, bones: F32, out: F32) -> None:
    """Linear blend shapes, then linear blend skinning, in a fixed order of operations.

    Args:
        rest: (V, 3) unposed points.
        basis: (E, H, 3) displacements of the first H points per coefficient.
        coefficients: (E,).
        weights: (V, J) skinning weights.
        bones: (J, 3, 4) rotation and translation of each bone.
        out: (V, 3) posed points.
    """
    out[:] = rest
    for e in range(basis.shape[0]):
        c = coefficients[e]
        if c != 0:
            for v in range(basis.shape[1]):
                out[v, 0] += c * basis[e, v, 0]
                out[v, 1] += c * basis[e, v, 1]
                out[v, 2] += c * basis[e, v, 2]
    for v in range(rest.shape[0]):
        x, y, z = out[v, 0], out[v, 1], out[v, 2]
        px, py, pz = np.float32(0), np.float32(0), np.float32(0)
        for j in range(bones.shape[0]):
            w = weights[v, j]
            if w != 0:
                b = bones[j]
                px += w * (b[0, 0] * x + b[0, 1] * y + b[0, 2] * z + b[0, 3])
                py += w * (b[1, 0] * x + b[1, 1] * y + b[1, 2] * z + b[1, 3])
                pz += w * (b[2, 0] * x + b[2, 1] * y + b[2, 2] * z + b[2, 3])
        out[v, 0], out[v, 1], out[v, 2] = px, py, pz
