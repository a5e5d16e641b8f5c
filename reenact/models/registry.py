"""The zoo by name, without importing any of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """One published approach, or a network of ours that is trained the same way."""

    name: str
    class_path: str
    """Path of its Lightning module."""
    summary: str
    needs: str
    """Contents of the data that it reads, in words."""
    paper: str
    presets: dict[str, str]
    """Names under `configs/model`, with what each stands for."""
    makes_pictures: bool = True
    """True if it reenacts portraits."""


METHODS = {
    method.name: method
    for method in (
        Method(
            name="pwm",
            class_path="reenact.models.pwm.PWMModule",
            summary="geometry-driven progressive warping, guided by a posed face mesh",
            needs="face parameters",
            paper="BMVC 2022, arXiv 2210.02391",
            presets={
                "pwm_flame": "displacement and neural codes",
                "pwm_flame_disp": "displacement alone",
                "pwm_flame_codes": "neural codes alone",
                "pwm_flame_nmfc": "normalised mean face coordinates in place of codes",
                "pwm_bfm": "displacement and neural codes, for a store of BFM parameters",
            },
        ),
        Method(
            name="fomm",
            class_path="reenact.models.fomm.FOMMModule",
            summary="keypoints with local affine motion, learned without labels",
            needs="images alone",
            paper="NeurIPS 2019, arXiv 2003.00196",
            presets={
                "fomm": "as published, no adversarial loss",
                "fomm_adv": "with a discriminator that sees the keypoints",
            },
        ),
        Method(
            name="face_vid2vid",
            class_path="reenact.models.face_vid2vid.FaceVid2VidModule",
            summary="canonical 3D keypoints, moved by head pose and expression",
            needs="images alone",
            paper="CVPR 2021, arXiv 2011.15126",
            presets={
                "face_vid2vid": "the paper's decoder",
                "face_vid2vid_spade": "the wider decoder of the released weights",
            },
        ),
        Method(
            name="mmfa",
            class_path="reenact.models.mmfa.MMFAModule",
            summary="3D keypoints whose pose, scale, translation and expression come apart",
            needs="images alone",
            paper="arXiv 2603.04302",
            presets={
                "mmfa": "all losses (Table 2, full method)",
                "mmfa_base": "without the losses of expression, canonical keypoints and landmarks (Table 2)",
                "mmfa_exp": "the base and invariant expressions (Table 2)",
                "mmfa_exp_c": "the base, invariant expressions and consistent canonical keypoints (Table 2)",
            },
        ),
        Method(
            name="mmfa_vae",
            class_path="reenact.models.mmfa_vae.MMFAVAEModule",
            summary="expressions of a trained MMFA to sample and to go between",
            needs="images alone, a trained mmfa",
            paper="arXiv 2603.04302, section 3.3",
            presets={"mmfa_vae": "trained on the features of the checkpoint that --model.mmfa names"},
            makes_pictures=False,
        ),
        Method(
            name="probe",
            class_path="reenact.models.probe.ProbeModule",
            summary="reads landmarks, face parameters and identity of the built-in head, to judge results with",
            needs="face parameters, landmarks",
            paper="this package",
            presets={"probe": "the network that the package ships"},
            makes_pictures=False,
        ),
    )
}
