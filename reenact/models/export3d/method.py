"""Export3D for the registry."""

from __future__ import annotations

from fractions import Fraction

from reenact.methods import CropRule, Foundation, Method, PairPlan, Recipe

METHOD = Method(
    name="export3d",
    order=8,
    version=4,  # the source is blended in without its head
    title="Export3D",
    summary="tri-planes conditioned on expression",
    motion="expression-conditioned tri-plane",
    status="here, from the paper; no official code exists",
    page="export3d.md",
    class_path="reenact.models.export3d.Export3DModule",
    presets={
        "export3d": "the expressions of an export3d_clebs, which --model.clebs names or fit trains first",
        "export3d_lebs10": "ten basis vectors that are trained with the generator (Table 3)",
        "export3d_lebs25": "25 basis vectors that are trained with the generator (Table 3)",
        "export3d_lebs5": "five basis vectors that are trained with the generator (Table 3)",
        "export3d_direct": "layers without a basis, trained with the generator (Table 3)",
        "export3d_cross_attention": "attention to the scaled basis vectors of an export3d_clebs (Table 4)",
    },
    stands_on={
        preset: Foundation(preset="export3d_clebs", option="model.clebs")
        for preset in ("export3d", "export3d_cross_attention")
    },
    size_option="model.network.size",
    toys="reenact.models.export3d.toys:list_toys",
    needs="face parameters",
    paper="ECCV 2024, arXiv 2404.00636",
    crops={"export3d": CropRule(function="reenact.models.export3d.crop:crop_template")},
    # ECCV 2024, section 4: 25 frames/s, 256, the nose in the centre.
    recipes={"export3d": Recipe(crop="export3d", size=256, fps=Fraction(25))},
    pair_plans={
        # VFHQ: 50 test clips; the pairing is not said: each drives one other identity. A random frontal frame is the
        # source; which one is not said: the straightest.
        "export3d": PairPlan(clips=50, self_clips=True, cross_clips=True, source="frontal"),
        # TalkingHead-1KH: 20 clips of different identities.
        "export3d_talkinghead": PairPlan(clips=20, self_clips=True, cross_clips=True, source="frontal"),
    },
)
