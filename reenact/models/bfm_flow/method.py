"""BFM flow for the registry."""

from __future__ import annotations

from fractions import Fraction

from reenact.methods import Method, PairPlan, Recipe

METHOD = Method(
    name="bfm_flow",
    order=7,
    title="BFM flow",
    summary="flow and occlusion computed from a morphable model, completed by a network",
    motion="computed flow and occlusion, completed",
    needs="face parameters",
    paper="AAAI 2023",
    status="here; the paper has no public code",
    page="bfm_flow.md",
    class_path="reenact.models.bfm_flow.BFMFlowModule",
    presets={
        "bfm_flow": "computed flow and occlusion, shaded render",
        "bfm_flow_base": "no computed guidance",
        "bfm_flow_fg": "computed flow alone",
        "bfm_flow_fg_og": "computed flow and occlusion",
    },
    # AAAI 2023, section 4: cropped as FOMM does.
    recipes={"bfm_flow": Recipe(crop="fomm", size=256, fps=Fraction(25))},
    pair_plans={
        # VoxCeleb: 514 test clips, 20 pairs each: 10,280 self and 10,280 cross.
        "bfm_flow": PairPlan(self_frames=20, cross_frames=20),
        # CelebV: 5 people, 1,000 pairs each; which side is fixed is not said: the source.
        "bfm_flow_celebv": PairPlan(cross_frames_per_person=1000),
    },
    toys="reenact.models.bfm_flow.toys:list_toys",
)
