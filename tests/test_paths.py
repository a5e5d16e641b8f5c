"""Functions for Python callers: text in place of paths, results, and the documented example."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from PIL import Image

from reenact.cli.commands import COMMANDS
from reenact.cli.functions import import_command
from reenact.errors import ReenactError
from reenact.paths import to_path


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_hints_of_every_command_say_that_text_is_a_path(name):
    hints = get_type_hints(import_command(COMMANDS[name]))
    paths = {parameter: get_args(hint) for parameter, hint in hints.items() if Path in (hint, *get_args(hint))}
    paths.pop("return", None)
    assert {parameter for parameter, types in paths.items() if str not in types} == set()


def test_paths_from_text_and_from_nothing():
    assert to_path("a/b") == to_path(Path("a/b")) == Path("a/b")
    assert to_path(None) is None


@pytest.mark.parametrize("name", ["animate", "edit", "evaluate", "export", "pack", "convert"])
def test_paths_as_text_that_are_not_there_are_a_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function = import_command(COMMANDS[name])
    parameters = inspect.signature(function).parameters.values()
    required = {p.name: f"absent/{p.name}.png" for p in parameters if p.default is p.empty}
    with pytest.raises(ReenactError):
        function(**required)
    assert list(tmp_path.iterdir()) == []


def test_the_documented_example_runs(request, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("results", "real"):
        Path(folder).mkdir()
        Image.fromarray(np.full((16, 16, 3), 100, np.uint8)).save(f"{folder}/a.png")
    text = (request.config.rootpath / "docs" / "metrics.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    names: dict[str, object] = {}
    exec(code, names)
    result = names["result"]
    assert result.scores["self"]["psnr"].value == 100
    assert result.frames == {"self": 1}
    assert capsys.readouterr().out.splitlines()[0].split() == ["metric", "self", "(1", "frames)"]
