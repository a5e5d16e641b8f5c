"""FOMM for the registry."""

from __future__ import annotations

from reenact.methods import CropRule, Method

METHOD = Method(
    name="fomm",
    order=2,
    title="FOMM",
    summary="keypoints with local affine motion, learned without labels",
    motion="unsupervised 2D keypoints and Jacobians",
    needs="images alone",
    paper="NeurIPS 2019, arXiv 2003.00196",
    status="here; reproduces the official code's tensors",
    page="fomm.md",
    class_path="reenact.models.fomm.FOMMModule",
    presets={
        "fomm": "as published, no adversarial loss",
        "fomm_adv": "with a discriminator that sees the keypoints",
    },
    # Its `crop_vox.py` also cut the data of several later papers.
    crops={"fomm": CropRule(function="reenact.models.fomm.crop:crop_boxes", room=1.2, default_for=("videos",))},
    converter="reenact.models.fomm.convert",
    toys="reenact.models.fomm.toys:list_toys",
)
