"""Export3D's expression encoder for the registry."""

from __future__ import annotations

from reenact.methods import Method

METHOD = Method(
    name="export3d_clebs",
    order=8,
    version=2,  # codes are relative to their clip at tiny scale
    title="Export3D",
    summary="expressions told from each other by contrast with the pictures of a clip",
    needs="face parameters, clips",
    paper="ECCV 2024, arXiv 2404.00636, section 3.2",
    class_path="reenact.models.export3d_clebs.CLeBSModule",
    presets={"export3d_clebs": "the expression encoder of Export3D, trained by contrast within clips"},
    makes_pictures=False,
)
