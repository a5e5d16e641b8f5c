"""Face-vid2vid: canonical 3D keypoints, head pose and expression apart (CVPR 2021, arXiv 2011.15126)."""

from reenact.models.face_vid2vid.module import FaceVid2VidModule

__all__ = ["FaceVid2VidModule"]
