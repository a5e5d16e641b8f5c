"""Lines that say what is about to run."""

from __future__ import annotations

import torch
from pytorch_lightning import Trainer

from reenact.data.datamodules.base import ReenactmentDataModule
from reenact.models.common.portrait_module import PortraitModule
from reenact.runs.request import Request


def describe_run(
    request: Request, model: PortraitModule, datamodule: ReenactmentDataModule, trainer: Trainer
) -> list[str]:
    """Describe a run in lines: method and data, sizes and device, the batch of a training, and the run folder.

    Raises:
        ReenactError: if the batch cannot be divided over the processes.
    """
    data = request.names.get("data", type(datamodule).__name__)
    scale = f", scale {request.names['scale']}" if "scale" in request.names else ""
    device = trainer.strategy.root_device
    threads = f" (threads: {torch.get_num_threads()})" if device.type == "cpu" else ""
    size = _describe_size(model, trains=request.command == "fit")
    lines = [
        f"{request.command}: {request.title} on {data}{scale}",
        f"network: {size}, {trainer.precision}, on {device}{threads}",
    ]
    if request.command == "fit":
        lines.append(f"batch: {_describe_batch(datamodule, trainer.world_size)}")
        if model.perceptual:
            lines.append(f"perceptual loss: {model.perceptual}")
    return [*lines, f"run folder: {request.out}"]


def _describe_size(model: PortraitModule, *, trains: bool) -> str:
    """Return the number of the network's parameters; of a training, those that it trains where not all."""
    parameters = list(model.network.parameters())
    total = sum(parameter.numel() for parameter in parameters)
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    if trains and trained < total:
        return f"{trained / 1e6:.2f} M parameters trained of {total / 1e6:.2f} M"
    return f"{total / 1e6:.2f} M parameters"


def _describe_batch(datamodule: ReenactmentDataModule, processes: int) -> str:
    """Return the pairs of a batch, and their division over several processes."""
    pairs = datamodule.process_batch_size(processes)
    return f"{processes * pairs} = {processes} x {pairs} (processes x pairs)" if processes > 1 else str(pairs)
