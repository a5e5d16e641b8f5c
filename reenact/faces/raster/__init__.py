"""Triangle meshes to pixels: rasterize, interpolate and antialias, with several backends behind them."""

from reenact.faces.raster.api import BACKENDS, antialias, interpolate, rasterize, render_attributes
from reenact.faces.raster.fragments import Fragments

__all__ = ["BACKENDS", "Fragments", "antialias", "interpolate", "rasterize", "render_attributes"]
