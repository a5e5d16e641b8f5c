"""Colour of every sample of a rasterised scene: one deferred pass, materials told apart by a switch.

Light and colour are linear until the last step. Positions, normals and directions are in camera-aligned model space
(x image right, y up, z towards the viewer); the viewer is at +z, infinitely far. Pictures are sampled bilinearly with
clamped edges, texel i having its centre at i + 0.5.
"""

# Numba gives these loops their types; numpy's stubs see an array in every element.
# mypy: disable-error-code="return-value, index, call-overload, assignment, operator, no-any-return, arg-type, misc"
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reenact.compilation import njit
from reenact.world.kernels import CLOTH, EYE, F32, HAIR, I32, MOUTH, SKIN, TEETH, TONGUE, wrap_sample

U8 = NDArray[np.uint8]
I8 = NDArray[np.int8]
TEETH_ALBEDO, TONGUE_ALBEDO, MOUTH_ALBEDO = (0.62, 0.56, 0.46), (0.42, 0.13, 0.12), (0.22, 0.05, 0.045)
EYE_WHITE = (0.58, 0.54, 0.51)


def encode_picture(picture: NDArray[np.floating]) -> U8:
    """Square-root code of linear values from 0 to 1, which spends its steps where the eye does."""
    return np.round(255 * np.sqrt(np.clip(picture, 0, 1))).astype(np.uint8)


@njit(cache=True, nogil=True, inline="always")
def _find_texel(coordinate: float, size: int) -> tuple[int, float]:
    """The texel before a coordinate from 0 to 1, and how far towards the next one it lies."""
    at = min(max(coordinate * size - 0.5, 0.0), size - 1.001)
    first = np.int64(at)
    return first, at - first


@njit(cache=True, nogil=True, inline="always")
def _blend_texels(picture: U8, i: int, a: float, j: int, b: float, channel: int) -> float:
    """Bilinear value at column i + a, row j + b, in the picture's own code."""
    top = picture[j, i, channel] * (1 - a) + picture[j, i + 1, channel] * a
    low = picture[j + 1, i, channel] * (1 - a) + picture[j + 1, i + 1, channel] * a
    return top * (1 - b) + low * b


@njit(cache=True, nogil=True, inline="always")
def _sample_colour(picture: U8, u: float, v: float) -> tuple[float, float, float]:
    """Bilinear linear-light RGB of a picture in square-root code; u and v from 0 to 1."""
    i, a = _find_texel(u, picture.shape[1])
    j, b = _find_texel(v, picture.shape[0])
    red, green = _blend_texels(picture, i, a, j, b, 0) / 255, _blend_texels(picture, i, a, j, b, 1) / 255
    blue = _blend_texels(picture, i, a, j, b, 2) / 255
    return red * red, green * green, blue * blue


@njit(cache=True, nogil=True, inline="always")
def _compute_irradiance(light: F32, x: float, y: float, z: float, channel: int) -> float:
    value = light[0, channel] + light[1, channel] * x + light[2, channel] * y + light[3, channel] * z
    value += light[4, channel] * x * y + light[5, channel] * x * z + light[6, channel] * y * z
    value += light[7, channel] * (x * x - y * y) + light[8, channel] * (3 * z * z - 1)
    return max(value, 0.02)


@njit(cache=True, nogil=True, inline="always")
def _shade_of(shadow: F32, x: float, y: float, z: float, bias: float) -> float:
    """Share of the key lamp that is hidden, by comparing with the four nearest depths, bilinearly."""
    side = shadow.shape[0]
    x, y = x - 0.5, y - 0.5
    if x < 0 or y < 0 or x >= side - 1 or y >= side - 1:
        return 0.0
    i, j = np.int64(x), np.int64(y)
    a, b = x - i, y - j
    total = 0.0
    for dj in range(2):
        for di in range(2):
            hidden = min(max((z - bias - shadow[j + dj, i + di]) * 0.5, 0.0), 1.0)
            total += hidden * (a if di else 1 - a) * (b if dj else 1 - b)
    return total


@njit(cache=True, nogil=True, inline="always")
def _raise_power(x: float, doublings: int) -> float:
    """X to the power 2**doublings, for x >= 0."""
    for _ in range(doublings):
        x = x * x
    return x


