"""Settings of LivePortrait's optimisers."""

from __future__ import annotations

from dataclasses import dataclass

from reenact.errors import ReenactError
from reenact.models.common.adversarial import AdversarialOptimisation


@dataclass(frozen=True, kw_only=True)
class LivePortraitOptimisation(AdversarialOptimisation):
    """Adam for both networks, and a phase of stage 1 that draws no pictures.

    Defaults are those of Face-vid2vid's reimplementation, since the paper states none.
    """

    beta1: float = 0.5
    head_lr_factor: float = 1.0
    """Factor on the learning rate of the dense motion's mask and occlusion."""
    extractor_steps: float = 0.0
    """Iterations from the start in which stage 1 trains the motion extractor alone (not the paper's); below 1 their
    share of `trainer.max_steps`."""

    def __post_init__(self) -> None:
        """Raise `ReenactError` for a phase of less than no iteration."""
        if not self.extractor_steps >= 0:
            raise ReenactError(f"--model.optimisation.extractor_steps {self.extractor_steps:g} must be at least 0")
