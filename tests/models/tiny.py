"""Methods at tiny scale as their presets have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reenact.cli.options import import_class
from reenact.models.common.portrait_module import PortraitModule
from reenact.models.common.rebuild import build_module
from reenact.runs import presets


def tiny(preset: str, **overrides: Mapping[str, Any]) -> PortraitModule:
    """The module of a preset at tiny scale, with some settings overridden: `losses={"gan": 0.0}`."""
    content = presets.load_preset(presets.find_preset("model", preset))["model"]
    method = presets.method_of(content["class_path"])
    overlays = [
        presets.load_preset(path)["model"]["init_args"] for path in presets.scale_files("tiny", method, preset)[1:]
    ]
    arguments: dict[str, dict[str, Any]] = {}
    for part in (content.get("init_args", {}), *overlays, overrides):
        for name, values in part.items():
            arguments.setdefault(name, {}).update(values)
    return build_module(import_class(content["class_path"]), arguments, preset)
