"""MMFA at its smallest, for the common tests."""

from __future__ import annotations

from collections.abc import Callable

from reenact.models.common.keypoints import DiscriminatorConfig
from reenact.models.common.module import ReenactmentModule
from reenact.models.mmfa.estimators import MMFAConfig
from reenact.models.mmfa.module import MMFALosses, MMFAModule, MMFAOptimisation


def list_toys() -> dict[str, Callable[[], ReenactmentModule]]:
    """Return a maker of the paper's form and of the tiny preset's, whose keypoints are guided."""
    return {"mmfa": _build_paper_toy, "mmfa-guided": _build_guided_toy}


def _build_paper_toy() -> MMFAModule:
    network = MMFAConfig(
        pose="probe", keypoints=5, reduction=2, detector_width=4, detector_blocks=2, motion_width=4, motion_blocks=1,
        compress=2, width=8, channels=4, depth=2, blocks=1, stem=4, affine="pooled", affine_widths=[8, 8, 16, 16],
        expression=8, encoder="pooled", encoder_widths=[8, 16], encoder_side=2, decoder_widths=[16],
    )  # fmt: skip
    losses = MMFALosses(
        perceptual="pixels", reconstruction_face=0.0, deformation=0.1, feature_matching=0.0, equivariance=0.7,
        landmarks_face=0.0, landmarks_mouth=0.0, landmarks_pupils=0.0,
    )  # fmt: skip
    return _build_toy(network, losses)


def _build_guided_toy() -> MMFAModule:
    network = MMFAConfig(
        pose="probe", keypoints=15, reduction=2, detector_width=4, detector_blocks=2, motion_width=4, motion_blocks=1,
        compress=2, width=8, channels=4, depth=2, blocks=1, stem=4, affine="maps", affine_widths=[8, 16],
        expression=8, encoder="maps", encoder_widths=[8, 16], encoder_side=2, decoder_widths=[16],
    )  # fmt: skip
    # The pictures of the common tests have no faces, so landmarks must not weigh much.
    losses = MMFALosses(
        perceptual="pixels", reconstruction_face=0.0, deformation=0.1, feature_matching=0.0, equivariance=0.7,
        invariance="relative", landmarks="probe", landmarks_face=0.1, landmarks_mouth=0.1, landmarks_pupils=0.0,
        guide=0.1, guide_changes=0.1,
    )  # fmt: skip
    return _build_toy(network, losses)


def _build_toy(network: MMFAConfig, losses: MMFALosses) -> MMFAModule:
    return MMFAModule(
        network=network,
        discriminator=DiscriminatorConfig([8, 8]),
        losses=losses,
        optimisation=MMFAOptimisation(generator_lr=1e-2, discriminator_lr=1e-4, milestones=[50]),
    )
