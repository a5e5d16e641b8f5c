"""Files in the official formats of DECA, EMOCA and SMIRK: the right keys and shapes, random weights."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import torch
from faces.made_flame import made_arrays, made_embedding, write_pickle
from torch import nn

from reenact.estimators.deca import ResnetEncoder
from reenact.estimators.smirk import SmirkNetwork

DECA_BIAS = torch.linspace(-1, 1, 236)
"""Output of the made coarse encoder, but for the little that the picture changes."""
DECA_BIAS[200:209] = torch.tensor([0.1, -0.2, 0.05, 0.1, 0.0, 0.0, 8.0, 0.01, -0.02])


def resnet_state(bias: torch.Tensor, seed: int, gain: float = 0.3) -> dict[str, torch.Tensor]:
    """An encoder of DECA's kind that gives about `bias`, and `gain` times what depends on the picture."""
    torch.manual_seed(seed)
    encoder = ResnetEncoder(len(bias))
    with torch.no_grad():
        # default initialisation lets features grow from block to block
        for name, parameter in encoder.named_parameters():
            if name.endswith("bn3.weight"):
                parameter.fill_(0.2)
        encoder.layers[2].weight.mul_(gain)
        encoder.layers[2].bias.copy_(bias)
    return encoder.state_dict()


def write_deca(path: Path, **parts: object) -> Path:
    """`deca_model.tar`: the state of three networks; only the first is whole, the others are long and not read."""
    content = {
        "E_flame": resnet_state(DECA_BIAS, 0),
        "E_detail": {"layers.2.bias": torch.zeros(128)},
        "D_detail": {"init_size": torch.zeros(1)},
    }
    return _save({**content, **parts}, path)


def write_emoca(path: Path, **parts: object) -> Path:
    """A Lightning checkpoint with objects of packages that are not here, as configurations and callbacks are."""
    state = {
        **{f"deca.E_flame.{name}": value for name, value in resnet_state(DECA_BIAS, 0).items()},
        **{f"deca.E_expression.{name}": value for name, value in resnet_state(torch.full((50,), 3.0), 1).items()},
        "deca.E_detail.layers.2.bias": torch.zeros(128),
        "deca.render.faces": torch.zeros(1, 4, 3, dtype=torch.int64),
    }
    names = ("gone_package", "gone_package.conf")
    modules = [types.ModuleType(name) for name in names]
    sys.modules.update(zip(names, modules, strict=True))
    config = type("DictConfig", (), {"__module__": "gone_package.conf"})
    callback = type("ModelCheckpoint", (), {"__module__": "gone_package"})
    modules[1].DictConfig, modules[0].ModelCheckpoint = config, callback
    settings = config()
    settings.__dict__.update(_content={"n_exp": 50}, _parent=None)
    content = {
        "epoch": 3,
        "pytorch-lightning_version": "1.4.9",
        "callbacks": {callback: {"best_model_score": torch.tensor(3.25), "dirpath": "checkpoints"}},
        "hyper_parameters": {"model_params": settings},
        "state_dict": {**state, **parts},
    }
    try:
        return _save(content, path)
    finally:
        for name in names:
            del sys.modules[name]


def write_smirk(path: Path, **parts: object) -> Path:
    """`SMIRK_em1.pt`: encoders and image generator under two prefixes."""
    return _save({**smirk_state(), "smirk_generator.final.bias": torch.zeros(3), **parts}, path)


def smirk_state() -> dict[str, torch.Tensor]:
    """The encoders, which give about fixed numbers, and a little more that depends on the picture."""
    torch.manual_seed(2)
    network = SmirkNetwork()
    biases = {
        "pose_encoder.pose_cam_layers": torch.tensor([0.1, 0.3, -0.1, 7.0, 0.02, 0.01]),
        "shape_encoder.shape_layers": torch.linspace(-1, 1, 300),
        "expression_encoder.expression_layers": torch.cat(
            [torch.linspace(-2, 2, 50), torch.tensor([-0.5, 1.5, 0.3, 0.9, -0.9])]
        ),
    }
    with torch.no_grad():
        for name, bias in biases.items():
            layers = network.get_submodule(name)
            assert isinstance(layers, nn.Sequential)
            layers[0].weight.mul_(0.1)
            layers[0].bias.copy_(bias)
    return {f"smirk_encoder.{name}": value for name, value in network.state_dict().items()}


def write_flame(folder: Path) -> Path:
    """The made FLAME in the official form, with its landmarks."""
    folder.mkdir(parents=True)
    np.save(folder / "landmark_embedding.npy", made_embedding(), allow_pickle=True)
    return write_pickle(folder / "generic_model.pkl", made_arrays())


def _save(content: object, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path
