"""What is answered before torch is imported; and the command as a process."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import warnings
from typing import get_type_hints

import pytest

from reenact.cli import main
from reenact.cli.commands import COMMANDS
from reenact.cli.functions import import_command
from reenact.cli.signatures import read_signature
from reenact.runs import quiet

SCRIPT = """
import sys
from reenact.cli import main

codes = [main(words.split()) for words in sys.argv[1:]]
heavy = sorted({"torch", "pytorch_lightning", "torchvision", "numpy", "numba"} & set(sys.modules))
print("RESULT", codes, heavy)
"""


def test_help_lists_and_wrong_names_need_no_torch():
    lines = ["--help", "--version", "fit --help", "predict -h", "list", "weights list"]
    lines += ["benchmark --list", "fti", "fit --model pwm_flam"]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *lines], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "RESULT [0, 0, 0, 0, 0, 0, 0, 2, 2] []", done.stderr
    assert done.stderr.splitlines()[0] == "reenact: error: fti: no such command; did you mean fit?"
    assert "--model pwm_flam: no such preset; did you mean pwm_flame" in done.stderr


def test_help_and_wrong_options_of_every_command_need_no_torch():
    lines = [f"{name} --help" for name in COMMANDS] + [f"{name} --no-such-option" for name in COMMANDS]
    process = subprocess.run([sys.executable, "-c", SCRIPT, *lines], capture_output=True, text=True, timeout=60)
    codes = [0] * len(COMMANDS) + [2] * len(COMMANDS)
    assert process.stdout.splitlines()[-1] == f"RESULT {codes} []", process.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_signatures_read_from_source_are_those_of_the_functions(name):
    function = import_command(COMMANDS[name])
    signature = read_signature(COMMANDS[name].function)
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters
    assert list(signature.parameters) == list(parameters)
    for parameter in signature.parameters.values():
        assert parameter.annotation == hints[parameter.name]
        assert parameter.default == parameters[parameter.name].default
    assert signature.docstring == inspect.getdoc(function)


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "reenact", "nonsense"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("reenact: error: nonsense: no such command; known: fit, ")


def test_the_overview_names_every_command(capsys):
    from reenact.cli.commands import COMMANDS, TRAINER_COMMANDS

    assert main([]) == 0
    overview = capsys.readouterr().out
    for name in (*COMMANDS, *TRAINER_COMMANDS):
        assert f"\n  {name} " in overview


def test_tracebacks_on_request(monkeypatch):
    from reenact.errors import ReenactError

    monkeypatch.setenv("REENACT_TRACEBACK", "1")
    with pytest.raises(ReenactError):
        main(["fit", "--model", "no_such"])


def test_sigterm_ends_a_command_as_ctrl_c_does(monkeypatch, capsys):
    monkeypatch.setattr(
        sys.modules["reenact.cli.main"], "_dispatch_command", lambda words: signal.raise_signal(signal.SIGTERM)
    )
    before = signal.getsignal(signal.SIGTERM)
    assert main(["list"]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("command", ["animate", "prepare"])
def test_help_shows_choices_and_no_types_of_python(command, capsys):
    assert main([command, "--help"]) == 0
    page = capsys.readouterr().out
    assert not [word for word in ("class", "Literal", "null", "str |", "default: False") if word in page]
    assert "(default: hold)" in page
    if command == "prepare":
        assert "--recipe {pwm,pwm_demo,mmfa," in page
        assert "--landmarks {auto,face-alignment," in page


def test_warnings_say_what_and_not_where(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    quiet.begin_logging()
    quiet.close_logging()
    assert warnings.formatwarning("one identity", UserWarning, "a.py", 3) == "warning: one identity\n"
