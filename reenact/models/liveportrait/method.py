"""LivePortrait for the registry."""

from __future__ import annotations

from fractions import Fraction

from reenact.methods import CropRule, Foundation, Method, Recipe
from reenact.models.liveportrait.released import RELEASED_WEIGHTS

METHOD = Method(
    name="liveportrait",
    order=6,
    title="LivePortrait",
    summary="3D keypoints with a scale, stitched to the shoulders, at twice the size of its input",
    motion="unsupervised 3D keypoints guided by landmarks: pose, scale, expression apart; openings of eyes and lips",
    needs="images and landmarks",
    paper="arXiv 2407.03168",
    status="here; reproduces the official code's tensors, training from the paper",
    page="liveportrait.md",
    class_path="reenact.models.liveportrait.LivePortraitModule",
    version=4,  # the tiny preset paints on the moved source
    presets={
        "liveportrait": "stage 1: everything but stitching and retargeting",
        "liveportrait_retargeting": "stage 2: stitching, openings of eyes and lips, on a stage 1 that stays as it is",
    },
    stands_on={"liveportrait_retargeting": Foundation(preset="liveportrait", option="weights")},
    crops={
        "liveportrait": CropRule(
            function="reenact.models.liveportrait.crop:crop_along_face",
            angle="reenact.models.liveportrait.crop:find_tilt",
        )
    },
    recipes={"liveportrait": Recipe(crop="liveportrait", size=512, fps=Fraction(25))},
    assets=(RELEASED_WEIGHTS,),
    converter="reenact.models.liveportrait.convert",
    toys="reenact.models.liveportrait.toys:list_toys",
)
