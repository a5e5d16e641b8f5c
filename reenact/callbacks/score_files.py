"""The files of scores: one JSON with the value of each metric, one Parquet row a frame."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reenact import __version__
from reenact.callbacks.whole_files import replace_file
from reenact.errors import ReenactError
from reenact.metrics.suite import Row, Score

FORMAT = 1
"""Of the JSON files."""

Scores = dict[str, dict[str, Score]]
"""Loader (`self` or `cross`) -> metric -> its value."""


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write one row a frame as a Parquet file."""
    with replace_file(path) as partial:
        pq.write_table(pa.Table.from_pylist(list(rows)), partial)


def write_scores(scores: Mapping[str, Sequence[Score]], path: Path, about: Mapping[str, Any] | None = None) -> None:
    """Write the values of metrics as JSON; what can't be computed is null with its reason.

    Args:
        scores: Loader -> its metrics.
        path: The file.
        about: What else to keep: how the frames were made.
    """
    content = {
        "format": FORMAT,
        "reenact": __version__,
        "about": dict(about or {}),
        "loaders": {loader: [_plain(score) for score in of] for loader, of in scores.items()},
    }
    with replace_file(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_scores(path: Path) -> tuple[Scores, dict[str, Any]]:
    """The values in a file of `write_scores`, and what else it keeps.

    Raises:
        ReenactError: if it is missing or no such file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ReenactError(f"{path} has format {content['format']}, and this version of reenact reads {FORMAT}")
        scores = {
            loader: {score.label: score for score in map(_score, of)} for loader, of in content["loaders"].items()
        }
        return scores, content["about"]
    except OSError as error:
        raise ReenactError(f"{path} can't be read ({error.strerror}); make it with `reenact evaluate`") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReenactError(f"{path} is no file of scores; make it with `reenact evaluate`") from error


def _plain(score: Score) -> dict[str, Any]:
    value = None if math.isnan(score.value) else score.value
    return {"metric": score.label, "value": value, "frames": score.frames, "note": score.note}


def _score(entry: Mapping[str, Any]) -> Score:
    value = math.nan if entry["value"] is None else float(entry["value"])
    return Score(entry["metric"], value, entry["frames"], entry["note"])
