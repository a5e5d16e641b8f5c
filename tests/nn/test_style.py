"""Perceptual and style losses against PIRenderer's."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from reenact.nn.losses import PerceptualTerms, to_unit
from reenact.nn.perceptual import VggFeatures
from reenact.nn.style import compare_scales, gram_matrix

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def tensors(parity):
    return load_file(parity / "pirender_losses.safetensors")


@pytest.fixture(scope="module")
def network(tensors):
    """The stand-in of the fixture: five times convolution and ReLU, with poolings between."""
    layers, cuts = [], []
    for i in range(1, 6):
        weight, bias = tensors[f"stack.conv{i}.weight"], tensors[f"stack.conv{i}.bias"]
        conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        conv.load_state_dict({"weight": weight, "bias": bias})
        layers += [*([nn.MaxPool2d(2, 2)] if i > 1 else []), conv, nn.ReLU()]
        cuts.append(len(layers))
    return VggFeatures(nn.Sequential(*layers), cuts, MEAN, STD)


def test_losses_are_those_of_the_released_code(tensors, network):
    fake, real = to_unit(tensors["generated"]), to_unit(tensors["target"])
    content, style = compare_scales(network, network.weights, fake, real, 4, with_style=True)
    torch.testing.assert_close(content, tensors["loss_content"].view(()), atol=1e-5, rtol=0)
    torch.testing.assert_close(style, tensors["loss_style_unweighted"].view(()), atol=1e-5, rtol=0)
    torch.testing.assert_close(content + 250 * style, tensors["loss_total_style250"].view(()), atol=1e-5, rtol=0)
    content, style = compare_scales(network, network.weights, fake, real, 1, with_style=False)
    torch.testing.assert_close(content, tensors["loss_content_scale0_only"].view(()), atol=1e-5, rtol=0)
    assert style is None


def test_features_and_gram_matrices_are_those_of_the_released_code(tensors, network):
    layer = network(to_unit(tensors["generated"]))[2]
    torch.testing.assert_close(layer, tensors["relu_3_1_generated"], atol=1e-5, rtol=0)
    torch.testing.assert_close(gram_matrix(layer), tensors["gram_relu_3_1_generated"], atol=1e-5, rtol=0)


def test_terms_have_names_and_weights():
    fake, real = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).unbind()
    terms = PerceptualTerms("pixels")
    assert terms.compare_scales(fake, real, "final", weight=4.0) == {}
    terms.load()
    plain = terms.compare_scales(fake, real, "final", weight=1.0, style_weight=1.0)
    weighed = terms.compare_scales(fake, real, "final", weight=4.0, style_weight=1000.0)
    assert list(plain) == ["final", "final_style"]
    torch.testing.assert_close(weighed["final"], 4 * plain["final"])
    torch.testing.assert_close(weighed["final_style"], 1000 * plain["final_style"])
    assert list(terms.compare_scales(fake, real, "final", weight=4.0)) == ["final"]
