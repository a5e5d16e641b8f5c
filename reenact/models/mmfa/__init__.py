"""MMFA: 3D keypoints whose pose, scale, translation and expression come apart (arXiv 2603.04302)."""

from reenact.models.mmfa.module import MMFAModule

__all__ = ["MMFAModule"]
