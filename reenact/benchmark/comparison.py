"""Comparison sheets of a table: one row a pair, one column a method, cut from the grids of the rows' tests."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reenact.callbacks.pictures import LABEL_HEIGHT, draw_grid, measure_label
from reenact.callbacks.whole_files import write_picture
from reenact.faces.portrait import to_tensor
from reenact.media.pictures import open_picture

Pictures = dict[str, Tensor]
"""Name of a column -> (1, 3, H, W) in [-1, 1]."""


def write_comparisons(rows: Mapping[str, Mapping[str, Path]], folder: Path) -> dict[str, Path]:
    """Write `comparison_<loader>.png` where two rows or more show the same pairs; an older sheet goes.

    Args:
        rows: Id of each row -> loader -> its grid.
        folder: Where the sheets go.

    Returns:
        Loader -> sheet.
    """
    sheets = {}
    for loader in ("self", "cross"):
        path = folder / f"comparison_{loader}.png"
        sheet = draw_comparison({row: grids[loader] for row, grids in rows.items() if loader in grids})
        if sheet is None:
            path.unlink(missing_ok=True)
        else:
            write_picture(sheet, path)
            sheets[loader] = path
    return sheets


def draw_comparison(grids: Mapping[str, Path], *, least: int = 2) -> NDArray[np.uint8] | None:
    """Draw source, driving picture and the results of several methods of the pairs that all of their grids show.

    Args:
        grids: Name of the column of each method -> its grid.
        least: Fewest grids to draw.

    Returns:
        The sheet (H, W, 3); None where fewer grids than `least` have a pair in common.
    """
    cells = {name: cut_grid(path) for name, path in grids.items()}
    cells = {name: rows for name, rows in cells.items() if rows}
    if len(cells) < least:
        return None
    first = next(iter(cells.values()))
    pairs = [pair for pair in first if all(pair in rows for rows in cells.values())]
    if not pairs:
        return None
    inputs = {name: [first[pair][name] for pair in pairs] for name in ("source", "driving") if name in first[pairs[0]]}
    results = {name: [rows[pair]["result"] for pair in pairs] for name, rows in cells.items()}
    columns = {name: torch.cat(pictures) for name, pictures in (inputs | results).items()}
    return draw_grid(_enlarge_for_labels(columns), len(pairs))


def _enlarge_for_labels(columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Pictures (B, 3, H, W), each pixel repeated until the widest name fits above its column."""
    width = next(iter(columns.values())).shape[-1]
    times = math.ceil(max(map(measure_label, columns)) / width)
    return {
        name: picture.repeat_interleave(times, -1).repeat_interleave(times, -2) for name, picture in columns.items()
    }


def cut_grid(path: Path) -> dict[str, Pictures]:
    """Cut a grid into its pairs; empty for a grid that does not name them."""
    with open_picture(path) as picture:
        metadata, pixels = dict(picture.info), np.asarray(picture.convert("RGB"))
    if "columns" not in metadata or "rows" not in metadata:
        return {}
    names, pairs = json.loads(metadata["columns"]), json.loads(metadata["rows"])
    height, width = (pixels.shape[0] - LABEL_HEIGHT) // len(pairs), pixels.shape[1] // len(names)
    cells = to_tensor(pixels[LABEL_HEIGHT:]).reshape(3, len(pairs), height, len(names), width)
    return {
        pair: {name: cells[None, :, row, :, column] for column, name in enumerate(names)}
        for row, pair in enumerate(pairs)
    }
