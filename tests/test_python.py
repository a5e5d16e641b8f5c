"""The package for Python callers: names that are imported when they are used, and words that are refused."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import get_type_hints

import pytest
from rich.progress import track

import reenact
from reenact.callbacks.score_text import score_text
from reenact.choices import check_choices, list_words
from reenact.cli.commands import COMMANDS
from reenact.cli.functions import import_command
from reenact.errors import ReenactError
from reenact.metrics.suite import Score
from reenact.progress import open_progress_console

LAZY = "import sys, reenact; dir(reenact); print(sorted({'torch', 'numpy', 'pytorch_lightning'} & set(sys.modules)))"


def literal_parameters() -> list[tuple[str, str]]:
    functions = {name: import_command(COMMANDS[name]) for name in COMMANDS} | {"read_face": reenact.read_face}
    return [
        (name, parameter)
        for name, function in functions.items()
        for parameter, hint in get_type_hints(function).items()
        if parameter != "return" and list_words(hint)
    ]


def test_importing_the_package_imports_no_torch():
    process = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, timeout=60, check=True)
    assert process.stdout == "[]\n"


@pytest.mark.parametrize("name", reenact.__all__)
def test_a_public_name_is_the_object_of_its_module(name):
    value = getattr(reenact, name)
    assert name in dir(reenact)
    if name != "__version__":
        assert getattr(sys.modules[value.__module__], name) is value
        assert inspect.getdoc(value)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'reenact' has no attribute 'animat'"):
        reenact.animat  # noqa: B018


@pytest.mark.parametrize(("name", "parameter"), literal_parameters())
def test_a_misspelt_word_is_refused_and_named(name, parameter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function = reenact.read_face if name == "read_face" else import_command(COMMANDS[name])
    required = {p.name: "absent" for p in inspect.signature(function).parameters.values() if p.default is p.empty}
    with pytest.raises(ReenactError, match=f"{parameter}='no such word': no such choice"):
        function(**{**required, parameter: "no such word"})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Let rich take the process for a Jupyter kernel; the list holds what it displays there."""
    displayed: list[object] = []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda *content: displayed.append(content))
    return displayed


def test_scores_are_text_and_bars_lines_of_the_error_stream_in_a_notebook(notebook, capsys):
    scores = {"self": [Score("psnr", 20.0, 3)]}
    assert "psnr" in score_text(scores, {"self": 3})
    assert [row for row in track([1, 2], "rows", console=open_progress_console())] == [1, 2]
    output, errors = capsys.readouterr()
    assert (output, notebook) == ("", [])
    assert "rows" in errors


def test_words_of_a_union_and_near_names():
    @check_choices
    def choose(mode: reenact.apps.animate.Audio | None = None, text: str = "") -> object:
        return mode, text

    assert choose() == (None, "")
    assert choose("none", text="anything") == ("none", "anything")
    with pytest.raises(ReenactError, match="did you mean driving"):
        choose("drivng")
