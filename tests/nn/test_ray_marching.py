"""Tri-planes and volume rendering: EG3D's numbers, integrals that are known, and gradients."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from reenact.nn import ray_marching
from reenact.nn.ray_marching import (
    Rays,
    RaySampling,
    draw_depths,
    limit_rays,
    render_rays,
    spread_depths,
    weigh_intervals,
)
from reenact.nn.triplane import RadianceDecoder, ScaledLinear, sample_planes
from reenact.nn.whole_batch import BatchDraws

Decoder = Callable[[Tensor], tuple[Tensor, Tensor]]
SAMPLING = RaySampling(coarse=12, fine=12)
NOTHING = -1000.0
"""Density before the softplus that stops no light, also where it is averaged with any other."""


class StoredDraws:
    """The random numbers that the official code drew, in their order."""

    def __init__(self, *numbers: Tensor) -> None:
        self.numbers: Iterator[Tensor] = iter(numbers)

    def uniform(self, *shape: int) -> Tensor:
        return next(self.numbers).view(shape)


@pytest.fixture(scope="module")
def official(parity) -> dict[str, Tensor]:
    return load_file(parity / "eg3d_render.safetensors")


@pytest.fixture(scope="module")
def decoder(official) -> RadianceDecoder:
    """The official decoder, whose two last layers are one."""
    network = RadianceDecoder()
    last, bias = official["mlp_fc2_weight"], official["mlp_fc2_bias"]
    layers = {"hidden": (official["mlp_fc1_weight"], official["mlp_fc1_bias"])}
    layers |= {"density": (last[:1], bias[:1]), "colour": (last[1:], bias[1:])}
    state = {f"{name}.weight": weight * weight.shape[1] ** 0.5 for name, (weight, _) in layers.items()}
    network.load_state_dict(state | {f"{name}.bias": bias for name, (_, bias) in layers.items()})
    return network.requires_grad_(False)


def joint_decoder(official: dict[str, Tensor]) -> Decoder:
    """The official decoder in the official order of sums: the last layer as one, whose density reaches 26 here."""

    def decode(features: Tensor) -> tuple[Tensor, Tensor]:
        hidden = functional.softplus(functional.linear(features, official["mlp_fc1_weight"], official["mlp_fc1_bias"]))
        values = functional.linear(hidden, official["mlp_fc2_weight"], official["mlp_fc2_bias"])
        return values[..., :1], values[..., 1:].sigmoid() * 1.002 - 0.001

    return decode


@pytest.fixture(scope="module")
def rays(official) -> Rays:
    origins, directions = official["ray_origins"], official["ray_directions"]
    return Rays(origins, directions, torch.full((2, 64), 2.25), torch.full((2, 64), 3.3))


def near(result: Tensor, official: Tensor, error: float = 1e-5) -> None:
    torch.testing.assert_close(result, official.view(result.shape), atol=error, rtol=0)


def test_features_and_decoder_are_eg3ds(official, decoder):
    features = sample_planes(official["planes"], official["sample_xyz"], axes="released")
    near(features, official["sample_features"])
    density, colour = decoder(features.mean(1))
    near(density, official["sample_sigma"], 1e-4)  # of up to 26
    near(colour, official["sample_rgb"])


def test_weights_are_scaled_where_they_are_used():
    torch.manual_seed(0)
    layer, inputs = ScaledLinear(400, 300), torch.randn(10, 400)
    assert abs(layer.weight.std() - 1) < 0.01
    torch.testing.assert_close(layer(inputs), inputs @ layer.weight.T / 20)


def test_the_corrected_third_plane_has_z_and_y():
    plane = torch.arange(8.0) + 10 * torch.arange(8.0)[:, None]  # column + 10 row
    planes = plane.expand(1, 3, 1, 8, 8)
    point = torch.tensor([[[0.0625, 0.1875, -0.3125]]])  # the centres of columns 4, 5 and 1
    assert sample_planes(planes, point)[0, :, 0, 0].tolist() == pytest.approx([54, 14, 51])


def test_places_of_samples_are_eg3ds(official, rays):
    depths = spread_depths(rays, 12, StoredDraws(official["u_coarse"]))
    near(depths, official["depths_coarse"])
    points = rays.locate(depths).flatten(1, 2)
    near(points[:, :96], official["sample_xyz"])
    density, _ = joint_decoder(official)(sample_planes(official["planes"], points, axes="released").mean(1))
    weights = weigh_intervals(depths, density.view(2, 64, 12))
    near(draw_depths(depths, weights, 12, StoredDraws(official["u_fine"])), official["depths_fine"])


@pytest.mark.parametrize(
    ("suffix", "axes", "fine"),
    [("", "released", 12), ("_fixed_planes", "corrected", 12), ("_coarse_only", "released", 0)],
)
def test_pictures_are_eg3ds(official, decoder, rays, suffix, axes, fine):
    def render(decode: Decoder):
        draws = StoredDraws(official["u_coarse"], official["u_fine"])
        field = lambda points: decode(sample_planes(official["planes"], points, axes=axes).mean(1))  # noqa: E731
        return render_rays(field, rays, RaySampling(coarse=12, fine=fine), draws)

    # A density that is summed in another order moves the fine samples by more than the error of the sums.
    for decode, error in ((joint_decoder(official), 1e-5), (decoder, 1e-4)):
        result = render(decode)
        near(result.colour, official[f"rgb{suffix}"], error)
        near(result.depth, official[f"depth{suffix}"], error)
        near(result.opacity, official[f"weight_sum{suffix}"], error)


def test_limits_of_rays_are_eg3ds(official):
    limits = limit_rays(official["ray_origins"], official["ray_directions"], 1.0)
    near(limits.near, official["box_near"])
    near(limits.far, official["box_far"])


def test_rays_beside_the_box_have_no_length():
    origins = torch.tensor([[[0.7, 0.0, 2.0], [0.5, 0.0, 2.0], [0.0, 0.0, 2.0], [0.0, 0.0, 2.0]]])
    ahead, aside = [0.0, 0.0, -1.0], [0.6, 0.0, -0.8]
    limits = limit_rays(origins, torch.tensor([[ahead, ahead, ahead, aside]]), 1.0)
    assert limits.near[0].tolist() == pytest.approx([2.0, 2.0, 1.5, 1.6])
    assert limits.far[0].tolist() == pytest.approx([2.0, 2.0, 2.5, 1.6])
    field = lambda points: (10 + 0 * points[..., :1], torch.ones_like(points))  # noqa: E731
    result = render_rays(field, limits, SAMPLING)
    assert (result.opacity[0] > 0).tolist() == [False, False, True, False]
    assert result.depth[0, [0, 3]].tolist() == pytest.approx([2.0, 1.6])
    assert torch.equal(result.colour[0, 0], torch.full((3,), -1.0))


def parallel_rays(size: int) -> Rays:
    """Rays along -z through the pixels of a square of side 1, limited to the box of side 1."""
    place = (torch.arange(size) + 0.5) / size - 0.5
    x, y = torch.meshgrid(place, place, indexing="xy")
    origins = torch.stack([x, y, torch.full_like(x, 2.0)], -1).view(1, -1, 3)
    return limit_rays(origins, torch.tensor([0.0, 0.0, -1.0]).expand_as(origins), 1.0)


def raw_density(density: float) -> float:
    """Value whose `softplus(value - 1)` is a density."""
    return 1 + math.log(math.expm1(density))


def test_a_sphere_of_constant_density_has_its_integral():
    rays, radius, density = parallel_rays(16), 0.4, 4.0

    def field(points):
        inside = torch.linalg.vector_norm(points, dim=-1, keepdim=True) < radius
        return torch.where(inside, raw_density(density), NOTHING), torch.ones_like(points)

    result = render_rays(field, rays, RaySampling())
    distance = torch.linalg.vector_norm(rays.origins[..., :2], dim=-1)
    chord = 2 * (radius**2 - distance.square()).clamp_min(0).sqrt()
    exact = 1 - torch.exp(-density * chord)
    assert abs(result.opacity.sum() / exact.sum() - 1) < 0.01
    assert ((result.opacity / exact)[chord > 0.5] - 1).abs().max() < 0.02
    torch.testing.assert_close(result.colour[..., 0], 2 * result.opacity - 1)


def test_a_slab_of_two_colours_has_its_integral():
    rays, density, edge = parallel_rays(4), 5.0, 0.25

    def field(points):
        z = points[..., 2:]
        front = (z > 0).to(points)
        return torch.where(z.abs() < edge, raw_density(density), NOTHING), torch.cat([front, 1 - front], -1)

    # Where density has a step, the interval that crosses it is empty: with EG3D's numbers the first colour lacks 3 %.
    result = render_rays(field, rays, RaySampling(coarse=192, fine=192))
    half = math.exp(-density * edge)
    exact = torch.tensor([1 - half, half * (1 - half)])
    assert ((result.colour[0] + 1) / 2 / exact - 1).abs().max() < 0.01
    # Mean of an exponential distribution that ends after the slab, which begins 1.75 before the origins.
    mean = 1.75 + 1 / density - 2 * edge * half**2 / (1 - half**2)
    assert (result.depth / mean - 1).abs().max() < 0.01


@pytest.mark.parametrize("fine", [0, 5])
def test_gradients_are_those_of_finite_differences(fine):
    """The places of fine samples depend on the density and have no gradient, so that only the colours are compared."""
    torch.manual_seed(0)
    decoder = RadianceDecoder(2, 4, 2).double()
    planes = torch.randn(1, 3, 2, 4, 4, dtype=torch.double)
    origins = torch.tensor([[[0.1, -0.2, 2.0], [-0.15, 0.05, 2.0]]], dtype=torch.double)
    directions = torch.tensor([0.05, 0.02, -1.0], dtype=torch.double).expand_as(origins)
    rays = limit_rays(origins, directions, 1.0)

    def render(planes, colour, density):
        weights = {"colour.weight": colour, "density.weight": density}

        def field(points):
            features = sample_planes(planes, points).mean(1)
            return torch.func.functional_call(decoder, weights, (features,))

        result = render_rays(field, rays, RaySampling(coarse=6, fine=fine))
        return result if fine == 0 else result.colour

    trained = fine == 0
    inputs = (
        planes.requires_grad_(trained),
        decoder.colour.weight.detach().clone().requires_grad_(),
        decoder.density.weight.detach().clone().requires_grad_(trained),
    )
    assert torch.autograd.gradcheck(render, inputs)


def test_random_places_come_from_the_generator_and_fixed_ones_without_it(official, decoder, rays):
    def render(seed):
        field = lambda points: decoder(sample_planes(official["planes"], points).mean(1))  # noqa: E731
        draws = None if seed is None else BatchDraws(torch.Generator().manual_seed(seed))
        return render_rays(field, rays, SAMPLING, draws).colour

    assert torch.equal(render(None), render(None))
    assert torch.equal(render(1), render(1))
    assert not torch.equal(render(1), render(2))
    assert not torch.equal(render(1), render(None))


def test_images_of_a_batch_do_not_mix(official, decoder, rays):
    def render(planes, rays):
        return render_rays(lambda points: decoder(sample_planes(planes, points).mean(1)), rays, SAMPLING)

    together = render(official["planes"], rays)
    for row in range(2):
        one = slice(row, row + 1)
        alone = render(official["planes"][one], Rays(*(value[one] for value in rays)))
        for result, whole in zip(alone, together, strict=True):
            torch.testing.assert_close(result, whole[one], atol=1e-6, rtol=0)


def test_rays_are_rendered_in_pieces_without_gradients(official, decoder, rays, monkeypatch):
    counts = []

    def field(points):
        counts.append(points.shape[1])
        return decoder(sample_planes(official["planes"], points).mean(1))

    whole = render_rays(field, rays, RaySampling(coarse=12, fine=4))
    assert counts == [12 * 64, 4 * 64]
    monkeypatch.setattr(ray_marching, "POINTS", 2 * 16 * 50)
    with torch.no_grad():
        pieces = render_rays(field, rays, RaySampling(coarse=12, fine=4))
    assert counts[2:] == [12 * 50, 4 * 50, 12 * 14, 4 * 14]
    for values, right in zip(pieces, whole, strict=True):
        torch.testing.assert_close(values, right, atol=1e-6, rtol=0)
