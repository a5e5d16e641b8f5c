"""Operators of TensorFlow Lite files as torch has them."""

from __future__ import annotations

import numpy as np
import pytest
import tflite
import torch
from stand_ins.tflite_file import Step, write_network, write_options
from torch.nn import functional

from reenact.errors import ReenactError
from reenact.nn.tflite import TFLiteNetwork

CODES = tflite.BuiltinOperator
LARGER = np.array([8, 8], np.int32)


def picture() -> torch.Tensor:
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def run(shapes, constants, *steps) -> torch.Tensor:
    (output,) = TFLiteNetwork(write_network(shapes, constants, steps), "net.tflite")(picture()).values()
    return output


def test_channels_are_weighed_by_means_of_their_maps():
    """Squeeze and excitation: mean, hard swish, product."""
    mean = write_options("Pool2D", FilterHeight=4, FilterWidth=4, StrideH=4, StrideW=4)
    output = run(
        [(1, 4, 4, 3), (1, 1, 1, 3), (1, 1, 1, 3), (1, 4, 4, 3)], {},
        Step(code=CODES.AVERAGE_POOL_2D, inputs=(0,), output=1, options=mean),
        Step(code=CODES.HARD_SWISH, inputs=(1,), output=2),
        Step(code=CODES.MUL, inputs=(0, 2), output=3, options=write_options("Mul")),
    )  # fmt: skip
    means = picture().mean((2, 3), keepdim=True)
    torch.testing.assert_close(output, picture() * means * (means + 3).clamp(0, 6) / 6)


@pytest.mark.parametrize("corners", [False, True])
def test_maps_are_enlarged_between_centres_or_corners(corners):
    options = write_options("ResizeBilinear", AlignCorners=corners, HalfPixelCenters=not corners)
    step = Step(code=CODES.RESIZE_BILINEAR, inputs=(0, 1), output=2, options=options)
    output = run([(1, 4, 4, 3), (2,), (1, 8, 8, 3)], {1: LARGER}, step)
    right = functional.interpolate(picture(), (8, 8), mode="bilinear", align_corners=corners)
    torch.testing.assert_close(output, right)


def test_a_custom_transposed_convolution_paints_blocks():
    kernel = np.random.default_rng(0).normal(size=(1, 2, 2, 3)).astype(np.float32)
    constants = {1: kernel, 2: np.array([0.5], np.float32)}
    step = Step(code="Convolution2DTransposeBias", inputs=(0, 1, 2), output=3)
    output = run([(1, 4, 4, 3), kernel.shape, (1,), (1, 8, 8, 1)], constants, step)
    blocks = torch.einsum("bchw,ijc->bhiwj", picture(), torch.from_numpy(kernel[0])).reshape(2, 1, 8, 8)
    torch.testing.assert_close(output, blocks + 0.5)


def test_what_is_not_supported_is_refused():
    part = write_options("Pool2D", FilterHeight=2, FilterWidth=2, StrideH=2, StrideW=2)
    neither = write_options("ResizeBilinear", AlignCorners=False, HalfPixelCenters=False)
    for step, sentence in (
        (Step(code=CODES.AVERAGE_POOL_2D, inputs=(0,), output=2, options=part), "a mean .* is not of a whole map"),
        (Step(code=CODES.RESIZE_BILINEAR, inputs=(0, 1), output=2, options=neither), "resized in a way"),
        (Step(code=CODES.GELU, inputs=(0,), output=2), r"net\.tflite has an operator that is not supported \(150\)"),
        (Step(code="Other", inputs=(0,), output=2), r"not supported \(Other\): get the official file"),
    ):
        with pytest.raises(ReenactError, match=sentence):
            run([(1, 4, 4, 3), (2,), (1, 8, 8, 3)], {1: LARGER}, step)
