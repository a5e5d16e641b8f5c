"""The form of a stage of LivePortrait's training: the part that is trained, its losses, and the networks they read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn

from reenact.faces.fields import TensorFields
from reenact.faces.portrait import PortraitPair
from reenact.models.common.portrait_module import Losses
from reenact.models.liveportrait.network import LivePortrait
from reenact.models.liveportrait.optimisation import LivePortraitOptimisation
from reenact.nn.losses import ImageLosses
from reenact.nn.whole_batch import BatchDraws

Result = TypeVar("Result", bound=TensorFields)


class TrainingStage(ABC, Generic[Result]):
    """One stage of the training; it holds no weights that are trained, and nothing of it is in a checkpoint."""

    trains_retargeting: ClassVar[bool]
    """True where stitching and retargeting are trained, and the rest is frozen and in evaluation; else False."""
    image_losses: ImageLosses | None = None
    """Losses of images; None where the stage has others."""
    detector_assets: tuple[str, ...] = ()
    """Names in `reenact.assets` of the files that training needs beside those of the losses of images."""

    @abstractmethod
    def load(self) -> None:
        """Load the networks that the losses read beside the perceptual one; raises `ReenactError` without weights."""

    @abstractmethod
    def list_groups(self, network: LivePortrait, optimisation: LivePortraitOptimisation) -> list[dict[str, Any]]:
        """Parameter groups of the trained part."""

    @abstractmethod
    def run(self, network: LivePortrait, batch: PortraitPair, random: BatchDraws) -> Result:
        """The results of a batch, with gradients to the trained part."""

    @abstractmethod
    def generator_losses(
        self, network: LivePortrait, judges: nn.Module, batch: PortraitPair, result: Result, random: BatchDraws
    ) -> Losses:
        """Weighted terms that the network minimises.

        Args:
            network: the whole network.
            judges: discriminators by name.
            batch: the pairs.
            result: of `run`, with gradients.
            random: random numbers of the batch.
        """

    @abstractmethod
    def discriminator_losses(self, judges: nn.Module, batch: PortraitPair, result: Result) -> Losses:
        """Weighted terms that the discriminators minimise, from detached results; empty where there are none."""
