from dataclasses import replace

import torch

from reenact.apps.smoothing import OneEuro
from reenact.faces.params import FaceParams


def clip(length: int) -> FaceParams:
    random = torch.Generator().manual_seed(0)
    sizes = (("shape", 4), ("expression", 5), ("global_pose", 3), ("neck_pose", 3), ("jaw_pose", 3), ("eye_pose", 6))
    return FaceParams(
        **{name: torch.randn(length, size, generator=random) for name, size in sizes}, camera=torch.rand(length, 3)
    )


def test_is_the_average_of_the_demo() -> None:
    params = clip(4)
    smooth = OneEuro()(params)
    weight = torch.pi / (torch.pi + 1)
    expected = params.expression[0]
    torch.testing.assert_close(smooth.expression[0], expected)
    for frame in range(1, 4):
        expected = weight * params.expression[frame] + (1 - weight) * expected
        torch.testing.assert_close(smooth.expression[frame], expected)
    torch.testing.assert_close(smooth.shape, params.shape, rtol=0, atol=0)


def test_streaming_equals_the_whole_clip() -> None:
    params = clip(7)
    filter_ = OneEuro()
    parts = FaceParams.cat([filter_(params[:3]), filter_(params[3:4]), filter_(params[4:])])
    torch.testing.assert_close(parts.camera, OneEuro()(params).camera)


def test_a_face_that_stands_still_is_left_alone() -> None:
    still = clip(1)[torch.zeros(5, dtype=torch.long)]
    torch.testing.assert_close(OneEuro()(replace(still)).global_pose, still.global_pose)
