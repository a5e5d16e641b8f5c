"""A table as its file says it: columns are metrics, rows are methods, beside them what a paper printed. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from reenact import presets
from reenact.errors import ReenactError, suggest

SYNTHETIC = "synthetic"
"""The data preset of the embedded world."""
ZOO = "zoo"
"""In place of rows: one for each method of the zoo that makes pictures."""


@dataclass(frozen=True)
class Column:
    """A metric on a loader."""

    id: str
    """As the paper's column: `same.aed`, `cross.fid`."""
    metric: str
    """Our name of what the paper measures, with network and norm; choices that it leaves open are in the notes."""
    loader: Literal["self", "cross"]
    direction: Literal["up", "down"]
    """Which way is better."""
    decimals: int


@dataclass(frozen=True)
class Row:
    """A method in one of its settings."""

    id: str
    """Short name for files and for `--row`."""
    method: str
    """As printed."""
    kind: Literal["own", "ablation", "baseline"]
    model: str | None = None
    """The preset under `configs/model`; None for a method outside of the zoo."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Dotted options on top of the preset."""
    checkpoint: Path | None = None
    """Trained weights; trained where there is none."""
    store: str = ""
    """What is added to the names of the stores, for rows whose face parameters are others: `_bfm`."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Column -> what the paper prints."""


@dataclass(frozen=True)
class Table:
    """One table."""

    id: str
    title: str
    paper: str
    """Where it is printed; empty for tables of ours."""
    train: str
    """Data preset, and name of its store, to train on."""
    test: str
    """Data preset, and name of its store, to test on."""
    sources: str
    """Name of the store of source portraits of cross-reenactment; empty for the test clips' own people."""
    pairs: str
    """The plan of `reenact pairs`; empty for pairs drawn by the data module."""
    seed: int
    """Of the pairs."""
    protocol: Mapping[str, str]
    """What the paper says of its pairs."""
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    scale: str = ""
    """The scale it is made for; by default tiny on the synthetic world and the paper's elsewhere."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Dotted options of every row."""
    notes: tuple[str, ...] = ()


def folder() -> Path:
    """The folder of tables: inside the installed package, or at the top of a source checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "tables"
    return installed if installed.is_dir() else package.parent / "benchmarks" / "tables"


def names() -> list[str]:
    """The ids of all tables."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def find(name: str) -> Path:
    """The file of a table: its id, or the path of a YAML file.

    Raises:
        ReenactError: if there is none.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    path = folder() / f"{name}.yaml"
    if not path.is_file():
        raise ReenactError(f"There is no table {name}; {suggest(name, names())}")
    return path


def load(name: str) -> Table:
    """The table of an id or of a file.

    Raises:
        ReenactError: if there is none, or the file is no table.
    """
    path = find(name)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ReenactError(f"{path} can't be read as a table ({' '.join(str(error).split())})") from error
    try:
        return _table(content)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ReenactError(f"{path} is no table: {' '.join(str(error).split())}; see docs/benchmark.md") from error


def _table(content: Mapping[str, Any]) -> Table:
    data = content["data"]
    columns = tuple(Column(**column) for column in content["columns"])
    known = {column.id for column in columns}
    rows = zoo_rows() if content["rows"] == ZOO else tuple(map(_row, content["rows"]))
    for row in rows:
        if not set(row.values) <= known:
            raise ValueError(f"the row {row.id} has a value of a column that there is not")
    if len({row.id for row in rows}) < len(rows):
        raise ValueError("two rows have one id")
    optional = {name: content[name] for name in ("scale", "overrides") if name in content}
    return Table(
        id=content["id"],
        title=content["title"],
        paper=content.get("paper", ""),
        train=data["train"],
        test=data["test"],
        sources=data.get("sources") or "",
        pairs=content.get("pairs") or "",
        seed=content.get("seed", 0),
        protocol=content.get("protocol", {}),
        columns=columns,
        rows=rows,
        notes=tuple(content.get("notes", ())),
        **optional,
    )


def _row(content: Mapping[str, Any]) -> Row:
    checkpoint = content.get("checkpoint")
    return Row(**{**content, "checkpoint": None if checkpoint is None else Path(checkpoint)})


def zoo_rows() -> tuple[Row, ...]:
    """The first preset of each method of the zoo that makes pictures."""
    from reenact.models.registry import METHODS

    return tuple(
        Row(preset, preset, "own", model=preset)
        for method in METHODS.values()
        if method.makes_pictures
        for preset in list(method.presets)[:1]
        if preset in presets.names("model")
    )
