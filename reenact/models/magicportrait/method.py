"""MagicPortrait for the registry."""

from __future__ import annotations

from reenact.install import install_hint
from reenact.methods import CropRule, Foundation, Method, PairPlan, Recipe
from reenact.models.magicportrait.released import AUTOENCODER, CLIP

ABLATIONS = {
    "landmarks": "landmarks guide (Table III)",
    "landmarks_depth_normal": "landmarks, depth and normals guide (Table III)",
    "depth_normal": "depth and normals guide (Table III)",
    "rendering": "the render guides (Table III)",
    "clip": "CLIP's image encoder guides (Table IV)",
    "conv": "guidance encoders without self-attention (Table IV)",
}
"""Presets of the paper's ablations, each of two stages."""

METHOD = Method(
    name="magicportrait",
    version=2,  # the tiny presets denoise the difference to the carried source
    order=9,
    title="MagicPortrait",
    summary="latent video diffusion, guided by renders of FLAME",
    motion="latent video diffusion, FLAME renders",
    needs="face parameters",
    paper="arXiv 2504.21497",
    class_path="reenact.models.magicportrait.MagicPortraitModule",
    presets={
        "magicportrait_image": "stage 1: pictures, each by itself",
        "magicportrait": "stage 2: motion modules, on clips of 12 frames",
        "magicportrait_fast": "4 steps of the sampler, distilled from stage 2",
        **{
            f"magicportrait_{name}{stage}": f"{title}, stage {number}"
            for name, title in ABLATIONS.items()
            for number, stage in ((2, ""), (1, "_image"))
        },
    },
    stands_on={
        "magicportrait_fast": Foundation(preset="magicportrait", option="model.teacher"),
        **{
            preset: Foundation(preset=f"{preset}_image", option="weights")
            for preset in ("magicportrait", *(f"magicportrait_{name}" for name in ABLATIONS))
        },
    },
    assets=(AUTOENCODER, CLIP),
    converter="reenact.models.magicportrait.convert",
    packages=("diffusers",),
    install=install_hint("diffusion"),
    status="here; reproduces the official code's tensors, training from the paper",
    page="magicportrait.md",
    toys="reenact.models.magicportrait.toys:list_toys",
    crops={"magicportrait": CropRule(function="reenact.models.magicportrait.crop:crop_first_frame")},
    # arXiv 2504.21497, section IV (512); `crop_process.py` of the released code (crop).
    recipes={"magicportrait": Recipe(crop="magicportrait", size=512)},
    # CelebV-HQ: 40 clips of identities outside of training; 20 portraits of another domain.
    pair_plans={"magicportrait": PairPlan(clips=40, self_clips=True, cross_clips=True, portraits=20)},
)
