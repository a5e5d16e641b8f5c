from __future__ import annotations

import pytest
import torch

from reenact.devices import choose_batch_size


@pytest.mark.parametrize(
    ("device", "size", "count"), [("cpu", 64, 8), ("cpu", 255, 8), ("cpu", 256, 1), ("cpu", 512, 1), ("cuda", 512, 8)]
)
def test_large_pictures_go_one_by_one_through_the_processor(device: str, size: int, count: int) -> None:
    assert choose_batch_size(torch.device(device), size) == count
