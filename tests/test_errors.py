"""Errors are one sentence of three fields, and nobody has to take it apart."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from reenact.errors import ReenactError, suggest_names

PACKAGE = Path(__file__).resolve().parents[1] / "reenact"
TAKES_APART = {"removeprefix", "removesuffix", "startswith", "endswith", "partition", "rpartition"}


def test_fields_make_one_sentence():
    error = ReenactError("has no video stream", subject=Path("a.mp4"), remedy="give a video file")
    assert str(error) == "a.mp4 has no video stream; give a video file"
    assert error.statement == "has no video stream; give a video file"
    assert str(ReenactError("shows no face", subject="a.mp4")) == "a.mp4 shows no face"
    assert str(ReenactError("--size 0 must be at least 16")) == "--size 0 must be at least 16"


def test_what_an_error_names_is_not_named_again():
    error = ReenactError("shows no face")
    assert str(error.about("a.mp4").with_remedy("turn it")) == "a.mp4 shows no face; turn it"
    named = ReenactError("is damaged", subject="b.png", remedy="copy it again")
    assert named.about("a.mp4") is named
    assert named.with_remedy("turn it") is named
    assert named.describe_within("b.png") == "is damaged; copy it again"
    assert named.describe_within("a.mp4") == "b.png is damaged; copy it again"


def test_fields_cross_process_borders():
    error = pickle.loads(pickle.dumps(ReenactError("is damaged", subject="b.png", remedy="copy it again")))
    assert (error.subject, error.problem, error.remedy) == ("b.png", "is damaged", "copy it again")
    assert str(error) == "b.png is damaged; copy it again"


def test_a_long_list_of_names_is_cut():
    names = [f"name_{number:03}" for number in range(100)]
    sentence = suggest_names("zzz", names)
    assert sentence.startswith("known: name_000, name_001")
    assert sentence.endswith(" and 70 others")
    assert suggest_names("zzz", names[:30]).endswith("name_029")
    assert suggest_names("nam_042", names).startswith("did you mean")


def caught_own(handler: ast.ExceptHandler) -> str:
    kind = handler.type
    return handler.name or "" if isinstance(kind, ast.Name) and kind.id == "ReenactError" else ""


def find_takers(tree: ast.AST) -> Iterator[int]:
    """Lines that match or cut the text of a caught `ReenactError`."""
    for handler in (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and caught_own(node)):
        text = f"str({caught_own(handler)})"
        for node in ast.walk(handler):
            if isinstance(node, ast.Attribute) and node.attr in TAKES_APART and ast.unparse(node.value) == text:
                yield node.lineno
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In):
                yield from (node.lineno for side in node.comparators if ast.unparse(side) == text)


def test_nobody_takes_the_sentence_of_an_own_error_apart():
    sources = {path: path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    places = [f"{path}:{line}" for path, text in sources.items() for line in find_takers(ast.parse(text))]
    assert not places


@pytest.mark.parametrize("line", ["str(error).startswith('a')", "';' in str(error)", "str(error).removeprefix('a ')"])
def test_a_sentence_that_is_taken_apart_is_found(line):
    assert list(find_takers(ast.parse(f"try:\n    f()\nexcept ReenactError as error:\n    x = {line}\n"))) == [4]