@njit(cache=True, nogil=True, inline="always")
def _colour_eye(x: float, y: float, z: float, iris: F32, strands: F32) -> tuple[float, float, float]:
    """Albedo of an eyeball in a direction of its rest frame: pupil, iris with fibres and a dark rim, veined white."""
    radius = np.sqrt(x * x + y * y) if z > 0 else 1.0
    fibre = wrap_sample(strands, 30 * x / (radius + 0.05) + 70 * y / (radius + 0.05), 60 * radius)
    ring = min(max((radius - 0.44) * 22, 0.0), 1.0)
    inner = min(max((radius - iris[6]) * 30, 0.0), 1.0)
    glow = inner * (0.6 + 0.8 * fibre) * (1.15 - 0.5 * ring)
    veins = iris[7] * (0.3 + 0.7 * fibre) * min(max(abs(x) - 0.45, 0.0) * 1.6, 1.0)
    white = min(max((radius - 0.49) * 25, 0.0), 1.0)
    coloured = (1 - white) * glow
    red = coloured * (iris[0] * (1 - ring) + iris[3] * ring) + white * (EYE_WHITE[0] - 0.08 * veins)
    green = coloured * (iris[1] * (1 - ring) + iris[4] * ring) + white * (EYE_WHITE[1] - 0.34 * veins)
    blue = coloured * (iris[2] * (1 - ring) + iris[5] * ring) + white * (EYE_WHITE[2] - 0.34 * veins)
    return red, green, blue


@njit(cache=True, nogil=True, inline="always")
def _strand_gloss(
    screen: F32, attributes: F32, i: int, j: int, k: int, strand: float,
    nx: float, ny: float, nz: float, hx: float, hy: float, hz: float,
) -> float:  # fmt: skip
    """Highlight along hair (after Kajiya & Kay 1989): bright where the half vector is across the strand.

    The tangent is the direction in which the position along the strand grows on the triangle (i, j, k); noise tilts
    it along the normal, which breaks the highlight up.
    """
    du1, du2 = attributes[j, 0] - attributes[i, 0], attributes[k, 0] - attributes[i, 0]
    tx = (screen[k, 0] - screen[i, 0]) * du1 - (screen[j, 0] - screen[i, 0]) * du2
    ty = -((screen[k, 1] - screen[i, 1]) * du1 - (screen[j, 1] - screen[i, 1]) * du2)
    tz = -((screen[k, 2] - screen[i, 2]) * du1 - (screen[j, 2] - screen[i, 2]) * du2)
    length = np.sqrt(tx * tx + ty * ty + tz * tz) + 1e-9
    shift = 0.35 * (strand - 0.5)
    tx, ty, tz = tx / length + shift * nx, ty / length + shift * ny, tz / length + shift * nz
    cosine = (tx * hx + ty * hy + tz * hz) / np.sqrt(tx * tx + ty * ty + tz * tz)
    lobe = max(1 - cosine * cosine, 0.0)
    return (0.5 * _raise_power(lobe, 5) + 0.12 * _raise_power(lobe, 2)) * (0.3 + strand)


@njit(cache=True, nogil=True, inline="always")
def _read_surface(
    kind: int, a0: float, a1: float, a2: float, a3: float, skin: U8, relief: I8, cloth: U8,
    iris: F32, hair: F32, frame: F32, strands: F32,
) -> tuple[float, float, float, float, float, int, float, float, float]:  # fmt: skip
    """Read RGB, occlusion, gloss, exponent of the highlight, slope and strand noise of a material at its attributes."""
    bump_x, bump_y = 0.0, 0.0
    occluded, gloss, shine, strand = a2, 0.0, 5, 0.0
    if kind == SKIN:
        r, g, b = _sample_colour(skin, a0, a1)
        column, part_x = _find_texel(a0, skin.shape[1])
        row, part_y = _find_texel(a1, skin.shape[0])
        gloss = (_blend_texels(skin, column, part_x, row, part_y, 3) / 255) ** 2
        bump_x = _blend_texels(relief, column, part_x, row, part_y, 0) / 64
        bump_y = _blend_texels(relief, column, part_x, row, part_y, 1) / 64
    elif kind == EYE:
        occluded = a3
        r, g, b = _colour_eye(a0, a1, a2, iris, strands)
        gloss, shine = 1.6, 7
    elif kind == TEETH:
        r, g, b = TEETH_ALBEDO
        gloss, shine = 0.25, 5
    elif kind == TONGUE:
        r, g, b = TONGUE_ALBEDO
        gloss = 0.15
    elif kind == MOUTH:
        r, g, b = MOUTH_ALBEDO
    elif kind == HAIR:
        strand = wrap_sample(strands, a0, a1)
        tone = 1 + hair[7] * (strand - 0.5)
        along = min(max(a1 * 0.008, 0.0), 1.0)
        r = tone * (hair[0] + (hair[3] - hair[0]) * along)
        g = tone * (hair[1] + (hair[4] - hair[1]) * along)
        b = tone * (hair[2] + (hair[5] - hair[2]) * along)
    elif kind == CLOTH:
        r, g, b = _sample_colour(cloth, a0, a1)
    else:
        r, g, b = frame[0], frame[1], frame[2]
        gloss, shine = frame[3], 5
    return r, g, b, occluded, gloss, shine, bump_x, bump_y, strand


