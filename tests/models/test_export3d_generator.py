"""Export3D's generator of tri-planes, their average, and super-resolution."""

from dataclasses import replace

import pytest
import torch

from reenact.errors import ReenactError
from reenact.models.export3d.discriminator import CameraDiscriminator, DiscriminatorConfig, append_spread
from reenact.models.export3d.generator import (
    GeneratorConfig,
    PlaneAverage,
    SuperResolution,
    TriplaneGenerator,
    enlarge_maps,
    shuffle_tokens,
)
from reenact.models.export3d.scaled import ScaledConv2d
from reenact.models.export3d.transformer import CrossBlock, ModulatedBlock, ViTBlock

SMALL = GeneratorConfig(stem=[4, 8, 8, 8], tokens=16, heads=2, blocks=2, low=8, code=6, channels=4)


def count_parameters(module: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


def test_sizes_are_those_of_the_paper():
    with torch.device("meta"):
        generator, image = TriplaneGenerator(GeneratorConfig()), torch.zeros(2, 3, 256, 256)
        assert count_parameters(generator) == pytest.approx(66.8, abs=0.1)
        assert generator.stem(image).shape == (2, 256, 32, 32)
        tokens, details = generator.encode(image)
        assert tokens.shape == (2, 256, 1024)
        assert details.shape == (2, 0, 128, 128)
        assert generator(image, torch.zeros(2, 256)).shape == (2, 3, 32, 128, 128)
        assert count_parameters(SuperResolution()) == pytest.approx(0.30, abs=0.01)
        assert SuperResolution()(torch.zeros(2, 32, 64, 64), 256)[0].shape == (2, 3, 256, 256)


@pytest.mark.parametrize("block_type", [ModulatedBlock, CrossBlock])
def test_a_block_begins_as_a_plain_one(block_type):
    torch.manual_seed(0)
    block, plain = block_type(8, 2, 2, 3), ViTBlock(8, 2, 2)
    block.begin_plain()
    plain.load_state_dict({**block.state_dict(), **plain.norms.state_dict(prefix="norms.")}, strict=False)
    tokens, code = torch.randn(2, 16, 8), torch.randn(2, 3)
    code = code if block_type is ModulatedBlock else code[:, None].expand(-1, 4, -1)
    torch.testing.assert_close(block(tokens, (4, 4), code), plain(tokens, (4, 4)))


def test_the_code_sets_scale_and_shift_of_both_norms():
    torch.manual_seed(0)
    block, tokens, code = ModulatedBlock(8, 2, 2, 3), torch.randn(2, 16, 8), torch.randn(2, 3)
    block.begin_plain()
    plain = block(tokens, (4, 4), code)
    for part in range(4):
        block.begin_plain()
        with torch.no_grad():
            block.modulation.bias[8 * part : 8 * part + 8] = torch.randn(8)
        assert not torch.allclose(block(tokens, (4, 4), code), plain)


def test_tokens_attend_to_each_vector_of_the_code_in_any_order():
    torch.manual_seed(0)
    block, tokens, vectors = CrossBlock(8, 2, 2, 3), torch.randn(1, 16, 8), 5 * torch.randn(1, 4, 3)
    mixed = block(tokens, (4, 4), vectors)
    torch.testing.assert_close(block(tokens, (4, 4), vectors.flip(1)), mixed)
    assert not torch.allclose(block(tokens, (4, 4), vectors[:, :3]), mixed)


def test_attention_is_the_formula():
    torch.manual_seed(0)
    attention, tokens = ViTBlock(8, 2, 2).attention, torch.randn(1, 9, 8)
    queries, keys, values = attention.query(tokens), *attention.key_value(tokens).chunk(2, -1)
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        weights = (queries[..., head] @ keys[..., head].mT / 4**0.5).softmax(-1)
        heads.append(weights @ values[..., head])
    torch.testing.assert_close(attention(tokens, (3, 3)), attention.out(torch.cat(heads, -1)))


def test_shuffled_tokens_keep_their_mean_and_their_order():
    tokens = torch.zeros(1, 16, 4)
    assert torch.allclose(shuffle_tokens(tokens + 3, (4, 4)), torch.full((1, 1, 8, 8), 3.0))
    tokens[0, 6, 1] = 1  # row 1, column 2 of the map, the upper right of its four pixels
    shuffled = shuffle_tokens(tokens, (4, 4))[0, 0]
    assert shuffled.sum() == pytest.approx(1)
    assert divmod(int(shuffled.argmax()), 8) == (2, 5)


def test_planes_lie_upside_down_and_read_the_code():
    """A change at the top of the picture changes the last rows of the planes, where y is largest, the most."""
    torch.manual_seed(0)
    generator = TriplaneGenerator(SMALL).eval()
    image, code = torch.randn(1, 3, 64, 64), torch.randn(1, 6)
    planes = generator(image, code)
    assert planes.shape == (1, 3, 4, 32, 32)
    changed = image.clone()
    changed[..., :8, :] += 1
    rows = (generator(changed, code) - planes).abs().mean((0, 1, 2, 4))
    assert rows[-8:].mean() > 1.5 * rows[:8].mean()
    assert torch.equal(generator(image, code + 1), planes)  # before training, see the block's test
    for block in generator.blocks:
        torch.nn.init.normal_(block.modulation.weight)
    assert not torch.allclose(generator(image, code + 1), generator(image, code))


def test_details_and_finer_planes_are_options():
    torch.manual_seed(0)
    generator = TriplaneGenerator(replace(SMALL, details=5, plane_scale=2)).eval()
    image, code = torch.randn(1, 3, 64, 64), torch.randn(1, 6)
    tokens, details = generator.encode(image)
    assert details.shape == (1, 5, 32, 32)
    planes = generator.decode(tokens, details, code)
    assert planes.shape == (1, 3, 4, 64, 64)
    assert not torch.allclose(generator.decode(tokens, torch.zeros_like(details), code), planes)


def test_a_code_reaches_its_place_in_the_planes_by_maps():
    """The layer has one weight here, of the grid's first row and ninth column: y is largest in the planes' last row."""
    torch.manual_seed(0)
    generator = TriplaneGenerator(replace(SMALL, details=5, expression_maps=2)).eval()
    weight = generator.maps.layer.weight
    with torch.no_grad():
        weight.zero_()
        weight[8] = 1
    image, code = torch.randn(1, 3, 64, 64), torch.rand(1, 6)
    changes = (generator(image, code + 1) - generator(image, code)).abs().sum((0, 1, 2))
    assert changes.sum() > 0
    torch.testing.assert_close(changes[-6:, 11:24].sum(), changes.sum())
    attending = TriplaneGenerator(replace(SMALL, conditioning="attention", expression_maps=2)).eval()
    assert attending(image, torch.rand(1, 3, 6)).shape == (1, 3, 4, 32, 32)


def test_the_average_is_of_the_generators_output_and_joins_the_next_step():
    average = PlaneAverage((3, 1, 2, 2), decay=0.9)
    planes = [torch.full((2, 3, 1, 2, 2), value, requires_grad=True) for value in (1.0, 2.0)]
    assert torch.equal(average(planes[0]), planes[0])
    torch.testing.assert_close(average.mean, torch.full((3, 1, 2, 2), 0.1))
    total = average(planes[1])
    torch.testing.assert_close(total, torch.full_like(total, 2.1))
    torch.testing.assert_close(average.mean, torch.full((3, 1, 2, 2), 0.29))
    total.sum().backward()
    assert torch.equal(planes[1].grad, torch.ones_like(planes[1]))
    assert planes[0].grad is None
    assert not average.mean.requires_grad
    average.eval()
    torch.testing.assert_close(average(planes[0]), planes[0] + 0.29)
    torch.testing.assert_close(average.mean, torch.full((3, 1, 2, 2), 0.29))


def test_enlarged_maps_are_eg3ds_filter():
    x = torch.zeros(1, 2, 4, 4)
    x[0, 1, 1, 2] = 1
    row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    enlarged = enlarge_maps(x)
    assert torch.equal(enlarged[0, 0], torch.zeros(8, 8))
    torch.testing.assert_close(enlarged[0, 1, 1:5, 3:7], row[:, None] * row)
    assert enlarged.sum() == pytest.approx(4)


def test_the_discriminator_has_the_official_size_and_reads_the_camera():
    with torch.device("meta"):
        discriminator = CameraDiscriminator(DiscriminatorConfig(), 256, 25)
        assert count_parameters(discriminator) == pytest.approx(31.24, abs=0.01)
        assert discriminator(torch.zeros(8, 3, 256, 256), torch.zeros(8, 25)).shape == (8, 1)
    torch.manual_seed(0)
    discriminator = CameraDiscriminator(DiscriminatorConfig(base=128, largest=8, layers=2), 32, 15)
    image, label = torch.randn(4, 3, 32, 32), torch.randn(4, 15)
    assert not torch.allclose(discriminator(image, label), discriminator(image, label + torch.randn(4, 15)))
    with pytest.raises(ReenactError, match=r"needs pictures of 2\^n pixels, not 96"):
        CameraDiscriminator(DiscriminatorConfig(), 96, 15)


def test_the_spread_is_that_of_groups_of_four():
    x = torch.zeros(8, 1, 1, 1)
    x[0] = 4  # the group of the rows 0, 2, 4, 6
    spread = append_spread(x)[:, 1, 0, 0]
    torch.testing.assert_close(spread, torch.tensor([3**0.5, 1e-4] * 4))


def test_halved_maps_of_a_constant_are_constant_within():
    conv = ScaledConv2d(1, 1, 3, active=False, halves=True)
    torch.nn.init.ones_(conv.weight)
    halved = conv(torch.ones(1, 1, 16, 16))
    assert halved.shape == (1, 1, 8, 8)
    torch.testing.assert_close(halved[..., 2:-2, 2:-2], torch.full((1, 1, 4, 4), 3.0))
