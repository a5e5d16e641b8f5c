"""Both forms of the contrast over the iterations of trainings of `export3d_clebs`, as a picture for its page.

    python benchmarks/studies/contrast_curves.py docs/images/export3d_contrast.png InfoNCE=RUN "as printed=OTHER_RUN"

The runs are shown up to the last iteration of the shortest one.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reenact.benchmark.chart import Panel, draw_chart

BINS = 10
TITLES = {
    "train/infonce": "InfoNCE",
    "train/printed": "eq. (1) as printed",
    "train/matches": "share of own pictures found",
}


def read_columns(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Read the logged steps of a run and its values of `TITLES`."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("train/infonce")]
    return {name: np.array([float(row[name]) for row in rows]) for name in ("step", *TITLES)}


def average_bins(steps: NDArray[np.float64], values: NDArray[np.float64], last: float) -> list[float | None]:
    """Means of the values in `BINS` equal ranges of steps up to `last`; None for a range without any."""
    places = np.minimum((steps / last * BINS).astype(int), BINS - 1)
    chosen = [values[(places == number) & (steps <= last)] for number in range(BINS)]
    return [float(part.mean()) if len(part) else None for part in chosen]


def main(words: list[str] | None = None) -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN")
    options = parser.parse_args(words)
    pairs = [text.partition("=") for text in options.runs]
    runs = {f"trained by {name}": read_columns(Path(folder)) for name, _, folder in pairs}
    last = min(float(run["step"][-1]) for run in runs.values())
    panels = [
        Panel(title=title, lines={name: average_bins(run["step"], run[column], last) for name, run in runs.items()})
        for column, title in TITLES.items()
    ]
    bins = [f"{(number + 1) * last / BINS:.0f}" for number in range(BINS)]
    Image.fromarray(draw_chart(panels, bins, "iterations")).save(options.out, optimize=True)


if __name__ == "__main__":
    main()
