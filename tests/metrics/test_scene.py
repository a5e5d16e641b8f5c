"""What is refused before a number is made of it."""

import pytest
import torch

from reenact.errors import ReenactError
from reenact.metrics.frame_metric import check_alike
from reenact.metrics.scene import Frames


def test_pictures_that_are_no_numbers():
    with pytest.raises(ReenactError, match="the frames: pixels are NaN"):
        Frames(torch.full((1, 3, 4, 4), torch.nan))


def test_pictures_in_another_range():
    with pytest.raises(ReenactError, match=r"values reach 255, but pictures are expected in \[-1, 1\]"):
        Frames(torch.full((1, 3, 4, 4), 255.0))


def test_pictures_are_kept_as_a_file_would_keep_them():
    image = Frames(torch.rand(2, 3, 8, 8) * 2.2 - 1.1).image
    levels = (image + 1) * 127.5
    assert image.abs().max() <= 1
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)


def test_other_sizes_and_numbers():
    with pytest.raises(ReenactError, match=r"made \(2 of 4 x 4 px\) and true \(3 of 8 x 4 px\) differ"):
        check_alike(Frames(torch.zeros(2, 3, 4, 4), "made"), Frames(torch.zeros(3, 3, 4, 8), "true"))
