"""Colours of a lit mesh: vertex normals, and spherical harmonics of nine bands by three conventions.

A light is (..., 9, 3), band by RGB channel. What a coefficient stands for differs from face model to face model; each
model names its `LightConvention`:

========  ===============================  ======================  =======  ==========================
name      bands, in order                  factors                 ambient  colours
========  ===============================  ======================  =======  ==========================
`deep3d`  1, y, z, x, xy, yz, 3z²-1, xz,   Deep3D's (`SH`), y, x,  0.8      albedo times light, as the
          x²-y²                            yz and xz negative               picture stores them
`deca`    1, x, y, z, xy, xz, yz, x²-y²,   DECA's                  0        the same
          3z²-1
`world`   as `deca`                        1                       0        four times albedo times light,
                                                                            linear, then sRGB with
                                                                            rolled-off highlights
========  ===============================  ======================  =======  ==========================

Normals are unit vectors in model space (x to the subject's left, y up, z out of the face), turned as the head is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.faces.numba_normals import sum_rings

ROLL_OFF = 0.7
"""Linear light above which the world's pictures roll highlights off, towards 1."""
_DARKEST = 0.02
"""Irradiance that the world's surfaces receive at least."""
_LINEAR_SRGB = 0.0031308
"""Linear light below which sRGB's code is a straight line."""


@dataclass(frozen=True, kw_only=True)
class LightConvention:
    """Meaning of the nine bands of a light, and of the colours that it gives."""

    name: str
    order: tuple[int, ...]
    """(9,) which of the polynomials 1, x, y, z, xy, xz, yz, x²-y², 3z²-1 each band is."""
    factors: tuple[float, ...]
    """(9,) constant of each band."""
    ambient: float = 0.0
    """Added to the first band of every light."""
    floor: float | None = None
    """Least irradiance; None where it may be negative."""
    linear: bool = False
    """True where colours are linear light, which pictures store in sRGB with rolled-off highlights."""
    exposure: float = 1.0
    """Factor from albedo times irradiance to the light that the picture stores."""

    def evaluate_bands(self, normals: Tensor) -> Tensor:
        """(..., 9) bands at unit normals (..., 3)."""
        return _evaluate_polynomials(normals)[..., list(self.order)] * normals.new_tensor(self.factors)

    def measure_irradiance(self, normals: Tensor, light: Tensor) -> Tensor:
        """(..., V, 3) light that arrives at normals (..., V, 3) from coefficients (..., 9, 3)."""
        bands = self.evaluate_bands(normals)
        irradiance = bands @ light + self.ambient * bands[..., :1]
        return irradiance if self.floor is None else irradiance.clamp(min=self.floor)

    def shade_albedo(self, albedo: Tensor, normals: Tensor, light: Tensor) -> Tensor:
        """(..., V, 3) colours as a picture stores them: RGB, 1 is white, not clipped.

        Args:
            albedo: (..., V, 3) RGB, 1 reflects everything.
            normals: (..., V, 3) unit normals.
            light: (..., 9, 3) coefficients.
        """
        return self.encode_colours(albedo * self.measure_irradiance(normals, light))

    def encode_colours(self, reflected: Tensor) -> Tensor:
        """Turn reflected light, albedo times irradiance, into the values of pictures."""
        colours = reflected * self.exposure
        if not self.linear:
            return colours
        headroom = 1 - ROLL_OFF
        rolled = ROLL_OFF + headroom * (1 - torch.exp(-(colours.clamp(min=ROLL_OFF) - ROLL_OFF) / headroom))
        light = torch.where(colours < ROLL_OFF, colours, rolled)
        curve = 1.055 * light.clamp(min=_LINEAR_SRGB) ** (1 / 2.4) - 0.055
        return torch.where(light < _LINEAR_SRGB, 12.92 * light, curve)

    def decode_colours(self, values: Tensor) -> Tensor:
        """Turn values of pictures, from 0 to 1, into reflected light: the inverse of `encode_colours`."""
        if not self.linear:
            return values / self.exposure
        dark = values < 12.92 * _LINEAR_SRGB
        light = torch.where(dark, values / 12.92, ((values.clamp(min=0) + 0.055) / 1.055) ** 2.4)
        headroom = 1 - ROLL_OFF
        # The curve reaches white at infinity: white counts as the light whose code is one step below it.
        share = ((light - ROLL_OFF) / headroom).clamp(0, 0.99)
        return torch.where(light < ROLL_OFF, light, ROLL_OFF - headroom * torch.log1p(-share)) / self.exposure


