"""FOMM: keypoints with local affine motion, learned without labels (NeurIPS 2019, arXiv 2003.00196)."""

from reenact.models.fomm.module import FOMMModule

__all__ = ["FOMMModule"]
