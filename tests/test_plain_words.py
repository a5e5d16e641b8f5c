"""Names say what they hold, and the first sentence of a docstring says what a thing does or holds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "reenact"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

_WORDS = """
    apart asked done far found given heard held here how kept known lacking left made meant ours own said seen shown
    still taken theirs there thing things told wanted way what where who whose words
"""
EMPTY_NAMES = frozenset(_WORDS.split())
"""Pronouns, participles and the like, which say nothing of a value."""
EMPTY_PER_LINE = 0.3 / 1000

HIDING = re.compile(
    r"(As|By|How|In the words|Of|See|The same|Those|What|When|Where|Whether|Which|Who|Whom|Whose|Why)\b"
)
"""First words of a docstring that leaves open what the thing is."""
HIDING_SHARE = 0.01

ONE_WORD_SHARE = 0.15
"""Share of functions of one word: the field's terms (`warp`, `psnr`) and commands; others are a verb and its object."""


def stored_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield ast.get_docstring(node) or ""
        if isinstance(node, (ast.Module, ast.ClassDef)):
            for assignment, text in zip(node.body, node.body[1:], strict=False):
                follows = isinstance(assignment, (ast.Assign, ast.AnnAssign)) and isinstance(text, ast.Expr)
                if follows and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
                    yield text.value.value


def empty_names(trees: dict[Path, ast.Module]) -> list[str]:
    return [
        f"{path.name}:{line} {name}"
        for path, tree in trees.items()
        for name, line in stored_names(tree)
        if name in EMPTY_NAMES
    ]


def hiding_docstrings(trees: dict[Path, ast.Module]) -> list[str]:
    return [text for tree in trees.values() for text in docstrings(tree) if HIDING.match(text.strip())]


def test_names_say_what_they_hold():
    lines = sum(path.read_text(encoding="utf-8").count("\n") for path in FILES)
    places = empty_names(TREES)
    assert len(places) <= EMPTY_PER_LINE * lines, places


def test_docstrings_say_what_a_thing_does_or_holds():
    total = sum(1 for tree in TREES.values() for text in docstrings(tree) if text)
    hiding = hiding_docstrings(TREES)
    assert len(hiding) <= HIDING_SHARE * total, hiding


def test_functions_are_a_verb_and_its_object():
    names = [node.name for tree in TREES.values() for node in tree.body if isinstance(node, ast.FunctionDef)]
    one_word = [name for name in names if "_" not in name.strip("_") and name != "main"]
    assert len(one_word) <= ONE_WORD_SHARE * len(names), one_word


@pytest.mark.parametrize("source", ["made = 1", "def f(who): ...", "for seen in (): ..."])
def test_an_empty_name_is_noticed(source):
    assert empty_names({Path("a.py"): ast.parse(source)})


@pytest.mark.parametrize("source", ['"""What it does."""', 'def f():\n    """As `g`."""', 'A = 1\n"""Of pixels."""'])
def test_a_hiding_docstring_is_noticed(source):
    assert hiding_docstrings({Path("a.py"): ast.parse(source)})