def _evaluate_polynomials(normals: Tensor) -> Tensor:
    """(..., 9) polynomials 1, x, y, z, xy, xz, yz, x²-y², 3z²-1 of (..., 3)."""
    x, y, z = normals.unbind(-1)
    return torch.stack([torch.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], -1)


_PI = math.pi
_A0, _A1, _A2 = _PI, 2 * _PI / math.sqrt(3), 2 * _PI / math.sqrt(8)
_C0, _C1, _C2 = 1 / math.sqrt(4 * _PI), math.sqrt(3) / math.sqrt(4 * _PI), 3 * math.sqrt(5) / math.sqrt(12 * _PI)
DEEP3D = LightConvention(
    name="deep3d",
    order=(0, 2, 3, 1, 4, 6, 8, 5, 7),
    factors=(
        _A0 * _C0,
        -_A1 * _C1,
        _A1 * _C1,
        -_A1 * _C1,
        _A2 * _C2,
        -_A2 * _C2,
        _A2 * _C2 * 0.5 / math.sqrt(3),
        -_A2 * _C2,
        _A2 * _C2 * 0.5,
    ),
    ambient=0.8,
)
"""Deep3DFaceRecon_pytorch's, `models/bfm.py` (`compute_color`, `init_lit`)."""
_LINEAR_DECA, _SQUARE_DECA = 2 * _PI / 3 * math.sqrt(3 / (4 * _PI)), _PI / 4 * math.sqrt(5 / (12 * _PI))
DECA = LightConvention(
    name="deca",
    order=tuple(range(9)),
    factors=(
        1 / math.sqrt(4 * _PI),
        *(_LINEAR_DECA,) * 3,
        *(3 * _SQUARE_DECA,) * 3,
        1.5 * _SQUARE_DECA,
        _PI / 8 * math.sqrt(5 / (4 * _PI)),
    ),
)
"""DECA's, `decalib/utils/renderer.py` (`add_SHlight`)."""
WORLD = LightConvention(
    name="world",
    order=tuple(range(9)),
    factors=(1.0,) * 9,
    floor=_DARKEST,
    linear=True,
    exposure=4.0,
)
"""The synthetic world's (`world/light.py`).

Its pixels are the sum of their four samples' light, hence the exposure.
"""


def weigh_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """(B, V, 3) unit normals: the normalised sum of the triangles' normals around each vertex, weighed by area.

    Args:
        vertices: (B, V, 3).
        triangles: (F, 3) int64, counter-clockwise seen from outside.
    """
    a, b, c = (vertices[:, triangles[:, corner]] for corner in range(3))
    faces = torch.cross(b - a, c - a, dim=-1)
    normals = torch.zeros_like(vertices)
    for corner in range(3):
        normals.index_add_(1, triangles[:, corner], faces)
    return F.normalize(normals, dim=-1, eps=1e-20)


def vertex_normals(vertices: Tensor, triangles: Tensor, rings: Tensor) -> Tensor:
    """(B, V, 3) unit normals as Deep3D's: the normalised sum of the unit normals of the triangles around each vertex.

    Args:
        vertices: (B, V, 3).
        triangles: (F, 3) int64, counter-clockwise seen from outside.
        rings: (V, 8) int64 triangles around each vertex; F where there are fewer.
    """
    learns = torch.is_grad_enabled() and vertices.requires_grad
    if vertices.device.type == "cpu" and not learns and vertices.dtype in (torch.float32, torch.float64):
        return sum_rings(vertices, triangles, rings)
    a, b, c = (vertices[:, triangles[:, corner]] for corner in range(3))
    faces = F.normalize(torch.cross(a - b, b - c, dim=-1), dim=-1)
    faces = torch.cat([faces, faces.new_zeros(len(faces), 1, 3)], 1)
    return F.normalize(faces[:, rings].sum(2), dim=-1)
