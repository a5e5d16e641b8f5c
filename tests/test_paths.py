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
from reenact.cli.functions import resolve
from reenact.errors import ReenactError
from reenact.paths import accept_text


def path_parameters(function) -> list[str]:
    return [name for name, hint in get_type_hints(function).items() if Path in (hint, *get_args(hint))]


@accept_text
def arguments(one: Path, many: list[Path], *, absent: Path | None = None, text: str = "x") -> tuple[object, ...]:
    return one, many, absent, text


def test_text_becomes_a_path_where_one_is_expected():
    assert arguments("a", ["b", Path("c")], text="d") == (Path("a"), [Path("b"), Path("c")], None, "d")
    assert arguments(Path("a"), [], absent="e")[2] == Path("e")
    with pytest.raises(TypeError, match="many"):
        arguments("a")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_takes_text_for_its_paths(name):
    function = resolve(COMMANDS[name])
    parameters = [name for name in path_parameters(function) if name != "return"]
    assert not parameters or inspect.unwrap(function) is not function, parameters


@pytest.mark.parametrize("name", ["animate", "edit", "evaluate", "export", "pack", "convert"])
def test_paths_as_text_that_are_not_there_are_a_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function = resolve(COMMANDS[name])
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
