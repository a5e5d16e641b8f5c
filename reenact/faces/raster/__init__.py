"""Triangle meshes to pixels: one function each to rasterize, interpolate and antialias, several backends behind them."""

from reenact.faces.raster.api import BACKENDS, antialias, interpolate, rasterize, render_attributes
from reenact.faces.raster.fragments import Fragments

__all__ = ["BACKENDS", "Fragments", "antialias", "interpolate", "rasterize", "render_attributes"]
