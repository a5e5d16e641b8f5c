"""The training loop of everything adversarial: a generator step, a discriminator step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR

from reenact.faces.fields import TensorFields
from reenact.faces.portrait import PortraitPair
from reenact.models.common.optimisers import build_adam
from reenact.models.common.portrait_module import Losses, PortraitModule
from reenact.models.common.training import Schedule, clip_gradients
from reenact.nn.whole_batch import BatchDraws

Result = TypeVar("Result", bound=TensorFields)


@dataclass(frozen=True, kw_only=True)
class AdversarialOptimisation(Schedule):
    """Adam for both networks, one step each per iteration, and learning rates that fall at milestones."""

    generator_lr: float = 2e-4
    """Learning rate of the generator."""
    discriminator_lr: float = 2e-4
    """Learning rate of the discriminator."""


def head_groups(network: nn.Module, heads: Sequence[str], lr: float) -> list[dict[str, Any]]:
    """Parameter groups of a network: those with one of `heads` in their names learn at a rate of their own."""
    head_parameters: list[nn.Parameter] = []
    other_parameters: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (head_parameters if any(head in name for head in heads) else other_parameters).append(parameter)
    return [{"params": other_parameters}, {"params": head_parameters, "lr": lr}]


class AdversarialTraining(PortraitModule, Generic[Result]):
    """Manual optimisation of a network and a discriminator; a subclass gives the losses of both.

    Reenactment methods inherit from `AdversarialTraining` and `ReenactmentModule`, in this order.

    An iteration counts as one `global_step`, though two optimisers step in it. Gradients of the generator's losses
    never reach the discriminator's parameters; the discriminator sees the very images the generator made, detached.
    An average of the weights is Lightning's `EMAWeightAveraging` callback.

    Args:
        network: the generator's side.
        discriminator: trained against it.
        optimisation: learning rates and schedule.
        arguments: as of `PortraitModule`.
    """

    def __init__(
        self,
        network: nn.Module,
        discriminator: nn.Module,
        optimisation: AdversarialOptimisation,
        arguments: Mapping[str, object],
    ) -> None:
        super().__init__(network, arguments)
        self.automatic_optimization = False
        self.discriminator = discriminator
        self.optimisation = optimisation

    @property
    def batches_per_step(self) -> int:
        """Batches whose gradients one iteration accumulates."""
        return self.optimisation.accumulate

    def run_network(self, batch: PortraitPair, random: BatchDraws) -> Result:
        """Compute the result of a batch, with gradients; a network that reads something else overrides it."""
        result: Result = self.network(batch.source, batch.driving, random)
        return result

    @abstractmethod
    def generator_losses(self, batch: PortraitPair, result: Result) -> Losses:
        """Terms that the network minimises; called in train mode, with gradients to the network alone."""

    @abstractmethod
    def discriminator_losses(self, batch: PortraitPair, result: Result) -> Losses:
        """Terms that the discriminator minimises; `result` is detached. Empty where no adversarial term is weighed."""

    def generator_groups(self) -> list[dict[str, Any]]:
        """Parameter groups of the network's optimiser, for a method whose parts learn at different rates."""
        return [{"params": [p for p in self.network.parameters() if p.requires_grad]}]

    def training_step(self, batch: PortraitPair, batch_idx: int) -> None:
        """One generator step and one discriminator step, or their share of an accumulated one."""
        generator, discriminator = self._optimizers()
        # Lightning counts every optimiser's steps; the second one of an iteration must not count.
        discriminator._on_before_step = _do_nothing
        discriminator._on_after_step = _do_nothing
        last = (batch_idx + 1) % self.optimisation.accumulate == 0 or self.trainer.is_last_batch
        with generator.toggle_model(sync_grad=last):
            result = self.run_network(batch, self.random())
            losses = self.generator_losses(batch, result)
            self._descend(generator, losses, "generator", batch, last)
        result = result.detach()
        with discriminator.toggle_model(sync_grad=last):
            losses = self.discriminator_losses(batch, result)
            if losses:
                self._descend(discriminator, losses, "discriminator", batch, last)
        if last:
            generator_schedule, discriminator_schedule = self._schedulers()
            generator_schedule.step()
            if losses:
                discriminator_schedule.step()

    def _descend(
        self, optimizer: LightningOptimizer, losses: Losses, name: str, batch: PortraitPair, last: bool
    ) -> None:
        total = self.log_losses(losses, batch, name)
        self.manual_backward(total / self.optimisation.accumulate)
        if last:
            optimizer.step()
            optimizer.zero_grad()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient, after mixed precision has unscaled it."""
        clip_gradients(optimizer, self.optimisation.clip_norm)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own type is a union of a dozen
        """Adam and a multi-step schedule for each network."""
        o = self.optimisation
        discriminator = [p for p in self.discriminator.parameters() if p.requires_grad]
        parts = ((self.generator_groups(), o.generator_lr), ([{"params": discriminator}], o.discriminator_lr))
        optimizers = [build_adam(groups, lr, (o.beta1, o.beta2), eight_bit=o.eight_bit) for groups, lr in parts]
        return optimizers, [MultiStepLR(optimizer, o.milestones, o.gamma) for optimizer in optimizers]

    def _optimizers(self) -> tuple[LightningOptimizer, LightningOptimizer]:
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        generator, discriminator = optimizers
        assert isinstance(generator, LightningOptimizer)
        assert isinstance(discriminator, LightningOptimizer)
        return generator, discriminator

    def _schedulers(self) -> list[LRScheduler]:
        schedulers = self.lr_schedulers()
        assert isinstance(schedulers, list)
        return [scheduler for scheduler in schedulers if isinstance(scheduler, LRScheduler)]


def _do_nothing() -> None:
    pass
