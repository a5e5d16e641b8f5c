"""Lightning module around a network that reads portraits: checks, random numbers, losses and checkpoints."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.portrait import PortraitPair
from reenact.models.common.header import Header, check_header, check_same_class
from reenact.nn.frozen import Frozen
from reenact.nn.losses import PerceptualTerms
from reenact.nn.whole_batch import BatchDraws

LOG = logging.getLogger("reenact")
Losses = dict[str, Tensor]
"""Weighted terms by name; their sum is minimised."""

Stage = Literal["fit", "use"]
"""Stages of a method's life: training, and everything that a trained method does."""


class PortraitModule(LightningModule):
    """Module that `reenact fit` trains: a network that reads portraits, its needs, and a checkpoint it is rebuilt from.

    Args:
        network: the network.
        arguments: the constructor's arguments, dataclasses or plain values, from which a checkpoint is rebuilt.
    """

    method: ClassVar[str]
    """Name of its `reenact.methods.Method`."""
    training_arguments: ClassVar[frozenset[str]] = frozenset({"losses", "optimisation"})
    """Arguments of the constructor that training alone reads; `--set` refuses their settings where a method is used."""
    unrecorded: ClassVar[frozenset[str]] = frozenset()
    """Arguments of the constructor that a checkpoint does not need, such as paths of this machine."""
    may_start_fresh: ClassVar[tuple[str, ...]] = ()
    """Beginnings of names of weights that the checkpoint of `fit --weights` may lack, such as those of layers that an
    earlier stage has not; the weights of a beginning come all from the checkpoint, or stay as they are initialised."""
    memory_options: ClassVar[tuple[str, ...]] = ()
    """Options of `fit` by which a training takes less memory, beside those of every method; named where it is full."""
    memory_settings: ClassVar[tuple[str, ...]] = ()
    """Settings of `--set` by which the method takes less memory where it is used."""
    network: nn.Module
    image_losses: PerceptualTerms | None = None
    """Losses of its images; None where it has others."""
    image_size: int
    """Side in pixels of the images it was last trained on, which checkpoints record and `animate` crops to."""
    recipe: Mapping[str, str]
    """Settings by which the data of the last training was prepared, as its store records them; `animate` prepares new
    faces alike."""

    def __init__(self, network: nn.Module, arguments: Mapping[str, object]) -> None:
        super().__init__()
        self.network = network
        self.image_size = 256
        self.recipe = {}
        self._generator: torch.Generator | None = None
        self.arguments = {name: _to_plain(value) for name, value in arguments.items()}

    @property
    @abstractmethod
    def needs(self) -> Contents:
        """Contents of a portrait that the module reads."""

    def assets(self, stage: Stage) -> tuple[str, ...]:
        """Return the names in `reenact.assets` without which training (`fit`) or use of the method can't start."""
        return self.image_losses.assets if stage == "fit" and self.image_losses is not None else ()

    def frozen_parts(self) -> dict[str, Frozen[Any]]:
        """Return the networks that the method is used with and its checkpoints do not hold, by name.

        Checkpoints record their digests, and are refused with other ones. Networks of losses are none of them.
        """
        return {}

    @property
    def perceptual(self) -> str:
        """Network of its perceptual loss, which its numbers depend on; empty where it has none."""
        losses = self.arguments.get("losses")
        return str(losses.get("perceptual", "")) if isinstance(losses, dict) else ""

    @property
    def idle_losses(self) -> dict[str, str]:
        """Losses that are weighed and can't be computed, with the reason."""
        return {} if self.image_losses is None else self.image_losses.idle

    @property
    def least_image_size(self) -> int:
        """Side in pixels of the smallest images that its losses can read."""
        return 1 if self.image_losses is None else self.image_losses.least_image_size

    def check_image_size(self, size: int) -> None:
        """Check, before training, that the losses can read images of a size.

        Raises:
            ReenactError: if they are too small for the perceptual network, which also reads reduced copies.
        """
        if size < self.least_image_size:
            raise ReenactError(
                f"{type(self).__name__} with --model.losses.perceptual {self.perceptual} needs images of at least "
                f"{self.least_image_size} pixels, not {size}, since the network also reads them much reduced: set "
                f"--data.size {self.least_image_size}, or --model.losses.perceptual probe or pixels"
            )

    def check_losses(self) -> None:
        """Check, before training, that the method can be trained by the losses as they are set.

        A subclass that overrides this calls it.

        Raises:
            ReenactError: if a weight is below 0, or a loss that the method stands on could never be computed.
        """
        losses = self.arguments.get("losses")
        for name, weight in losses.items() if isinstance(losses, dict) else ():
            if isinstance(weight, float | int) and not weight >= 0:
                raise ReenactError(
                    f"--model.losses.{name} {weight:g} would reward the error: give 0, which leaves it out, or more"
                )

    def load_losses(self) -> None:
        """Load the frozen networks of the losses, when training is about to start.

        Raises:
            ReenactError: if their weights are missing or damaged.
        """
        if self.image_losses is not None:
            self.image_losses.load()

    def on_fit_start(self) -> None:
        """Check the size of images, and announce losses that are weighed and would never be computed.

        Raises:
            ReenactError: as `check_image_size`.
        """
        self.check_image_size(getattr(getattr(self.trainer, "datamodule", None), "size", self.least_image_size))
        self.announce_idle_losses()

    def announce_idle_losses(self) -> None:
        """Warn of each loss that is weighed and would never be computed."""
        for name, reason in self.idle_losses.items():
            LOG.warning("warning: the loss %s is weighed and never computed: %s", name, reason)

    @property
    def reaches_all(self) -> bool:
        """True if each backward pass reaches every trained parameter; otherwise DDP searches for those left out."""
        return self.automatic_optimization

    def setup(self, stage: str) -> None:
        """Tell DDP whether a loss leaves parameters out, and load the losses; a subclass that overrides this calls it.

        `configure_model` stays free for networks that FSDP builds in parts.

        Raises:
            ReenactError: as `check_losses` and `load_losses`.
        """
        strategy = self.trainer.strategy
        if isinstance(strategy, DDPStrategy) and not self.reaches_all:
            strategy._ddp_kwargs.setdefault("find_unused_parameters", True)
        if stage == "fit":
            self.check_losses()
            self.load_losses()

    def on_train_batch_start(self, batch: PortraitPair, batch_idx: int) -> None:
        """Begin the random numbers of the batch, and note the size of the images and how they were prepared."""
        self._generator = self._seed_generator(batch_idx % self.batches_per_step)
        self.image_size = batch.source.image.shape[-1]
        data = getattr(self.trainer, "datamodule", None)  # bare loaders have none, and nothing is known of theirs
        self.recipe = getattr(data, "recipe", {})

    def on_train_batch_end(self, outputs: Any, batch: PortraitPair, batch_idx: int) -> None:  # noqa: ANN401 - Lightning's
        """End the random numbers of the batch."""
        self._generator = None

    @property
    def batches_per_step(self) -> int:
        """Batches whose gradients one step of the optimiser accumulates."""
        return int(self.trainer.accumulate_grad_batches)

    def random(self) -> BatchDraws:
        """Random numbers of this batch of this step, the same for a row of the batch in whichever process it is.

        A second call in a batch goes on where the first one stopped. The numbers do not depend on whether the run was
        interrupted before.
        """
        generator = self._generator or self._seed_generator(0)
        return BatchDraws(generator, self.global_rank, self.trainer.world_size)

    def _seed_generator(self, batch: int) -> torch.Generator:
        """Begin the numbers of one of the batches that a step accumulates."""
        seed, step = torch.initial_seed(), self.global_step
        if batch:
            seed, step = int(np.random.SeedSequence([seed, step, batch]).generate_state(1, np.uint64)[0]), 0
        return torch.Generator().manual_seed(seed + step)

    def log_losses(self, losses: Losses, batch: PortraitPair, name: str) -> Tensor:
        """Log the terms of a training step and their sum, and return the sum.

        Args:
            losses: weighted terms, logged as `train/NAME/TERM`.
            batch: the portraits that they are of.
            name: the sum's, logged as `train/NAME`.

        Raises:
            ReenactError: as `check_finite`.
        """
        total = torch.stack(list(losses.values())).sum()
        self.check_finite(total.detach(), batch)
        size = len(batch.source.image)
        self.log(f"train/{name}", total.detach(), batch_size=size, prog_bar=True)
        self.log_dict({f"train/{name}/{key}": value.detach() for key, value in losses.items()}, batch_size=size)
        return total

    def check_finite(self, loss: Tensor, batch: PortraitPair) -> None:
        """Stop the run on a loss that is NaN or infinite, before any weight changes.

        Raises:
            ReenactError: names the batch's clips; `reenact fit` adds the checkpoint to go on from.
        """
        if torch.isfinite(loss):
            return
        clips = ", ".join(dict.fromkeys((*batch.source.clip, *batch.driving.clip))) or "(unnamed)"
        raise ReenactError(
            f"The loss is {loss.item()} at step {self.global_step} in a batch of the clips {clips}: look at these clips"
            " or lower the learning rate"
        )

    def loader_name(self, stage: str, index: int) -> str:
        """`self` or `cross`: the loader of a number, in the stage `val` or `test`."""
        loaders = self.trainer.val_dataloaders if stage == "val" else self.trainer.test_dataloaders
        return list(loaders)[index] if isinstance(loaders, Mapping) else ("self", "cross")[index]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the header from which `reenact.models.common.checkpoint.load_method` rebuilds the module."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        parts = {name: part.digest for name, part in self.frozen_parts().items()}
        header = Header(
            method=self.method,
            class_path=path,
            arguments=self.arguments,
            image_size=self.image_size,
            recipe=dict(self.recipe),
            frozen_parts=parts,
        )
        checkpoint["reenact"] = header.write()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that a run resumes from a checkpoint of its own class.

        Raises:
            ReenactError: if the checkpoint is of another class, method or version.
        """
        name = "The checkpoint to resume from"
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        check_same_class(check_header(checkpoint, name), self.method, path, name)


def _to_plain(value: object) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
