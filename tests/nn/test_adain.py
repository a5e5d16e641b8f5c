"""Mapping, warping and modulated blocks: sizes of the published network, and the share that a source alone decides."""

import pytest
import torch
from torch import nn

from reenact.nn.adain import (
    AdaIN,
    AdaINResBlock,
    LayerNorm2d,
    LayerNormBlock,
    LayerNormDownBlock,
    LayerNormUpBlock,
    initialise_normal,
)
from reenact.nn.warping import MappingNetwork, WarpingNetwork, count_frames


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_mapping_network_has_the_published_sizes():
    assert [count(MappingNetwork(inputs).first) for inputs in (70, 73)] == [125_696, 131_072]
    network = MappingNetwork(73)
    assert [count(network.get_submodule(f"encoder{i}")) for i in range(3)] == [196_864] * 3
    assert count_frames(0, 3) == 25
    assert network(torch.zeros(2, 73, 27)).shape == (2, 256)


def test_the_warping_network_has_the_published_sizes():
    network = WarpingNetwork(out_channels=5)
    encoder, decoder = network.hourglass.encoder, network.hourglass.decoder
    assert count(encoder.input_layer) == 4_736
    halvings = [160_320, 394_112, 1_279_488, 1_836_800, 1_836_800]
    assert [count(encoder.get_submodule(f"encoder{i}")) for i in range(5)] == halvings
    assert [count(decoder.get_submodule(f"decoder{i}")) for i in (4, 3, 2)] == [2_067_072, 3_378_816, 1_723_392]
    assert count(network.flow_out) == 63_237
    assert count(WarpingNetwork().flow_out) == 25_602
    assert round((count(network) + count(MappingNetwork(70))) / 1e6, 2) == 13.46


def test_blocks_of_the_editing_network_have_the_published_sizes():
    blocks = {
        LayerNormBlock(6, 64, 7): 19_008,
        LayerNormDownBlock(64, 128): 74_112,
        LayerNormUpBlock(256, 128): 295_296,
        LayerNormBlock(256, 256): 590_592,
        AdaINResBlock(256, 256): 2_756_096 // 2 - (256 * 256 * 9 + 256) - count(AdaIN(256, 256)),
    }
    for block, size in blocks.items():
        assert count(block) == size
    x = torch.zeros(2, 64, 8, 8)
    assert LayerNormDownBlock(64, 128)(x).shape == (2, 128, 4, 4)
    assert LayerNormUpBlock(64, 32)(x).shape == (2, 32, 16, 16)


def test_norms_are_what_their_formulas_say():
    torch.manual_seed(0)
    x, code = 3 + 2 * torch.randn(2, 4, 5, 6), torch.randn(2, 7)
    norm = LayerNorm2d(4)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    shape = x.shape[1:]
    per_channel = norm.weight.view(-1, 1, 1), norm.bias.view(-1, 1, 1)
    wanted = nn.functional.layer_norm(x, shape, *(value.expand(shape) for value in per_channel))
    torch.testing.assert_close(norm(x), wanted, atol=1e-5, rtol=0)
    adain = AdaIN(4, 7)
    hidden = adain.mlp_shared(code)
    mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
    gamma, beta = adain.mlp_gamma(hidden)[..., None, None], adain.mlp_beta(hidden)[..., None, None]
    torch.testing.assert_close(adain(x, code), (x - mean) / (var + 1e-5).sqrt() * (1 + gamma) + beta)


@torch.no_grad()
@pytest.mark.parametrize("side", [64, 96])
def test_the_flow_is_at_a_quarter_of_the_size_in_pixels_of_its_grid(side):
    network = WarpingNetwork(8, 4, 8, 4, 2, out_channels=5)
    head = network.flow_out[2]
    nn.init.zeros_(head.weight)
    head.bias.copy_(torch.arange(5.0))
    maps = network(torch.rand(1, 3, side, side), torch.rand(1, 8))
    assert maps.shape == (1, 5, side // 4, side // 4)
    assert maps[0, :, 0, 0].tolist() == pytest.approx([0, 2 / (side // 4 - 1), 2, 3, 4])


@torch.no_grad()
def test_one_source_serves_several_codes():
    torch.manual_seed(0)
    network = WarpingNetwork(8, 4, 8, 3, 1)
    image, codes = torch.rand(1, 3, 32, 32), torch.randn(3, 8)
    together = network.continue_from(network.begin(image), codes)
    for row in range(3):
        torch.testing.assert_close(together[row : row + 1], network(image, codes[row : row + 1]))


def test_initialisation_draws_weights_and_clears_biases():
    torch.manual_seed(0)
    network = WarpingNetwork(64, 16, 64, 3, 1)
    initialise_normal(network, 0.02)
    block = network.hourglass.encoder.get_submodule("encoder2")
    assert block.conv_1.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not block.conv_1.bias.any()
    assert torch.equal(network.flow_out[0].weight, torch.ones(network.hourglass.channels_out))
