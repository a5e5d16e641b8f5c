"""Curves of a table: columns over bins of a difference of pose, computed from the files of each row's scores."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from reenact.benchmark.columns import Measured
from reenact.benchmark.figure_spec import Curve
from reenact.benchmark.inputs import hash_inputs
from reenact.metrics.distributions import compute_moments, frechet_distance, kernel_distance
from reenact.metrics.metric_names import find_reference, parse_metric
from reenact.paths import hash_file

SETS = ("fid", "kid")
"""Metrics of sets of frames, which need the features of each frame."""
PAIR = ("source_clip", "source_frame", "driving_clip", "driving_frame")


@dataclass(frozen=True, kw_only=True)
class Point:
    """Value of a column over the frames of one bin."""

    column: str
    lower: float
    upper: float
    frames: int
    """Frames in the bin."""
    value: float | None
    note: str = ""
    """Reason why there is no value, or a remark about it."""


@dataclass(frozen=True, kw_only=True)
class _Frames:
    """The frames of one loader of a row: columns of its Parquet file, and the file of their features."""

    columns: Mapping[str, Sequence[Any]]
    features: Path


def measure_curve(figure: Curve, measured: Sequence[Measured], folder: Path, others: Sequence[Path]) -> list[Point]:
    """Measure the points of a row; from its folder where its scores have not changed.

    Args:
        figure: The figure.
        measured: The columns of the table as they are measured.
        folder: The folder of the row's scores.
        others: Folders of other rows, whose differences of pose serve a row of frames of another program.
    """
    frames = sorted(folder.glob("frames_*.parquet"))
    files = [*frames, *sorted(folder.glob("features_*.safetensors"))]
    for path in frames:
        if figure.over not in pq.read_schema(path).names:
            files += [other / path.name for other in others if (other / path.name).is_file()]
    chosen = [column for column in measured if column.column.id in figure.columns]
    metrics = [[column.column.id, column.metric, column.problem] for column in chosen]
    made_from = hash_inputs([asdict(figure), metrics, [[path.name, hash_file(path)] for path in files]])
    cache = folder / "figures" / f"{figure.id}.json"
    if cache.is_file():
        content = json.loads(cache.read_text(encoding="utf-8"))
        if content["made_from"] == made_from:
            return [Point(**point) for point in content["points"]]
    points = [point for column in chosen for point in _measure_column(figure, column, folder, others)]
    cache.parent.mkdir(parents=True, exist_ok=True)
    content = {"made_from": made_from, "points": [asdict(point) for point in points]}
    cache.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return points


def _measure_column(figure: Curve, column: Measured, folder: Path, others: Sequence[Path]) -> list[Point]:
    build_point = partial(Point, column=column.column.id)
    bins = list(pairwise(figure.bins))
    loader = column.column.loader
    path = folder / f"frames_{loader}.parquet"
    problem = column.problem or ("" if path.is_file() else f"no {loader} frames")
    frames = _Frames(columns={}, features=folder / f"features_{loader}.safetensors")
    differences: NDArray[np.float64] | None = None
    if not problem:
        frames = _Frames(columns=pq.read_table(path).to_pydict(), features=frames.features)
        differences = _find_differences(figure.over, frames, [other / path.name for other in others])
    if differences is None:
        note = problem or f"no {figure.over}: the data has no face parameters"
        return [build_point(lower=lower, upper=upper, frames=0, value=None, note=note) for lower, upper in bins]
    points = []
    for lower, upper in bins:
        inside = (differences >= lower) & (
            (differences < upper) | ((upper == figure.bins[-1]) & (differences == upper))
        )
        rows = np.flatnonzero(inside)
        value, note = _measure_bin(figure, column, frames, rows)
        points.append(build_point(lower=lower, upper=upper, frames=len(rows), value=value, note=note))
    return points


def _find_differences(over: str, frames: _Frames, others: Sequence[Path]) -> NDArray[np.float64] | None:
    """The difference of pose of each frame; None where no row that was tested here has it for all of them."""
    if over in frames.columns:
        return np.asarray(frames.columns[over], np.float64)
    pairs = list(zip(*(frames.columns[name] for name in PAIR), strict=True))
    for path in others:
        columns = pq.read_table(path).to_pydict() if path.is_file() else {}
        if over in columns:
            difference_of = dict(zip(zip(*(columns[name] for name in PAIR), strict=True), columns[over], strict=True))
            if all(pair in difference_of for pair in pairs):
                return np.array([difference_of[pair] for pair in pairs], np.float64)
    return None


def _measure_bin(figure: Curve, column: Measured, frames: _Frames, rows: NDArray[np.intp]) -> tuple[float | None, str]:
    """Value of a metric over some frames, and a remark; None where it has none."""
    if not len(rows):
        return None, "no pair in this bin"
    if parse_metric(column.metric).family in SETS:
        return _measure_sets(figure, column.metric, frames.features, rows)
    if column.metric not in frames.columns:
        return None, "the metric gives single frames no number"
    values = np.asarray(frames.columns[column.metric], np.float64)[rows]
    valid = values[~np.isnan(values)]
    if not len(valid):
        return None, "no frame of this bin has a value"
    return float(valid.mean()), f"{len(rows) - len(valid)} frames have no value" if len(valid) < len(rows) else ""


def _measure_sets(figure: Curve, metric: str, path: Path, rows: NDArray[np.intp]) -> tuple[float | None, str]:
    """Distance between the generated and the real frames of a bin, from the features of each frame."""
    name = parse_metric(metric)
    if len(rows) < figure.least_frames:
        return None, f"{len(rows)} frames are too few for a distance between sets, which needs {figure.least_frames}"
    keys = [f"{name.network}.generated", f"{name.network}.{find_reference(name)}"]
    if not path.is_file():
        return None, "the features of the frames are not here; they are written where a row is tested"
    places = torch.from_numpy(rows)
    with safe_open(path, "pt") as file:
        generated, real = (file.get_tensor(key)[places] for key in keys)
    if name.family == "kid":
        return float(kernel_distance(generated, real)), ""
    value = float(frechet_distance(compute_moments(generated), compute_moments(real)))
    biased = len(rows) <= generated.shape[1]
    return value, f"biased by the number of frames, {len(rows)} for {generated.shape[1]} features" if biased else ""


def write_points(lines: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Write the points of a figure as CSV and JSON.

    Args:
        lines: Row -> its points.
        path: Without suffix.
    """
    records = [{"row": row, **asdict(point)} for row, points in lines.items() for point in points]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["row", "column", "lower", "upper", "frames", "value", "note"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    path.with_name(f"{path.name}.csv").write_text(buffer.getvalue(), encoding="utf-8")
    path.with_name(f"{path.name}.json").write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