@njit(cache=True, nogil=True, inline="always")
def _find_shadow(shadow: F32, shadow_map: F32, x: int, y: int, z: float, facing: float) -> float:
    """Share of the key lamp that is hidden from a sample; surfaces that face away from it need a larger margin."""
    mx = shadow[0, 0] * (x + 0.5) + shadow[0, 1] * (y + 0.5) + shadow[0, 2] * z + shadow[0, 3]
    my = shadow[1, 0] * (x + 0.5) + shadow[1, 1] * (y + 0.5) + shadow[1, 2] * z + shadow[1, 3]
    mz = shadow[2, 0] * (x + 0.5) + shadow[2, 1] * (y + 0.5) + shadow[2, 2] * z + shadow[2, 3]
    return _shade_of(shadow_map, mx, my, mz, 1.2 + 2.5 * (1 - max(facing, 0.0)))


@njit(cache=True, nogil=True, inline="always")
def _reflect_lamp(kind: int, cosine: float, gloss: float, shine: int, lit: float, occluded: float) -> float:
    """Highlight of the key lamp on a surface that is not hair; the wet eye also shines in shadow."""
    spec = 0.0
    if gloss > 0:
        level = max(cosine, 0.0)
        spec = gloss * (_raise_power(level, shine) + 0.25 * _raise_power(level, 3)) * lit * (0.3 + 0.7 * occluded)
        if kind == EYE:
            spec = gloss * _raise_power(level, shine) * min(1.0, 2 * occluded)
    return spec


