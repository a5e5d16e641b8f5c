"""Face parameters that are not numbers are refused with the clip's name."""

import pytest
import torch

from reenact.data.datamodules import Clips
from reenact.errors import ReenactError

from .made_store import add_clip, made_arrays, made_writer


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_clip_with_parameters_that_are_not_finite_is_refused_by_name(tmp_path, value):
    arrays = made_arrays(12)
    arrays.params.jaw_pose[5, 1] = value
    writer = made_writer(tmp_path / "store")
    add_clip(writer, "p0#0", arrays=arrays)
    clips = Clips(tmp_path / "store", size=8, batch_size=1, num_workers=0).train_clips()
    assert len(clips.read(0, [3, 4]).clip) == 2
    with pytest.raises(ReenactError, match="The clip p0#0 has face parameters that are not finite"):
        clips.read(0, [4, 5])
