"""Learning rates of the keypoint methods' parts."""

import pytest
from tiny import tiny


@pytest.mark.parametrize("preset", ["fomm", "face_vid2vid", "mmfa"])
def test_the_dense_motion_s_heads_learn_at_their_own_rate(preset):
    module = tiny(preset, optimisation={"generator_lr": 1e-3, "head_lr_factor": 0.1})
    rest, heads = module.configure_optimizers()[0][0].param_groups
    names = {id(p): name for name, p in module.network.named_parameters()}
    found = sorted(".".join(names[id(p)].split(".")[-2:]) for p in heads["params"])
    assert found == ["mask.bias", "mask.weight", "occlusion.bias", "occlusion.weight"]
    assert (rest["lr"], heads["lr"]) == pytest.approx((1e-3, 1e-4))
    assert len(rest["params"]) + 4 == sum(p.requires_grad for p in module.network.parameters())
