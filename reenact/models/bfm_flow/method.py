"""The protocol of the BFM flow paper; its network is not part of the package."""

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
    # AAAI 2023, section 4: cropped as FOMM does.
    recipes={"bfm_flow": Recipe(crop="fomm", size=256, fps=Fraction(25))},
    pair_plans={
        # VoxCeleb: 514 test clips, 20 pairs each: 10,280 self and 10,280 cross.
        "bfm_flow": PairPlan(self_frames=20, cross_frames=20),
        # CelebV: 5 people, 1,000 pairs each; which side is fixed is not said: the source.
        "bfm_flow_celebv": PairPlan(cross_frames_per_person=1000),
    },
)
