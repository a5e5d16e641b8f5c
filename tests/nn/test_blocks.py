"""Shared blocks against the values of PWM's released code, and their folded forms against themselves."""

import copy

import pytest
import torch
from safetensors.torch import load_file

from reenact.nn import fold
from reenact.nn.adain import LayerNormUpBlock
from reenact.nn.blocks import DownBlock, SameBlock, SpadeResBlock, UpBlock
from reenact.nn.conv import SpectralConv2d
from reenact.nn.fold import FoldedUpBlock, fold_blocks
from reenact.nn.resample import AntiAliasDown, build_gaussian, identity_grid, warp


@pytest.fixture(scope="module")
def tensors(parity):
    wanted = ("spade_block/", "warp/", "aa_down/", "disp_up/")
    return {k: v for k, v in load_file(parity / "pwm.safetensors").items() if k.startswith(wanted)}


def test_spade_block_gives_the_official_output(tensors):
    block = SpadeResBlock(12, 6, 5, 8).eval()
    prefix = "spade_block/state/"
    block.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    y = block(tensors["spade_block/input/x"], tensors["spade_block/input/mod"])
    torch.testing.assert_close(y, tensors["spade_block/output/y"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["warped", "zero_disp"])
def test_warp_gives_the_official_output(tensors, name):
    displacement = tensors["warp/input/disp"] * (name == "warped")
    warped = warp(tensors["warp/input/feat"], displacement, grid="centres")
    torch.testing.assert_close(warped, tensors[f"warp/output/{name}"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_low_pass_gives_the_official_output(tensors, factor):
    reduced = AntiAliasDown(factor)(tensors["aa_down/input/x"])
    torch.testing.assert_close(reduced, tensors[f"aa_down/output/x{factor}"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("factor", [8, 16, 32])
def test_low_pass_kernel_is_the_official_one(tensors, factor):
    kernel = build_gaussian(factor)
    wanted = tensors[f"aa_down/kernel_1ch/x{factor}"]
    torch.testing.assert_close(torch.outer(kernel, kernel), wanted, atol=1e-8, rtol=1e-5)


def test_low_pass_of_factor_one_is_the_identity():
    x = torch.rand(1, 2, 5, 7)
    assert torch.equal(AntiAliasDown(1)(x), x)


def test_zero_displacement_is_the_identity_between_edges():
    image = torch.rand(2, 3, 8, 12)
    torch.testing.assert_close(warp(image, torch.zeros(2, 2, 8, 12)), image, atol=1e-5, rtol=0)


def test_displacement_points_from_driving_to_source_right_and_down():
    image = torch.rand(1, 1, 8, 8)
    displacement = torch.zeros(1, 2, 8, 8)
    displacement[:, 0], displacement[:, 1] = 2 / 8, 4 / 8  # one pixel right, two down
    torch.testing.assert_close(warp(image, displacement)[..., :6, :7], image[..., 2:, 1:], atol=1e-5, rtol=0)


def test_identity_grid_of_both_conventions():
    like = torch.zeros(1)
    torch.testing.assert_close(identity_grid(2, 4, like)[0, :, 0], torch.tensor([-0.75, -0.25, 0.25, 0.75]))
    torch.testing.assert_close(identity_grid(3, 2, like, "centres")[:, 0, 1], torch.tensor([-1.0, 0.0, 1.0]))


def test_spectral_conv_follows_the_hook_of_torch():
    ours = SpectralConv2d(3, 5, 3, padding=1)
    plain = torch.nn.Conv2d(3, 5, 3, padding=1)
    hooked = torch.nn.utils.spectral_norm(plain)
    hooked.load_state_dict(ours.state_dict())
    for _ in range(2):
        x = torch.randn(2, 3, 6, 6)
        a, b = ours(x), hooked(x)
        torch.testing.assert_close(a, b)
        a.square().sum().backward()
        b.square().sum().backward()
    torch.testing.assert_close(ours.weight_orig.grad, hooked.weight_orig.grad)
    torch.testing.assert_close(ours.weight_u, hooked.weight_u)


@pytest.mark.parametrize(
    "block",
    [SameBlock(4, 6), DownBlock(4, 6), DownBlock(4, 6, 4, 2), UpBlock(4, 6), LayerNormUpBlock(4, 6)],
    ids=repr,
)
def test_folded_block_gives_the_same_output(block):
    torch.manual_seed(0)
    block = torch.nn.Sequential(randomised(block)).double()
    x = torch.randn(2, 4, 10, 8, dtype=torch.float64)
    torch.testing.assert_close(fold_blocks(copy.deepcopy(block))(x), block(x))


@pytest.mark.parametrize("most_weights", [0, 2**17], ids=["doubled", "phases"])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kind", [SameBlock, DownBlock, UpBlock])
def test_folded_blocks_of_volumes_give_the_same_output(kind, precision, most_weights, monkeypatch):
    monkeypatch.setattr(fold, "MOST_VOLUME_WEIGHTS", most_weights)
    torch.manual_seed(0)
    block = torch.nn.Sequential(randomised(kind(4, 6, conv=torch.nn.Conv3d))).to(precision)
    x = torch.randn(2, 4, 3, 6, 8, dtype=precision)
    folded = fold_blocks(copy.deepcopy(block))
    assert isinstance(folded[0], FoldedUpBlock) == (kind is UpBlock and most_weights > 0)
    for maps in (x, x.contiguous(memory_format=torch.channels_last_3d)):
        torch.testing.assert_close(folded(maps), block(x), atol=1e-5, rtol=1e-5)


def test_folded_spade_block_gives_the_same_output():
    torch.manual_seed(0)
    holder = torch.nn.ModuleDict({"block": randomised(SpadeResBlock(8, 4, 3, 5))})
    x, modulation = torch.randn(2, 8, 6, 6), torch.randn(2, 3, 6, 6)
    wanted = holder["block"](x, modulation)
    torch.testing.assert_close(fold_blocks(copy.deepcopy(holder))["block"](x, modulation), wanted, atol=1e-4, rtol=1e-4)


def randomised(block):
    """The block in evaluation mode with running statistics and affine parameters that matter."""
    for module in block.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                torch.nn.init.normal_(module.weight)
                torch.nn.init.normal_(module.bias)
    return block.eval()
