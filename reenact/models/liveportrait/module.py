"""LivePortrait's Lightning module, whose training has two stages."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, Self

from torch import nn

from reenact.errors import ReenactError
from reenact.faces.portrait import PortraitPair
from reenact.models.common.adversarial import AdversarialTraining
from reenact.models.common.keypoints import DiscriminatorConfig
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import Losses, Stage
from reenact.models.common.training import check_phase, is_in_phase
from reenact.models.liveportrait.config import LivePortraitConfig
from reenact.models.liveportrait.first_stage import WHOLE, LivePortraitLosses, PlacedKeypoints, PortraitStage
from reenact.models.liveportrait.network import LivePortrait, LivePortraitReenactment
from reenact.models.liveportrait.optimisation import LivePortraitOptimisation
from reenact.models.liveportrait.regions import REDUCTIONS
from reenact.models.liveportrait.second_stage import RetargetedPortraits, RetargetingLosses, RetargetingStage
from reenact.models.liveportrait.training_stage import TrainingStage
from reenact.nn.whole_batch import BatchDraws

TrainedPart = Literal["portrait", "retargeting"]
"""Stage of the training: everything but stitching and retargeting (section 3.2), or these alone (section 3.3)."""


Trained = LivePortraitReenactment | PlacedKeypoints | RetargetedPortraits
"""Results of the stages, of which the second kind is of the motion extractor alone."""


class LivePortraitModule(AdversarialTraining[Trained], ReenactmentModule):
    """LivePortrait with its discriminators, losses and schedule.

    Args:
        network: widths, depths, and what is done beside the transfer of motion.
        discriminator: widths of each of the three discriminators.
        losses: weights of the losses of stage 1.
        optimisation: learning rates, milestones, accumulation, clipping, the phase of the motion extractor.
        stage: the part that is trained; the rest of the network stays as it is.
        retargeting: weights of the losses of stage 2.
    """

    method = "liveportrait"
    training_arguments = frozenset({"losses", "optimisation", "stage", "retargeting"})
    network: LivePortrait
    optimisation: LivePortraitOptimisation

    def __init__(
        self,
        network: LivePortraitConfig | None = None,
        discriminator: DiscriminatorConfig | None = None,
        losses: LivePortraitLosses | None = None,
        optimisation: LivePortraitOptimisation | None = None,
        stage: TrainedPart = "portrait",
        retargeting: RetargetingLosses | None = None,
    ) -> None:
        network = network or LivePortraitConfig()
        discriminator = discriminator or DiscriminatorConfig()
        losses = losses or LivePortraitLosses()
        optimisation = optimisation or LivePortraitOptimisation()
        retargeting = retargeting or RetargetingLosses()
        arguments = {
            "network": network,
            "discriminator": discriminator,
            "losses": losses,
            "optimisation": optimisation,
            "stage": stage,
            "retargeting": retargeting,
        }
        if discriminator.keypoints:
            raise ReenactError(
                "LivePortrait's discriminators see no keypoints: set model.discriminator.keypoints false"
            )
        discriminators = nn.ModuleDict({name: discriminator.build(0) for name in (WHOLE, *REDUCTIONS)})
        super().__init__(LivePortrait(network), discriminators, optimisation, arguments)
        self.retargeting = retargeting
        self.training_stage: TrainingStage[Any] = (
            RetargetingStage(retargeting) if stage == "retargeting" else PortraitStage(losses)
        )
        self.image_losses = self.training_stage.image_losses
        self.network.requires_grad_(not self.training_stage.trains_retargeting)
        self.network.stitching.requires_grad_(self.training_stage.trains_retargeting)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; a frozen network stays in evaluation."""
        super().train(mode)
        self.network.train(mode and not self.training_stage.trains_retargeting)
        return self

    def check_losses(self) -> None:
        """Check the weights of both stages; errors as of `PortraitModule`."""
        super().check_losses()
        for name, value in asdict(self.retargeting).items():
            if isinstance(value, float) and not value >= 0:
                raise ReenactError(f"--model.retargeting.{name} {value:g} is below 0: give 0 or more")

    def load_losses(self) -> None:
        """Load the networks of the losses of the stage; raises `ReenactError` if weights are missing."""
        super().load_losses()
        self.training_stage.load()

    def assets(self, stage: Stage) -> tuple[str, ...]:
        """Return the names in `reenact.assets` without which training (`fit`) or use of the method can't start."""
        return (*super().assets(stage), *(self.training_stage.detector_assets if stage == "fit" else ()))

    def check_image_size(self, size: int) -> None:
        """Check the size of images against that of the decoder; errors as of `PortraitModule`."""
        super().check_image_size(size)
        check_side(self.network.config, size)

    def generator_groups(self) -> list[dict[str, Any]]:
        """The parameter groups of the stage."""
        return self.training_stage.list_groups(self.network, self.optimisation)

    def on_fit_start(self) -> None:
        """Check as the base class, and that the phase of the motion extractor has a length; errors as `check_phase`."""
        super().on_fit_start()
        check_phase(self.optimisation.extractor_steps, "extractor_steps", self.trainer.max_steps)

    def run_network(self, batch: PortraitPair, random: BatchDraws) -> Trained:
        """Compute the results of the stage, with gradients to the part that it trains."""
        stage, steps = self.training_stage, self.optimisation.extractor_steps
        if isinstance(stage, PortraitStage) and is_in_phase(steps, self.global_step, self.trainer.max_steps):
            return stage.run_extractor(self.network, batch)
        result: Trained = stage.run(self.network, batch, random)
        return result

    def generator_losses(self, batch: PortraitPair, result: Trained) -> Losses:
        """Terms of the network, as the stage weighs them."""
        return self.training_stage.generator_losses(self.network, self.discriminator, batch, result, self.random())

    def discriminator_losses(self, batch: PortraitPair, result: Trained) -> Losses:
        """Terms of the discriminators, as the stage weighs them."""
        return self.training_stage.discriminator_losses(self.discriminator, batch, result)


def check_side(config: LivePortraitConfig, size: int) -> None:
    """Refuse data of another size than the decoder's.

    Raises:
        ReenactError: names both sizes.
    """
    if config.side is not None and size != config.side:
        raise ReenactError(
            f"LivePortrait makes pictures of {config.side} pixels, and the data has {size}: prepare them with --size"
            f" {config.side}, or set --data.size {config.side}; --model.network.side null trains at any size"
        )
