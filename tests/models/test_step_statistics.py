"""Running statistics of batch norm after the generator's half of a training step, as the official steps leave them."""

import copy

import pytest
import torch
from zoo import CASES, pair

from reenact.nn.thin_plate import RandomWarp
from reenact.nn.whole_batch import BatchDraws


@pytest.mark.parametrize(
    ("case", "part"), [(CASES["face_vid2vid"], "estimator"), (CASES["fomm"], "detector")], ids=["face_vid2vid", "fomm"]
)
def test_a_step_reads_source_driving_and_warped_picture_once_each(case, part):
    module, batch = case.make().train(), pair(3)
    official = copy.deepcopy(getattr(module.network, part))
    module.random = lambda: BatchDraws(torch.Generator().manual_seed(0))
    module.keypoint_losses(batch, module(batch.source, batch.driving))
    driving = (batch.driving.image + 1) / 2
    warp = RandomWarp.draw(driving, BatchDraws(torch.Generator().manual_seed(0)))
    for image in ((batch.source.image + 1) / 2, driving, warp.frame(driving)):
        official(image)
    ours = dict(getattr(module.network, part).named_buffers())
    statistics = {name: value for name, value in official.named_buffers() if "running" in name or "batches" in name}
    assert statistics
    for name, value in statistics.items():
        torch.testing.assert_close(ours[name], value, atol=1e-6, rtol=1e-5, msg=lambda m, name=name: f"{name}: {m}")
