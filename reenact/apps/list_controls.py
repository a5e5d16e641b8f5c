"""`reenact controls`: the numbers of a method's motion that `edit` sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from reenact.apps.edit_options import list_edit_options
from reenact.models.common.checkpoint import load_method
from reenact.models.common.controls import Control
from reenact.models.common.module import ReenactmentModule
from reenact.paths import PathLike


@dataclass(frozen=True)
class ControlList:
    """Controls of a checkpoint."""

    method: str
    controls: Mapping[str, Control]

    def __str__(self) -> str:
        """Return one line a control; coefficients that differ by name alone share one."""
        if not self.controls:
            return f"{self.method} has no controls: its motion moves as one"
        rows = [("control", "range", "effect")]
        for (family, control), members in groupby(self.controls.items(), _describe_family):
            keys = [name.partition(".")[2] for name, _ in members]
            name = f"{family}.KEY" if len(keys) > 1 else f"{family}.{keys[0]}".rstrip(".")
            rows.append(
                (name, f"{control.low:g} to {control.high:g} {control.unit}".strip(), _describe_effect(control, keys))
            )
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        return "\n".join(f"{name:<{widths[0]}}  {limits:<{widths[1]}}  {effect}" for name, limits, effect in rows)


def _describe_family(item: tuple[str, Control]) -> tuple[str, Control]:
    return item[0].partition(".")[0], item[1]


def _describe_effect(control: Control, keys: list[str]) -> str:
    text = control.effect
    if control.requires:
        options = {option.item: name.replace("_", "-") for name, option in list_edit_options().items()}
        text += f"; needs --{options.get(control.requires, control.requires)}"
    if len(keys) > 1:
        numbered = keys == [str(number) for number in range(len(keys))]
        text += f"; KEY is 0 to {keys[-1]}" if numbered else f"; KEY is a number or {', '.join(keys)}"
    return text


def list_controls(checkpoint: PathLike) -> ControlList:
    """List the controls of a checkpoint's method, with their ranges and units.

    Args:
        checkpoint: a trained method.

    Returns:
        The controls by name.

    Raises:
        ReenactError: if the checkpoint can't be used.
    """
    module = load_method(Path(checkpoint))
    assert isinstance(module, ReenactmentModule)
    return ControlList(module.method, module.network.controls())
