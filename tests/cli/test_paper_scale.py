"""Checkpoints of the papers' sizes, whose weights take no memory here."""

from __future__ import annotations

import pytest
import torch

from reenact.cli.needed_files import build_outline
from reenact.methods.registry import list_methods
from reenact.models.common.rebuild import build_fitting

PRESETS = [preset for method in list_methods() for preset in method.presets]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_checkpoint_at_paper_scale_can_be_built_again(preset: str) -> None:
    module = build_outline(preset, "paper")
    outline = module.state_dict().items()
    weights = {name: torch.zeros((), dtype=value.dtype).expand(value.shape) for name, value in outline}
    built = build_fitting(type(module), module.arguments, weights, "x.ckpt", outline=True)
    assert built.state_dict().keys() == weights.keys()
