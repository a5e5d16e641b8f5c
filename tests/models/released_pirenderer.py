"""The forward pass of PIRenderer's released generator, written from its weights alone, and files in its format."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.models.pirenderer.network import PIRenderer

Weights = dict[str, Tensor]


def name_officially(network: PIRenderer) -> Weights:
    """The weights by official names and shapes, with those of the convolutions whose results are discarded."""
    parts = ("mapping_net.", "warpping_net.", "editing_net.")
    weights = {name: value for name, value in network.state_dict().items() if name.startswith(parts)}
    for name in list(weights):
        if name.startswith("editing_net.decoder.res") and ("conv2" in name or "norm2" in name):
            dead = name.replace("conv2", "conv1").replace("norm2", "norm1")
            weights[dead] = torch.full_like(weights[name], 7.0)
        if name.endswith(("model.1.weight", "model.1.bias", "flow_out.0.weight", "flow_out.0.bias")):
            weights[name] = weights[name][:, None, None]
    return weights


def run_generator(w: Weights, image: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Warped and final images (B, 3, H, W) of images and windows (B, K, 27)."""
    code = _map(w, window)
    x = _conv(w, "warpping_net.hourglass.encoder.input_layer", image, padding=3)
    features = [x]
    for i in _numbers(w, "warpping_net.hourglass.encoder.encoder"):
        name = f"warpping_net.hourglass.encoder.encoder{i}"
        x = _conv(w, name + ".conv_0", _leak(_adain(w, name + ".norm_0", x, code)), stride=2, padding=1)
        x = _conv(w, name + ".conv_1", _leak(_adain(w, name + ".norm_1", x, code)), padding=1)
        features.append(x)
    x = features.pop()
    for i in reversed(_numbers(w, "warpping_net.hourglass.decoder.decoder")):
        name = f"warpping_net.hourglass.decoder.decoder{i}"
        y = _conv(w, name + ".conv_0", _leak(_adain(w, name + ".norm_0", x, code)), padding=1)
        y = _transposed(w, name + ".conv_1", _leak(_adain(w, name + ".norm_1", y, code)))
        x = _transposed(w, name + ".conv_s", _leak(_adain(w, name + ".norm_s", x, code))) + y
        x = torch.cat((x, features.pop()), 1)
    flow = _conv(w, "warpping_net.flow_out.2", _leak(_layer_norm(w, "warpping_net.flow_out.0", x)), padding=3)
    warped = _warp(image, flow)
    return warped, _edit(w, image, warped, code)


def _map(w: Weights, window: Tensor) -> Tensor:
    x = F.conv1d(window, w["mapping_net.first.0.weight"], w["mapping_net.first.0.bias"])
    for i in _numbers(w, "mapping_net.encoder"):
        name = f"mapping_net.encoder{i}.1"
        x = F.conv1d(_leak(x), w[name + ".weight"], w[name + ".bias"], dilation=3) + x[:, :, 3:-3]
    return F.adaptive_avg_pool1d(x, 1)[..., 0]


def _warp(image: Tensor, flow: Tensor) -> Tensor:
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    scale = torch.tensor([2 / (width - 1), 2 / (height - 1)]).view(1, 2, 1, 1)
    deformation = F.interpolate(torch.stack((x, y))[None] + flow * scale, image.shape[-2:], mode="bilinear")
    return F.grid_sample(image, deformation.permute(0, 2, 3, 1), align_corners=False)


def _edit(w: Weights, image: Tensor, warped: Tensor, code: Tensor) -> Tensor:
    x = _block(w, "editing_net.encoder.first", torch.cat((image, warped), 1), padding=3)
    features = [x]
    for i in _numbers(w, "editing_net.encoder.down"):
        x = F.avg_pool2d(_block(w, f"editing_net.encoder.down{i}", x), 2)
        features.append(x)
    x = features.pop()
    for i in reversed(_numbers(w, "editing_net.decoder.up")):
        for j in _numbers(w, f"editing_net.decoder.res{i}.res"):
            name = f"editing_net.decoder.res{i}.res{j}"
            x = x + _adain(w, name + ".norm2", _conv(w, name + ".conv2", x, padding=1), code)
        x = _block(w, f"editing_net.decoder.up{i}", F.interpolate(x, scale_factor=2))
        x = x + _block(w, f"editing_net.decoder.jump{i}", features.pop())
    return torch.tanh(_conv(w, "editing_net.decoder.final.model.0", x, padding=3))


def _block(w: Weights, name: str, x: Tensor, padding: int = 1) -> Tensor:
    return _leak(_layer_norm(w, name + ".model.1", _conv(w, name + ".model.0", x, padding=padding)))


def _layer_norm(w: Weights, name: str, x: Tensor) -> Tensor:
    shape = x.shape[1:]
    return F.layer_norm(x, shape, w[name + ".weight"].expand(shape), w[name + ".bias"].expand(shape))


def _adain(w: Weights, name: str, x: Tensor, code: Tensor) -> Tensor:
    hidden = F.relu(F.linear(code, w[name + ".mlp_shared.0.weight"], w[name + ".mlp_shared.0.bias"]))
    gamma = F.linear(hidden, w[name + ".mlp_gamma.weight"], w[name + ".mlp_gamma.bias"])
    beta = F.linear(hidden, w[name + ".mlp_beta.weight"], w[name + ".mlp_beta.bias"])
    return F.instance_norm(x) * (1 + gamma[..., None, None]) + beta[..., None, None]


def _conv(w: Weights, name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv2d(x, w[name + ".weight"], w[name + ".bias"], stride=stride, padding=padding)


def _transposed(w: Weights, name: str, x: Tensor) -> Tensor:
    return F.conv_transpose2d(x, w[name + ".weight"], w[name + ".bias"], stride=2, padding=1, output_padding=1)


def _leak(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)


def _numbers(w: Weights, prefix: str) -> list[int]:
    ends = (name.removeprefix(prefix).split(".")[0] for name in w if name.startswith(prefix))
    return sorted({int(end) for end in ends if end.isdigit()})
