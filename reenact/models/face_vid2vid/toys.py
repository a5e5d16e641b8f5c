"""Face-vid2vid at its smallest, for the common tests."""

from __future__ import annotations

from collections.abc import Callable

from reenact.models.common.keypoints import DiscriminatorConfig, KeypointOptimisation
from reenact.models.common.module import ReenactmentModule
from reenact.models.face_vid2vid.module import FaceVid2VidLosses, FaceVid2VidModule
from reenact.models.face_vid2vid.network import FaceVid2VidConfig


def list_toys() -> dict[str, Callable[[], ReenactmentModule]]:
    """Return the maker of one module."""
    return {"face_vid2vid": _build_toy}


def _build_toy() -> FaceVid2VidModule:
    return FaceVid2VidModule(
        network=FaceVid2VidConfig(
            keypoints=5, reduction=2, detector_width=4, detector_blocks=2, motion_width=4, motion_blocks=1,
            compress=2, width=8, channels=4, depth=2, blocks=1, stem=4, estimator_widths=[8, 8, 16, 16],
        ),
        discriminator=DiscriminatorConfig([8, 8]),
        losses=FaceVid2VidLosses(perceptual="pixels", head_pose=0.0, deformation=0.1, feature_matching=0.0),
        optimisation=KeypointOptimisation(generator_lr=1e-2, discriminator_lr=1e-4, milestones=[50]),
    )  # fmt: skip
