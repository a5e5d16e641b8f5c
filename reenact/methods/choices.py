"""Names that the methods bring to options of the command line, as types whose values help pages list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from reenact.methods.registry import collect_crop_rules, collect_pair_plans, collect_recipes, find_default_crop

VIDEO_CROP = find_default_crop("videos")
"""Name of the rule by which videos are cropped where nobody names one."""

if TYPE_CHECKING:
    RecipeName = str
    CropRuleName = str
    PairPlanName = str
    CropChoice = str
    CropOption = str
else:
    RecipeName = Literal[tuple(collect_recipes())]
    PairPlanName = Literal[tuple(collect_pair_plans())]
    CropRuleName = Literal[tuple(collect_crop_rules())]
    CropChoice = Literal[("none", "dataset", *collect_crop_rules())]
    """A paper's rule, the data set's own box, or the whole frame."""
    CropOption = Literal[("auto", "none", "dataset", *collect_crop_rules())]
