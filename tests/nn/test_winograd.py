"""Convolutions for inference on the processor: the same outputs in both orders of memory, and by fewer products."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reenact.nn import winograd
from reenact.nn.adain import LayerNorm2d, LayerNormUpBlock, normalise_instances
from reenact.nn.fold import FoldedLayerNormUpBlock
from reenact.nn.layout import bring_channels_inside, has_inner_channels
from reenact.nn.winograd import WinogradConv2d, use_winograd


def conv_of(kernel: int, padding: int, bias: bool) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(8, 6, kernel, padding=padding, bias=bias).requires_grad_(False)


@pytest.mark.parametrize(("kernel", "padding", "bias"), [(3, 1, True), (3, 0, False), (2, 1, True), (2, 0, True)])
@pytest.mark.parametrize("size", [(2, 16, 16), (3, 9, 14), (1, 33, 6)], ids=str)
@pytest.mark.parametrize("strip", [1, 5, 128])
def test_tiles_give_the_outputs_of_the_convolution(kernel, padding, bias, size, strip, monkeypatch):
    monkeypatch.setattr(winograd, "STRIP", strip)
    conv = conv_of(kernel, padding, bias)
    x = torch.randn(size[0], 8, *size[1:])
    for order in (torch.contiguous_format, torch.channels_last):
        torch.testing.assert_close(
            WinogradConv2d(conv)(x.contiguous(memory_format=order)), conv(x), atol=1e-5, rtol=1e-5
        )


def test_gradients_and_other_precisions_are_the_convolutions_own():
    conv = conv_of(3, 1, True)
    fast, x = WinogradConv2d(conv), torch.randn(1, 8, 8, 8, requires_grad=True)
    assert torch.equal(fast(x), conv(x))
    assert fast(x).requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fast(x.detach()), conv(x.detach()))


@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_wide_plain_convolutions_alone_are_replaced(capability, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    is_fast = capability == "AVX512"
    block = nn.Sequential(
        nn.Conv2d(128, 128, 3, padding=1),
        nn.Sequential(nn.Conv2d(128, 256, 2, padding=1)),
        nn.Conv2d(128, 128, 3, padding=1, stride=2),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.Conv2d(128, 128, 7, padding=3),
        nn.Conv2d(128, 128, 3, padding=1, groups=2),
        nn.Conv2d(256, 512, 3, padding=1),
    )
    use_winograd(block)
    replaced = [isinstance(layer, WinogradConv2d) for layer in (block[0], block[1][0], *block[2:])]
    assert replaced == [not is_fast, not is_fast, False, False, False, False, True]


@pytest.mark.parametrize("norm", ["instance", "layer"])
def test_norms_keep_their_digits_with_inner_channels(norm):
    torch.manual_seed(0)
    x = torch.randn(2, 6, 64, 64) + 30 * torch.randn(1, 6, 1, 1)
    layer = LayerNorm2d(6).requires_grad_(False)
    nn.init.normal_(layer.weight)
    function = normalise_instances if norm == "instance" else layer
    exact = F.instance_norm(x.double()) if norm == "instance" else layer.double()(x.double())
    layer.float()
    inside = bring_channels_inside(x)
    assert has_inner_channels(inside)
    assert has_inner_channels(function(inside))
    torch.testing.assert_close(function(inside).double(), exact, atol=2e-5, rtol=0)


def test_doublings_keep_the_order_of_memory():
    block = LayerNormUpBlock(8, 6).requires_grad_(False)
    x = torch.randn(2, 8, 5, 7)
    folded = FoldedLayerNormUpBlock(block)
    inside = folded(bring_channels_inside(x))
    assert has_inner_channels(inside)
    torch.testing.assert_close(inside, block(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(folded(x), block(x), atol=1e-5, rtol=1e-5)
