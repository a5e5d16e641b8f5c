"""Runs that are built and not started, and the files that training a preset needs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from pytorch_lightning import Trainer

from reenact.cli.lightning import ReenactCLI
from reenact.methods.registry import find_foundation
from reenact.models.common.portrait_module import PortraitModule
from reenact.runs import quiet
from reenact.runs.arguments import expand_request
from reenact.runs.request import parse_request


class Plan(ReenactCLI):
    """Builds the model of a run that is not started."""

    def before_instantiate_classes(self) -> None:
        """Leave the run folder alone."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:  # noqa: ANN401 - Lightning's signature
        """Build a trainer that nothing is trained with."""
        return Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False)


def find_needed_files(preset: str, scale: str) -> tuple[str, ...]:
    """Return the names in `reenact.assets` of the files that `fit --model PRESET --scale SCALE` needs, in all stages.

    Raises:
        ReenactError: if there is no such preset or scale.
    """
    assets = build_outline(preset, scale).assets("fit")
    foundation = find_foundation(preset)
    earlier = () if foundation is None else find_needed_files(foundation.preset, scale)
    return tuple(dict.fromkeys((*assets, *earlier)))


def build_outline(preset: str, scale: str) -> PortraitModule:
    """Build the module that `fit --model PRESET --scale SCALE` trains, without memory for its weights.

    Raises:
        ReenactError: if there is no such preset or scale.
    """
    request = parse_request("fit", ["--model", preset, "--scale", scale, "--out", "unused"])
    arguments = expand_request(request)
    quiet.begin_logging()
    try:
        with torch.device("meta"):
            model: PortraitModule = Plan(request, arguments, ExitStack()).model
    finally:
        quiet.close_logging()
    return model
