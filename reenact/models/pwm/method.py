"""PWM for the registry."""

from __future__ import annotations

from reenact.methods import CropRule, Method, PairPlan, Recipe

METHOD = Method(
    name="pwm",
    order=1,
    title="PWM",
    summary="geometry-driven progressive warping, guided by a posed face mesh",
    motion="posed face mesh: displacement, neural codes, NMFC",
    needs="face parameters",
    paper="BMVC 2022, arXiv 2210.02391",
    status="here; reproduces the official code's tensors",
    page="pwm.md",
    class_path="reenact.models.pwm.PWMModule",
    presets={
        "pwm_flame": "displacement and neural codes",
        "pwm_flame_disp": "displacement alone",
        "pwm_flame_codes": "neural codes alone",
        "pwm_flame_nmfc": "normalised mean face coordinates in place of codes",
        "pwm_bfm": "displacement and neural codes, for a store of BFM parameters",
    },
    crops={
        "pwm": CropRule(function="reenact.models.pwm.crop:crop_perimeter", room=1.2, default_for=("synthetic",)),
    },
    recipes={
        # BMVC 2022, section 4: 256, cropped as FOMM and PIRenderer do. The rate is the videos' own.
        "pwm": Recipe(crop="fomm", size=256),
        # `fit_image.py` of the released code: the crop of its demo, which follows the face from frame to frame there.
        "pwm_demo": Recipe(crop="pwm", size=256),
    },
    # Random pairs of each test clip in both directions; how many is not said: one pair a clip, both ways.
    pair_plans={"pwm": PairPlan(self_frames=2, cross_frames=2)},
    converter="reenact.models.pwm.convert",
    toys="reenact.models.pwm.toys:list_toys",
)