@njit(cache=True, nogil=True)
def shade_pixels(
    face_index: I32, barycentric: F32, screen: F32, faces: I32, material: U8, attributes: F32, normals: F32,
    skin: U8, relief: I8, cloth: U8, background: U8, strands: F32,
    light: F32, key: F32, key_colour: F32, shadow: F32, shadow_map: F32, shadow_strength: float,
    turn: F32, iris: F32, hair: F32, frame: F32, table: U8, image: U8,
) -> None:  # fmt: skip
    """Shade every sample and average 2 x 2 of them into a pixel.

    Args:
        face_index: (2S, 2S) face of each sample, -1 for the background.
        barycentric: (2S, 2S, 2).
        screen: (V, 3) vertices on screen.
        faces: (F, 3).
        material: (F,).
        attributes: (V, 4); of skin: chart u, v (0 to 1), occlusion, wetness; of eyes: direction in the eyeball's rest
            frame, occlusion; of mouth parts: x, y, occlusion; of hair: see `rasterize`; of cloth: chart, occlusion.
        normals: (V, 3) unit.
        skin: (N, N, 4) albedo and gloss over the skin chart, in the square-root code of `encode_picture`.
        relief: (N, N, 2) slope of the skin along the chart's right and up, in units of 1/64.
        cloth: (N, N, 3) albedo over the cloth chart.
        background: (N, N, 3) radiance.
        strands: (N, N) tileable strand noise in [0, 1].
        light: (9, 3) irradiance harmonics.
        key: (3,) direction of the key lamp.
        key_colour: (3,) its RGB.
        shadow: (3, 4) from sample position to the shadow map's texels and depth, affine in (screen x, y, z, 1).
        shadow_map: (M, M) z-buffer seen from the key lamp.
        shadow_strength: share of the irradiance that shadow takes away.
        turn: (3, 3) rotation of the head.
        iris: (8,) RGB of the iris, RGB of its rim, pupil radius, redness of the sclera.
        hair: (8,) RGB of roots, RGB of tips, gloss, contrast of strands.
        frame: (4,) RGB and gloss of the glasses' frame.
        table: (8192,) sRGB code of linear light from 0 to 2.
        image: (S, S, 3) out.
    """  # fmt: skip
    size = image.shape[0]
    half = np.sqrt(key[0] ** 2 + key[1] ** 2 + (key[2] + 1) ** 2) + 1e-9
    hx, hy, hz = key[0] / half, key[1] / half, (key[2] + 1) / half
    for row in range(size):
        for column in range(size):
            red, green, blue = 0.0, 0.0, 0.0
            for sub in range(4):
                y, x = 2 * row + sub // 2, 2 * column + sub % 2
                f = face_index[y, x]
                if f < 0:
                    u, v = (x + 0.5) / (2 * size), (y + 0.5) / (2 * size)
                    r, g, b = _sample_colour(background, u, v)
                    red, green, blue = red + r, green + g, blue + b
                    continue
                i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
                b0, b1 = barycentric[y, x, 0], barycentric[y, x, 1]
                b2 = 1 - b0 - b1
                a0 = b0 * attributes[i, 0] + b1 * attributes[j, 0] + b2 * attributes[k, 0]
                a1 = b0 * attributes[i, 1] + b1 * attributes[j, 1] + b2 * attributes[k, 1]
                a2 = b0 * attributes[i, 2] + b1 * attributes[j, 2] + b2 * attributes[k, 2]
                a3 = b0 * attributes[i, 3] + b1 * attributes[j, 3] + b2 * attributes[k, 3]
                nx = b0 * normals[i, 0] + b1 * normals[j, 0] + b2 * normals[k, 0]
                ny = b0 * normals[i, 1] + b1 * normals[j, 1] + b2 * normals[k, 1]
                nz = b0 * normals[i, 2] + b1 * normals[j, 2] + b2 * normals[k, 2]
                z = b0 * screen[i, 2] + b1 * screen[j, 2] + b2 * screen[k, 2]
                kind = material[f]
                r, g, b, occluded, gloss, shine, bump_x, bump_y, strand = _read_surface(
                    kind, a0, a1, a2, a3, skin, relief, cloth, iris, hair, frame, strands
                )
                if kind == SKIN:
                    nx -= turn[0, 0] * bump_x + turn[0, 1] * bump_y
                    ny -= turn[1, 0] * bump_x + turn[1, 1] * bump_y
                    nz -= turn[2, 0] * bump_x + turn[2, 1] * bump_y
                length = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                nx, ny, nz = nx / length, ny / length, nz / length
                if nz < 0 and kind != SKIN:
                    nx, ny, nz = -nx, -ny, -nz
                facing = nx * key[0] + ny * key[1] + nz * key[2]
                hidden = _find_shadow(shadow, shadow_map, x, y, z, facing)
                lit = (1 - hidden) * min(max(facing * 4 + 0.2, 0.0), 1.0)
                blocked = shadow_strength * hidden * min(max(facing * 2 + 0.4, 0.0), 1.0)
                if kind == HAIR:
                    spec = _strand_gloss(screen, attributes, i, j, k, strand, nx, ny, nz, hx, hy, hz)
                    spec *= hair[6] * lit * a2
                else:
                    spec = _reflect_lamp(kind, nx * hx + ny * hy + nz * hz, gloss, shine, lit, occluded)
                # Light scattered under skin leaves shade redder than the surface that casts it.
                bleed = 0.82 if kind == SKIN else 1.0
                warm = occluded + (1 - occluded) * (0.12 if kind == SKIN else 0.0)
                red += (
                    r * _compute_irradiance(light, nx, ny, nz, 0) * (1 - bleed * blocked) * warm + spec * key_colour[0]
                )
                green += g * _compute_irradiance(light, nx, ny, nz, 1) * (1 - blocked) * occluded + spec * key_colour[1]
                blue += b * _compute_irradiance(light, nx, ny, nz, 2) * (1 - blocked) * occluded + spec * key_colour[2]
            image[row, column, 0] = table[min(np.int64(red * 4096), 8191)]
            image[row, column, 1] = table[min(np.int64(green * 4096), 8191)]
            image[row, column, 2] = table[min(np.int64(blue * 4096), 8191)]
