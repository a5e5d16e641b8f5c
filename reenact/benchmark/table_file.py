"""Tables as YAML files, checked against a schema before anything reads them.

A table may come from somebody else. Ids become names of folders and options become words of a command line, so that
both are held to what they need; a file names no class and refers to no other part of itself.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, ValidationError

from reenact.errors import ReenactError
from reenact.names import is_name

LARGEST = 1_000_000
"""Bytes of a file; the largest table of a paper has 6,000."""
MOST_DECIMALS = 8

# What PyYAML raises for scalars that are not of their type: dates of month 13, `!!int` of nothing, nesting without end.
_UNREADABLE = (yaml.YAMLError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


def _check_name_text(text: str) -> str:
    if not is_name(text):
        raise ValueError("is not a name: use letters, digits, '.', '_' and '-', no '.' in front")
    return text


def _check_option(text: str) -> str:
    if "class_path" in text.split("."):
        raise ValueError("a table names no class; make a preset of it")
    return text


def _check_plain_value(value: str | float | bool) -> str | float | bool:
    if isinstance(value, str) and value.lstrip().startswith(("{", "[", "-")):
        raise ValueError("is read as more than text; write a number, a word, or a list of them")
    return value


def _check_increasing(edges: list[float]) -> list[float]:
    if any(later <= earlier for earlier, later in pairwise(edges)):
        raise ValueError("the edges of bins must increase")
    return edges


Text = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]
"""One line."""
Words = Annotated[Text, StringConstraints(min_length=1)]
Name = Annotated[str, AfterValidator(_check_name_text)]
Suffix = Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9._-]*$")]
Option = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[a-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+$"),
    AfterValidator(_check_option),
]
"""A dotted option; plain ones (`config`, `out`, `ckpt_path`) are the benchmark's own."""
Plain = Annotated[Text | FiniteFloat | int | bool, AfterValidator(_check_plain_value)]
Value = Plain | list[Plain] | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ColumnPart(_Part):
    """A column as its file says it."""

    id: Name
    metric: Words
    loader: Literal["self", "cross", "cost"]
    direction: Literal["up", "down"]
    decimals: Annotated[int, Field(ge=0, le=MOST_DECIMALS)]


class RowPart(_Part):
    """A row as its file says it."""

    id: Name
    method: Words
    kind: Literal["own", "ablation", "baseline"]
    model: Name | None = None
    overrides: dict[Option, Value] = Field(default_factory=dict)
    checkpoint: Words | None = None
    store: Suffix = ""
    values: dict[str, FiniteFloat] = Field(default_factory=dict)


class DataPart(_Part):
    """The names of stores and data presets."""

    train: Name
    test: Name
    sources: Name | None = None


class CurvePart(_Part):
    """A curve of columns over bins of a difference between the two faces of a pair."""

    kind: Literal["curve"]
    id: Name
    title: Words
    columns: Annotated[list[Name], Field(min_length=1, max_length=6)]
    over: Literal["pose_difference", "yaw_difference"]
    bins: Annotated[list[FiniteFloat | int], Field(min_length=2, max_length=50), AfterValidator(_check_increasing)]
    rows: Annotated[list[Name], Field(min_length=1)] | None = None
    least_frames: Annotated[int, Field(ge=2)] = 100


class SheetPart(_Part):
    """A sheet of chosen pairs, one row each, and a column for each method and mode."""

    kind: Literal["sheet"]
    id: Name
    title: Words
    loader: Literal["self", "cross"]
    pairs: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=32)]
    rows: Annotated[list[Name], Field(min_length=1)] | None = None
    modes: Annotated[list[Literal["absolute", "pose", "expression"]], Field(min_length=1)] | None = None


class TablePart(_Part):
    """A table as its file says it."""

    id: Name
    title: Words
    data: DataPart
    columns: Annotated[list[ColumnPart], Field(min_length=1, max_length=100)]
    rows: Annotated[list[RowPart], Field(min_length=1, max_length=200)] | Literal["zoo"]
    paper: Text = ""
    pairs: Name | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    protocol: dict[Words, Text] = Field(default_factory=dict)
    notes: list[Text] = Field(default_factory=list)
    scale: Name | None = None
    overrides: dict[Option, Value] = Field(default_factory=dict)
    figures: list[Annotated[CurvePart | SheetPart, Field(discriminator="kind")]] = Field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """YAML without aliases, which can unfold without end, and without two entries of one key."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not read here")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
        if twice is not None:
            raise yaml.MarkedYAMLError(problem=f"{twice[:60]} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def read_table(path: Path) -> TablePart:
    """Read the file of a table.

    Raises:
        ReenactError: if it can't be read, or is no table; the message names the field.
    """
    try:
        if not path.is_file():
            raise ReenactError(f"{path} can't be read as a table (there is no such file); see docs/benchmark.md")
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise ReenactError(f"{path} can't be read as a table ({error.strerror})") from error
    if len(text) > LARGEST:
        raise ReenactError(f"{path} can't be read as a table: it has more than {LARGEST:,} bytes")
    try:
        content = json.dumps(yaml.load(text.decode(), _Loader))
    except _UNREADABLE as error:
        raise ReenactError(f"{path} can't be read as a table ({_error_line(error)})") from error
    try:
        # As JSON, strictly: lists are taken for lists, and no text for a number.
        return TablePart.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"] if "[" not in str(part))[:100]
        problem = first["msg"].removeprefix("Value error, ")
        prefix = f"{place}: " if place else ""
        raise ReenactError(f"{path} is no table: {prefix}{problem}; see docs/benchmark.md") from error


def _error_line(error: BaseException) -> str:
    line = " ".join(str(error).split())[:300] or type(error).__name__
    return line.encode("utf-8", "replace").decode()
