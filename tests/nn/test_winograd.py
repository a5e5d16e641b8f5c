"""Convolutions for inference on the processor: the same outputs in both orders of memory, and by fewer products."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reenact.nn import winograd
from reenact.nn.adain import LayerNorm2d, LayerNormUpBlock, normalise_instances
from reenact.nn.fold import FoldedLayerNormUpBlock
from reenact.nn.layout import bring_channels_inside, has_inner_channels
from reenact.nn.winograd import WinogradConv, use_winograd


def conv_of(kernel: int, padding: int, bias: bool) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(8, 70, kernel, padding=padding, bias=bias).requires_grad_(False)


@pytest.mark.parametrize(("kernel", "padding", "bias"), [(3, 1, True), (3, 0, False), (2, 1, True), (2, 0, True)])
@pytest.mark.parametrize("size", [(2, 16, 16), (3, 9, 14), (1, 33, 6)], ids=str)
@pytest.mark.parametrize(("strip", "threads"), [(1, 1), (5, 2), (128, 2)])
def test_tiles_give_the_outputs_of_the_convolution(kernel, padding, bias, size, strip, threads, monkeypatch):
    monkeypatch.setattr(winograd, "STRIP", strip)
    monkeypatch.setattr(winograd, "LEAST_STRIP", 1)
    monkeypatch.setattr(winograd, "LEAST_TILES", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    conv = conv_of(kernel, padding, bias)
    x = torch.randn(size[0], 8, *size[1:])
    for order in (torch.contiguous_format, torch.channels_last):
        tiled = WinogradConv(conv)(x.contiguous(memory_format=order))
        assert has_inner_channels(tiled)
        torch.testing.assert_close(tiled, conv(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kernel", [(3, 3, 3), (3, 2, 2), (1, 3, 3)])
@pytest.mark.parametrize("strip", [1, 128])
def test_tiles_give_the_outputs_of_a_convolution_of_volumes(kernel, strip, monkeypatch):
    monkeypatch.setattr(winograd, "STRIP", strip)
    monkeypatch.setattr(winograd, "LEAST_STRIP", 1)
    monkeypatch.setattr(winograd, "LEAST_TILES", 1)
    torch.manual_seed(0)
    conv = nn.Conv3d(8, 6, kernel, padding=(kernel[0] // 2, 1, 1)).requires_grad_(False)
    x = torch.randn(2, 8, 5, 9, 14)
    torch.testing.assert_close(WinogradConv(conv)(x), conv(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("order", ["outer", "inner"])
def test_small_maps_are_not_tiled(order):
    for conv, size in ((conv_of(3, 1, True), (16, 16)), (nn.Conv3d(8, 6, 3, padding=1), (5, 8, 8))):
        tiled, x = WinogradConv(conv.requires_grad_(False)), torch.randn(3, 8, *size)  # 48 and 60 tiles
        inside = bring_channels_inside(x) if order == "inner" else x
        torch.testing.assert_close(tiled(inside), conv(x), atol=1e-6, rtol=1e-5)
        assert tiled._tile_weights is None


def test_gradients_and_other_precisions_are_the_convolutions_own():
    conv = conv_of(3, 1, True)
    fast, x = WinogradConv(conv), torch.randn(1, 8, 32, 32, requires_grad=True)
    assert torch.equal(fast(x), conv(x))
    assert fast(x).requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fast(x.detach()), conv(x.detach()))


@torch.no_grad()
def test_mixed_precision_tiles_the_widest_alone():
    """A convolution in bfloat16 takes half the time, and tiles lose digits in it: they stay in 32 bits."""
    torch.manual_seed(0)
    x = torch.randn(1, 160, 32, 32)
    for width, is_tiled in ((128, False), (160, True)):
        conv = nn.Conv2d(160, width, 3, padding=1)
        exact = conv(x)
        with torch.autocast("cpu", torch.bfloat16):
            plain, result = conv(x), WinogradConv(conv)(x.bfloat16())
        assert result.dtype == torch.bfloat16
        assert torch.equal(result, plain) != is_tiled
        torch.testing.assert_close(result.float(), exact, atol=0.02, rtol=0)


def test_a_copy_of_a_used_convolution_convolves_alike():
    for size in (8, 32):
        fast, x = WinogradConv(conv_of(3, 1, True)), torch.randn(1, 8, size, size)
        result = fast(x)
        assert torch.equal(copy.deepcopy(fast)(x), result)


def test_wide_plain_convolutions_alone_are_replaced():
    block = nn.Sequential(
        nn.Conv2d(128, 128, 3, padding=1),
        nn.Sequential(nn.Conv2d(128, 256, 2, padding=1)),
        nn.Conv3d(64, 64, 3, padding=1),
        nn.Conv2d(128, 128, 3, padding=1, stride=2),
        nn.Conv2d(128, 32, 3, padding=1),
        nn.Conv2d(128, 128, 7, padding=3),
        nn.Conv2d(128, 128, 3, padding=1, groups=2),
        nn.Conv3d(64, 64, 3, padding=(0, 1, 1)),
    )
    use_winograd(block)
    replaced = [isinstance(layer, WinogradConv) for layer in (block[0], block[1][0], *block[2:])]
    assert replaced == [True, True, True, False, False, False, False, False]


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
