"""`epoch_20.pth` in the official form: the network's state beside those of optimiser and schedule, random weights."""

from __future__ import annotations

from pathlib import Path

import torch

from reenact.estimators.deep3d import Deep3DNetwork


def deep3d_state(bias: torch.Tensor, gain: float = 0.01) -> dict[str, torch.Tensor]:
    """A network that gives about `bias` (257,), and `gain` times what depends on the picture."""
    torch.manual_seed(0)
    network = Deep3DNetwork()
    with torch.no_grad():
        # default initialisation lets features grow from block to block
        for name, parameter in network.named_parameters():
            if name.endswith("bn3.weight"):
                parameter.fill_(0.2)
        sizes = [layer.bias.numel() for layer in network.final_layers]
        for layer, part in zip(network.final_layers, bias.split(sizes), strict=True):
            layer.weight.mul_(gain)
            layer.bias.copy_(part)
    return network.state_dict()


def write_deep3d(path: Path, bias: torch.Tensor, **parts: object) -> Path:
    """The file, as the official trainer saves it (`models/base_model.py`)."""
    weight = torch.nn.Parameter(torch.zeros(2))
    optimiser = torch.optim.Adam([weight], lr=1e-4)
    weight.sum().backward()
    optimiser.step()
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, 10, 0.2)
    content = {
        "net_recon": deep3d_state(bias),
        "opt_00": optimiser.state_dict(),
        "sched_00": schedule.state_dict(),
        **parts,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path
