"""LivePortrait's own controls: openings of eyes and lips, and the sliders of its editor."""

from __future__ import annotations

from dataclasses import replace

from reenact.models.common.controls import Control
from reenact.models.liveportrait.expressions import SLIDERS

OPENINGS = {
    "eyes.opening": Control(effect="opens both eyes", low=0.0, high=0.8, part="expression", limited=True),
    "lips.opening": Control(effect="opens the lips", low=0.0, high=0.8, part="expression", limited=True),
}
"""Controls of the retargeting networks, heights over widths."""
UNTRAINED = (
    ": the network that moves them is trained in stage 2 and this checkpoint is of stage 1; train it by"
    " reenact fit --model liveportrait_retargeting --weights CHECKPOINT"
)
"""Sentence after the name of a control or a setting whose network is untrained."""
SLIDER_CONTROLS = {
    f"expression.{name}": Control(
        effect=slider.effect, low=slider.low, high=slider.high, part="expression", limited=True
    )
    for name, slider in SLIDERS.items()
}
"""Sliders of the expression."""


def list_openings(*, eyes: bool, lips: bool) -> dict[str, Control]:
    """The openings as controls by name; the effect of one whose network is untrained says that it needs stage 2.

    Args:
        eyes: True where the network of the eyes is trained.
        lips: True where that of the lips is trained.
    """
    trained = {"eyes.opening": eyes, "lips.opening": lips}
    return {
        name: control if trained[name] else replace(control, effect=f"{control.effect}; needs stage 2")
        for name, control in OPENINGS.items()
    }
