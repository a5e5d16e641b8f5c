"""Training without a discriminator, and the settings of optimisers that all trainings share."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from reenact.errors import ReenactError
from reenact.faces.portrait import PortraitPair
from reenact.models.common.optimisers import build_adam
from reenact.models.common.portrait_module import Losses, PortraitModule


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Settings of Adam and of its steps, whatever the number of networks."""

    beta1: float = 0.9
    """Adam's decay of the mean of gradients."""
    beta2: float = 0.999
    """Adam's decay of the mean of their squares."""
    milestones: list[int] = field(default_factory=list)
    """Iterations at which learning rates are multiplied by `gamma`."""
    gamma: float = 0.1
    """Factor on learning rates at each milestone."""
    accumulate: int = 1
    """Batches per iteration; Lightning's own option does not apply to two optimisers."""
    clip_norm: float | None = None
    """Largest norm of each network's gradient; none by default."""
    eight_bit: bool = False
    """Keep Adam's moments of large weights in 8 bits, a quarter of their memory (the extra `adam8bit`)."""


@dataclass(frozen=True, kw_only=True)
class Optimisation(Schedule):
    """AdamW, a warm-up, and a learning rate that falls at milestones."""

    lr: float = 2e-4
    """Largest learning rate."""
    weight_decay: float = 0.0
    """Decay of convolutions and linear layers."""
    warmup: int = 0
    """Iterations in which the learning rate rises."""


class PlainTraining(PortraitModule):
    """Training of a network by one optimiser; a subclass gives the losses.

    Reenactment methods inherit from `PlainTraining` and `ReenactmentModule`, in this order. An average of the weights
    is Lightning's `EMAWeightAveraging` callback.

    Args:
        network: the network.
        optimisation: learning rate and schedule.
        arguments: as of `PortraitModule`.
    """

    def __init__(self, network: nn.Module, optimisation: Optimisation, arguments: Mapping[str, object]) -> None:
        super().__init__(network, arguments)
        self.optimisation = optimisation

    @abstractmethod
    def compute_losses(self, batch: PortraitPair) -> Losses:
        """Terms that the module minimises; what they draw comes from `random`."""

    def setup(self, stage: str) -> None:
        """Let Lightning accumulate batches as the optimisation says; errors as of `PortraitModule.setup`."""
        super().setup(stage)
        if stage == "fit" and self.optimisation.accumulate > 1:
            self.trainer.accumulate_grad_batches = self.optimisation.accumulate

    def training_step(self, batch: PortraitPair, batch_idx: int) -> Tensor:
        """Compute the sum of the losses, and log it with its terms."""
        return self.log_losses(self.compute_losses(batch), batch, "loss")

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient, after mixed precision has unscaled it."""
        clip_gradients(optimizer, self.optimisation.clip_norm)

    def build_schedule(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        """Return the warm-up and the falls at the milestones, stepped every iteration."""
        o = self.optimisation
        milestones = sorted(o.milestones)

        def factor(step: int) -> float:
            return min(1.0, (step + 1) / (o.warmup + 1)) * o.gamma ** bisect_right(milestones, step)

        return LambdaLR(optimizer, factor)

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        """AdamW, which leaves biases and norms undecayed, and the schedule."""
        o = self.optimisation
        trained = [p for p in self.parameters() if p.requires_grad]
        decayed = {"params": [p for p in trained if p.ndim > 1], "weight_decay": o.weight_decay}
        other = {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0}
        optimizer = build_adam([decayed, other], o.lr, (o.beta1, o.beta2), eight_bit=o.eight_bit, decoupled=True)
        schedule = {"scheduler": self.build_schedule(optimizer), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


def is_in_phase(steps: float, iteration: int, most: int) -> bool:
    """Return True in the first iterations of a training.

    Args:
        steps: number of these; below 1 their share of all.
        iteration: number of the iteration, from 0 on.
        most: number of all iterations, `trainer.max_steps`.
    """
    return iteration < (steps * most if 0 < steps < 1 else steps)


def check_phase(steps: float, option: str, most: int) -> None:
    """Check that a first phase has a length; arguments as of `is_in_phase`.

    Raises:
        ReenactError: if it is a share of a number of iterations that is not set; names the option.
    """
    if 0 < steps < 1 and most < 0:
        raise ReenactError(
            f"--model.optimisation.{option} {steps} is a share of --trainer.max_steps, which is not set: set it, or"
            " give a number of iterations"
        )


def clip_gradients(optimizer: torch.optim.Optimizer, norm: float | None) -> None:
    """Scale the gradients of an optimiser's parameters down to a norm, if there is one."""
    if norm is not None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, norm)
