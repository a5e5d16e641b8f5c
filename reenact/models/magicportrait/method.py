"""The protocol of MagicPortrait; its networks are here, its method is not part of the package yet."""

from __future__ import annotations

from reenact.methods import CropRule, Method, PairPlan, Recipe

METHOD = Method(
    name="magicportrait",
    order=9,
    title="MagicPortrait",
    summary="latent video diffusion, guided by renders of FLAME",
    motion="latent video diffusion, FLAME renders",
    status="planned; its networks are here",
    page="magicportrait.md",
    needs="face parameters",
    paper="arXiv 2504.21497",
    crops={"magicportrait": CropRule(function="reenact.models.magicportrait.crop:crop_first_frame")},
    # arXiv 2504.21497, section IV (512); `crop_process.py` of the released code (crop).
    recipes={"magicportrait": Recipe(crop="magicportrait", size=512)},
    # CelebV-HQ: 40 clips of identities outside of training; 20 portraits of another domain.
    pair_plans={"magicportrait": PairPlan(clips=40, self_clips=True, cross_clips=True, portraits=20)},
)
