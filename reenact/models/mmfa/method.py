"""MMFA for the registry."""

from __future__ import annotations

from fractions import Fraction

from reenact.methods import ControlFile, Method, PairPlan, Recipe

METHOD = Method(
    name="mmfa",
    order=4,
    title="MMFA",
    summary="3D keypoints whose pose, scale, translation and expression come apart",
    motion="unsupervised 3D keypoints: pose, scale, translation, expression apart",
    needs="images alone",
    paper="arXiv 2603.04302",
    status="here, from the paper; no official code exists",
    page="mmfa.md",
    class_path="reenact.models.mmfa.MMFAModule",
    presets={
        "mmfa": "all losses (Table 2, full method)",
        "mmfa_base": "without the losses of expression, canonical keypoints and landmarks (Table 2)",
        "mmfa_exp": "the base and invariant expressions (Table 2)",
        "mmfa_exp_c": "the base, invariant expressions and consistent canonical keypoints (Table 2)",
    },
    # The paper says 256 alone; FOMM's `crop_vox.py` (crop, 25 frames/s) is inferred.
    recipes={"mmfa": Recipe(crop="fomm", size=256, fps=Fraction(25))},
    # 80 image-video pairs, about 25,000 frames; portraits of CelebA and FFHQ, test clips of VoxCeleb.
    pair_plans={"mmfa": PairPlan(clips=80, self_clips=True, cross_clips=True, portraits=80)},
    control_files={
        "expression_vae": ControlFile(
            load="reenact.models.mmfa_vae.frozen:load_expression_codes",
            content="checkpoint of the method's mmfa_vae, through whose codes expressions are interpolated or drawn",
        )
    },
    toys="reenact.models.mmfa.toys:list_toys",
)
