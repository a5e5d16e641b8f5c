"""PIRenderer for the registry."""

from __future__ import annotations

from reenact.methods import Method, Recipe

METHOD = Method(
    name="pirenderer",
    order=6,
    version=2,  # the tiny preset reads the source's coefficients
    title="PIRenderer",
    summary="a flow and a repainting network that windows of face coefficients modulate",
    motion="windows of expression, angles, camera",
    needs="face parameters",
    paper="ICCV 2021, arXiv 2109.08379",
    status="here; reads the official weights, training from the paper",
    page="pirenderer.md",
    class_path="reenact.models.pirenderer.PIRendererModule",
    presets={"pirenderer": "mapping, warping and editing networks"},
    recipes={
        # README of the released code: cropped and resized as FOMM does.
        "pirenderer": Recipe(crop="fomm", size=256),
    },
    converter="reenact.models.pirenderer.convert",
    toys="reenact.models.pirenderer.toys:list_toys",
)
