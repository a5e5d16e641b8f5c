"""The files of scores: one JSON with the value of each metric, one Parquet row a frame."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from safetensors.torch import save_file
from torch import Tensor

from reenact import __version__
from reenact.callbacks.whole_files import replace_file
from reenact.errors import ReenactError
from reenact.metrics.frame_set import FrameSet
from reenact.metrics.metric_names import current_metric
from reenact.metrics.suite import Row, Score

FORMAT = 1
"""Version of the JSON files' format."""
LARGEST = 10_000_000
"""Bytes of a JSON file."""

Scores = dict[str, dict[str, Score]]
"""Loader (`self` or `cross`) -> metric -> its value."""


@dataclass(frozen=True)
class ScoreFile:
    """The content of a file of scores."""

    scores: Scores
    about: dict[str, Any]
    """Further facts of the file: the origin of the frames."""
    frames: dict[str, FrameSet] = field(default_factory=dict)
    """Loader -> digests of the frames; empty in files of earlier versions."""


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write one row a frame as a Parquet file."""
    with replace_file(path) as partial:
        pq.write_table(pa.Table.from_pylist(list(rows)), partial)


def write_features(parts: Sequence[Mapping[str, Tensor]], path: Path) -> None:
    """Write the features of frames, of each process (N, D) by `NETWORK.FRAMES`, in the order of `write_rows`."""
    names = {name: None for part in parts for name in part}
    with replace_file(path) as partial:
        save_file({name: torch.cat([part[name] for part in parts if name in part]) for name in names}, partial)


def write_scores(
    scores: Mapping[str, Sequence[Score]],
    path: Path,
    about: Mapping[str, Any] | None = None,
    frames: Mapping[str, FrameSet] | None = None,
) -> None:
    """Write the values of metrics as JSON; what can't be computed is null with its reason.

    Args:
        scores: Loader -> its metrics.
        path: The file.
        about: What else to keep: how the frames were made.
        frames: Loader -> digests of the frames.
    """
    content = {
        "format": FORMAT,
        "reenact": __version__,
        "about": dict(about or {}),
        "frames": {loader: asdict(digests) for loader, digests in (frames or {}).items()},
        "loaders": {loader: [_score_to_dict(score) for score in of] for loader, of in scores.items()},
    }
    with replace_file(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True)

    metric: str
    value: FiniteFloat | None
    frames: Annotated[int, Field(ge=0)]
    note: str


class _Content(BaseModel):
    model_config = ConfigDict(strict=True)

    format: int
    about: dict[str, Any]
    frames: dict[str, FrameSet] = Field(default_factory=dict)
    loaders: dict[str, list[_Entry]]


def read_scores(path: Path) -> ScoreFile:
    """Read a file of `write_scores`.

    Raises:
        ReenactError: if it is missing or no such file.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise ReenactError(f"{path} can't be read ({error.strerror}); make it with `reenact evaluate`") from error
    if len(text) > LARGEST:
        raise ReenactError(f"{path} is no file of scores: it has more than {LARGEST:,} bytes")
    try:
        content = _Content.model_validate_json(text)
    except ValidationError as error:
        raise ReenactError(f"{path} is no file of scores; make it with `reenact evaluate`") from error
    if content.format != FORMAT:
        raise ReenactError(f"{path} has format {content.format}, and this version of reenact reads {FORMAT}")
    loaders = {loader: map(_score_from_dict, entries) for loader, entries in content.loaders.items()}
    scores = {loader: {score.label: score for score in entries} for loader, entries in loaders.items()}
    return ScoreFile(scores, content.about, content.frames)


def _score_to_dict(score: Score) -> dict[str, Any]:
    value = None if math.isnan(score.value) else score.value
    return {"metric": score.label, "value": value, "frames": score.frames, "note": score.note}


def _score_from_dict(entry: _Entry) -> Score:
    value = math.nan if entry.value is None else entry.value
    return Score(current_metric(entry.metric), value, entry.frames, entry.note)
