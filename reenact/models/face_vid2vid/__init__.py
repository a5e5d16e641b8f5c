"""Face-vid2vid: canonical 3D keypoints, head pose and expression apart (CVPR 2021, arXiv 2011.15126)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reenact.methods.lazy import load_lazily

if TYPE_CHECKING:
    from reenact.models.face_vid2vid.module import FaceVid2VidModule

__all__ = ["FaceVid2VidModule"]
__getattr__ = load_lazily(__name__, FaceVid2VidModule="module")
