"""Line charts as pictures: panels side by side over common bins, a line with a marker for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22")
OVERSAMPLING = 2
"""Drawn at this multiple of the size and reduced, so that lines are smooth."""
WIDTH, HEIGHT = 460, 320
"""Pixels of a panel."""
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 52
"""Pixels around the lines of a panel."""
LEGEND_LINE = 20
TICKS = 5


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One chart."""

    title: str
    lines: Mapping[str, Sequence[float | None]]
    """Name -> value in each bin; None leaves a gap."""


class _Canvas:
    """Drawing in pixels of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width * OVERSAMPLING, height * OVERSAMPLING), "white")
        self._draw = ImageDraw.Draw(self._image)

    def draw_line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1) -> None:
        scaled = [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
        self._draw.line(scaled, fill=colour, width=round(width * OVERSAMPLING), joint="curve")

    def draw_marker(self, x: float, y: float, colour: str, radius: float = 3.5) -> None:
        box = [v * OVERSAMPLING for v in (x - radius, y - radius, x + radius, y + radius)]
        self._draw.ellipse(box, fill=colour)

    def write_text(self, x: float, y: float, text: str, anchor: str, size: int = 12) -> None:
        font = ImageFont.load_default(size * OVERSAMPLING)
        self._draw.text((x * OVERSAMPLING, y * OVERSAMPLING), text, fill="#222222", font=font, anchor=anchor)

    def read_picture(self) -> NDArray[np.uint8]:
        width, height = (side // OVERSAMPLING for side in self._image.size)
        return np.asarray(self._image.resize((width, height), Image.Resampling.BOX))


def draw_chart(panels: Sequence[Panel], bins: Sequence[str], label: str) -> NDArray[np.uint8]:
    """Draw panels side by side with one legend below (H, W, 3).

    Args:
        panels: The charts; a name has the same colour in all of them.
        bins: Label of each bin.
        label: Label of the axis of bins.
    """
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    columns = max(1, len(panels) * WIDTH // 220)
    legend_rows = -(-len(names) // columns)
    canvas = _Canvas(len(panels) * WIDTH, HEIGHT + legend_rows * LEGEND_LINE + 8)
    for place, panel in enumerate(panels):
        _draw_panel(canvas, panel, place * WIDTH, bins, label, names)
    for place, name in enumerate(names):
        x, y = 24 + place % columns * 220, HEIGHT + 8 + place // columns * LEGEND_LINE
        colour = COLOURS[place % len(COLOURS)]
        canvas.draw_line([(x, y), (x + 26, y)], colour, 2)
        canvas.draw_marker(x + 13, y, colour)
        canvas.write_text(x + 34, y, name, "lm")
    return canvas.read_picture()


def _draw_panel(
    canvas: _Canvas, panel: Panel, offset: float, bins: Sequence[str], label: str, names: Sequence[str]
) -> None:
    x0, x1, y0, y1 = offset + LEFT, offset + WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    values = [value for line in panel.lines.values() for value in line if value is not None]
    ticks = choose_ticks(min(values), max(values)) if values else []
    canvas.write_text((x0 + x1) / 2, TOP / 2, panel.title, "mm", 14)
    canvas.write_text((x0 + x1) / 2, HEIGHT - 14, label, "mm")
    places = [x0 + (number + 0.5) * (x1 - x0) / len(bins) for number in range(len(bins))]
    for x, text in zip(places, bins, strict=True):
        canvas.write_text(x, y1 + 6, text, "mt", 11)

    def find_height(value: float) -> float:
        return y1 - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (y1 - y0)

    for tick in ticks:
        y = find_height(tick)
        canvas.draw_line([(x0, y), (x1, y)], "#dddddd")
        canvas.write_text(x0 - 6, y, f"{tick:.4g}", "rm", 11)
    canvas.draw_line([(x0, y0), (x0, y1), (x1, y1)], "#555555")
    if not values:
        canvas.write_text((x0 + x1) / 2, (y0 + y1) / 2, "no value in any bin", "mm")
    for name, line in panel.lines.items():
        colour = COLOURS[names.index(name) % len(COLOURS)]
        points = [None if value is None else (x, find_height(value)) for x, value in zip(places, line, strict=True)]
        for first, second in pairwise(points):
            if first is not None and second is not None:
                canvas.draw_line([first, second], colour, 2)
        for point in points:
            if point is not None:
                canvas.draw_marker(*point, colour)


def choose_ticks(lowest: float, highest: float) -> list[float]:
    """Choose round numbers, evenly spaced, that enclose a range."""
    span = (highest - lowest) or abs(highest) or 1.0
    magnitude = 10.0 ** np.floor(np.log10(span / TICKS))
    step = next(float(factor * magnitude) for factor in (1, 2, 2.5, 5, 10) if factor * magnitude * TICKS >= span)
    first, last = int(np.floor(lowest / step)), int(np.ceil(highest / step))
    return [number * step for number in range(first, max(last, first + 1) + 1)]
