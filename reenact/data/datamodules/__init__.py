"""The data sets."""

from reenact.data.datamodules.clips import Clips
from reenact.data.datamodules.synthetic import Synthetic
from reenact.data.datamodules.voxceleb import VoxCeleb

__all__ = ["Clips", "Synthetic", "VoxCeleb"]
