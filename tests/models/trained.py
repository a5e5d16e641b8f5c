"""Methods at tiny scale as their presets have them, and people of the synthetic world who hold their heads still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reenact import presets
from reenact.data.synthetic.acting import Act
from reenact.data.synthetic.actor import Actor
from reenact.data.synthetic.world import World
from reenact.models.checkpoint import _build, _method_class
from reenact.models.module import PortraitModule


def tiny(preset: str, **overrides: Mapping[str, Any]) -> PortraitModule:
    """The module of a preset at tiny scale, with some settings overridden: `losses={"gan": 0.0}`."""
    content = presets.load(presets.find("model", preset))["model"]
    method = presets.method_of(content["class_path"])
    overlays = [presets.load(path)["model"]["init_args"] for path in presets.scale_files("tiny", method, preset)[1:]]
    arguments: dict[str, dict[str, Any]] = {}
    for part in (content.get("init_args", {}), *overlays, overrides):
        for name, values in part.items():
            arguments.setdefault(name, {}).update(values)
    return _build(_method_class(method), arguments, preset)


@dataclass(frozen=True)
class StillHeads(World):
    """A world whose people hold their heads as in one of their frames, while their faces move on."""

    held: int = 0

    def _act(self, identity: int, clip: int, frames: np.ndarray) -> tuple[Actor, Act]:
        made, done = super()._act(identity, clip, frames)
        _, still = super()._act(identity, clip, np.full(len(frames), self.held))
        pose = np.concatenate((still.pose[:, :2], done.pose[:, 2:]), axis=1)
        return made, replace(still, blend=done.blend, expression=done.expression, pose=pose)
