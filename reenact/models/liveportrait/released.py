"""The files of LivePortrait's authors."""

from __future__ import annotations

from reenact.assets.model import Asset, File

_PAGE = "https://huggingface.co/KwaiVGI/LivePortrait"

RELEASED_WEIGHTS = Asset(
    name="liveportrait",
    purpose="LivePortrait's released weights for people, which 'reenact convert' makes a checkpoint of",
    files=tuple(
        File(
            f"liveportrait/{name}.pth",
            holds=holds,
            url=f"{_PAGE}/resolve/main/liveportrait/{folder}/{name}.pth",
        )
        for folder, name, holds in (
            ("base_models", "appearance_feature_extractor", ("first.conv.weight",)),
            ("base_models", "motion_extractor", ("detector.fc_kp.weight",)),
            ("base_models", "warping_module", ("dense_motion_network.mask.weight",)),
            ("base_models", "spade_generator", ("G_middle_0.conv_0.weight_orig",)),
            (
                "retargeting_models",
                "stitching_retargeting_module",
                ("retarget_shoulder", "retarget_mouth", "retarget_eye"),
            ),
        )
    ),
    licence="MIT (LivePortrait); trained on data sets for research and on data that are not public",
    source="reenact weights get liveportrait --accept-licence",
    url=_PAGE,
    pack=True,
)
