"""A table as its file says it: columns are metrics, rows are methods, beside them what a paper printed. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reenact.benchmark.figure_spec import Figure, build_figures
from reenact.benchmark.table_file import RowPart, read_table
from reenact.errors import ReenactError, suggest_names
from reenact.methods.registry import list_methods
from reenact.metrics.metric_names import COST, current_metric
from reenact.runs import presets

SYNTHETIC = "synthetic"
"""The data preset of the embedded world."""
ZOO = "zoo"
"""In place of rows: one for each method of the zoo that makes pictures."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A metric on a loader."""

    id: str
    """Identifier of the paper's column: `same.aed`, `cross.fid`."""
    metric: str
    """Our name of what the paper measures, with network and norm; choices that it leaves open are in the notes."""
    loader: Literal["self", "cross", "cost"]
    direction: Literal["up", "down"]
    """Direction in which values are better."""
    decimals: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method in one of its settings."""

    id: str
    """Short name for files and for `--row`."""
    method: str
    """Name of the method as printed in the paper."""
    kind: Literal["own", "ablation", "baseline"]
    model: str | None = None
    """The preset under `configs/model`; None for a method outside of the zoo."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Dotted options on top of the preset."""
    checkpoint: Path | None = None
    """Trained weights; trained where there is none."""
    store: str = ""
    """Suffix of the stores' names, for rows with other face parameters: `_bfm`."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Column -> what the paper prints."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table."""

    id: str
    title: str
    paper: str
    """Paper and number of the table; empty for tables of ours."""
    train: str
    """Data preset, and name of its store, to train on."""
    test: str
    """Data preset, and name of its store, to test on."""
    sources: str
    """Name of the store of source portraits of cross-reenactment; empty for the test clips' own people."""
    pairs: str
    """The plan of `reenact pairs`; empty for pairs drawn by the data module."""
    seed: int
    """Seed of the random pairs."""
    protocol: Mapping[str, str]
    """Statements of the paper about its pairs."""
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    scale: str = ""
    """The scale it is made for; by default tiny on the synthetic world and the paper's elsewhere."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Dotted options of every row."""
    notes: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()


def tables_folder() -> Path:
    """The folder of tables: inside the installed package, or at the top of a source checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "tables"
    return installed if installed.is_dir() else package.parent / "benchmarks" / "tables"


def table_names() -> list[str]:
    """The ids of all tables."""
    return sorted(path.stem for path in tables_folder().glob("*.yaml"))


def find_table(name: str) -> Path:
    """The file of a table: its id, or the path of a YAML file.

    Raises:
        ReenactError: if there is none.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    path = tables_folder() / f"{name}.yaml"
    if not path.is_file():
        raise ReenactError(f"There is no table {name}; {suggest_names(name, table_names())}")
    return path


def load_table(name: str) -> Table:
    """The table of an id or of a file.

    Raises:
        ReenactError: if there is none, or the file is no table.
    """
    path = find_table(name)
    content = read_table(path)
    columns = tuple(Column(**{**dict(column), "metric": current_metric(column.metric)}) for column in content.columns)
    rows = (
        zoo_rows()
        if content.rows == ZOO
        else tuple(_build_row(row) for row in content.rows if isinstance(row, RowPart))
    )
    _check_ids(path, columns, rows)
    drawn = [column.id for column in columns if column.loader != COST]
    figures = build_figures(path, content.figures, drawn, [row.id for row in rows])
    return Table(
        id=content.id,
        title=content.title,
        paper=content.paper,
        train=content.data.train,
        test=content.data.test,
        sources=content.data.sources or "",
        pairs=content.pairs or "",
        seed=content.seed,
        protocol=content.protocol,
        columns=columns,
        rows=rows,
        scale=content.scale or "",
        overrides=content.overrides,
        notes=tuple(content.notes),
        figures=figures,
    )


def _build_row(content: RowPart) -> Row:
    checkpoint = None if content.checkpoint is None else Path(content.checkpoint)
    return Row(**{**dict(content), "checkpoint": checkpoint})


def _check_ids(path: Path, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Refuse ids that stand twice, also where a file system takes `A` for `a`, and values without a column."""
    for kind, ids in (("columns", [column.id for column in columns]), ("rows", [row.id.lower() for row in rows])):
        if len(set(ids)) < len(ids):
            raise ReenactError(f"{path} is no table: two {kind} have one id; see docs/benchmark.md")
    ids = [column.id for column in columns]
    for row in rows:
        for column in row.values:
            if column not in ids:
                raise ReenactError(
                    f"{path} is no table: the row {row.id} has a value of {column[:60]}, a column that there is not"
                )


def zoo_rows() -> tuple[Row, ...]:
    """The first preset of each method of the zoo that makes pictures."""
    return tuple(
        Row(id=preset, method=preset, kind="own", model=preset)
        for method in list_methods()
        if method.makes_pictures
        for preset in list(method.presets)[:1]
        if preset in presets.preset_names("model")
    )
