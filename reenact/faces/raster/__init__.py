"""Triangle meshes to pixels: rasterize, interpolate and antialias, with several backends behind them."""

from reenact.faces.raster.api import BACKENDS, antialias, draw_attributes, interpolate, rasterize, render_attributes
from reenact.faces.raster.fragments import Fragments
from reenact.faces.raster.perspective import correct_perspective

__all__ = [
    "BACKENDS",
    "Fragments",
    "antialias",
    "correct_perspective",
    "draw_attributes",
    "interpolate",
    "rasterize",
    "render_attributes",
]
