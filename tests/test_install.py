"""Hints that tell a person what to install."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reenact.cli import doctor, main
from reenact.install import DISTRIBUTION, install_hint

REPOSITORY = Path(__file__).resolve().parents[1]
TEXTS = [
    path
    for folder in ("reenact", "docs", "configs", "benchmarks", "tests")
    for path in sorted((REPOSITORY / folder).rglob("*"))
    if path.suffix in {".py", ".md", ".yaml"} and path != Path(__file__).resolve()
] + [REPOSITORY / "README.md", REPOSITORY / "Makefile"]


def requirement_of(hint: str) -> Requirement:
    """The requirement in a command of the form `pip install 'NAME[EXTRA]'`."""
    program, action, requirement = shlex.split(hint)
    assert (program, action) == ("pip", "install")
    return Requirement(requirement)


def test_no_text_installs_the_package_of_somebody_else():
    others = re.compile(r"pip install[^\n#]*?[\s'\"](reenact)(?![\w-])")
    assert [str(path) for path in TEXTS if others.search(path.read_text(encoding="utf-8"))] == []


def test_every_hint_names_an_extra_of_this_distribution():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    calls = [
        call
        for path in (REPOSITORY / "reenact").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "install_hint"
    ]
    literals = {word.value for call in calls for word in call.args if isinstance(word, ast.Constant)}
    assert len(literals) > 8
    assert literals <= extras
    for extra in literals:
        requirement = requirement_of(install_hint(extra))
        assert requirement.name == DISTRIBUTION
        assert requirement.extras == {extra}


def test_doctor_shows_hints_that_a_shell_can_run(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(doctor, "find_spec", lambda module: None)
    main(["doctor"])
    report = capsys.readouterr().out
    hints = re.findall(r"pip install \S+", report)
    assert {extra for hint in hints for extra in requirement_of(hint).extras} >= {"insightface", "ray", "s3", "dlib"}
    assert len(hints) == sum("pip install" in remedy for _, _, remedy in doctor.OPTIONAL.values())


@pytest.mark.parametrize("text", ["[a]", "[/]", "[red]x"])
def test_brackets_in_names_of_files_are_no_markup(text):
    code = (
        "import io, sys\nfrom pathlib import Path\nfrom rich.console import Console\nfrom reenact.cli import weights\n"
        "import dataclasses\nfrom reenact.assets import ASSETS\n"
        "asset = dataclasses.replace(next(iter(ASSETS.values())), purpose=sys.argv[1])\nweights.show_one(asset)"
    )
    run = subprocess.run([sys.executable, "-c", code, text], capture_output=True, text=True, timeout=60, check=True)
    assert text in run.stdout


def installed_requirements(name: str) -> list[str]:
    """The requirements of an installed distribution; none of one that is not installed."""
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def needed_distributions(roots: list[str], requirements_of: Callable[[str], list[str]]) -> set[str]:
    """The names of all distributions that requirements bring, theirs included, with the extras that they ask for."""
    pending, walked = [Requirement(text) for text in roots], set()
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in walked:
                continue
            walked.add((name, extra))
            needs = [Requirement(text) for text in requirements_of(name)]
            pending += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
    return {name for name, _ in walked}


def requirements_with_project(name: str) -> list[str]:
    """The requirements of a distribution; of this one all extras of `pyproject.toml` at once."""
    if name != DISTRIBUTION:
        return installed_requirements(name)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]


def opencv_among(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith("opencv-")}


def test_all_extras_together_bring_one_opencv():
    """Two of its distributions write the same folder, and either may end up with files of the other."""
    names = needed_distributions([DISTRIBUTION], requirements_with_project)
    assert {"insightface", "face-alignment", "torch"} <= names
    assert opencv_among(names) == {"opencv-python"}
    assert "mediapipe" not in names  # brings opencv-contrib-python


def test_a_second_opencv_is_seen_through_the_extras_of_others():
    world = {
        "reenact-zoo": ["opencv-python>=4", "a[video]"],
        "a": ["b; extra == 'video'", "opencv-python-headless; extra == 'other'"],
        "b": ["opencv-contrib-python"],
    }
    names = needed_distributions([DISTRIBUTION], lambda name: world.get(name, []))
    assert opencv_among(names) == {"opencv-python", "opencv-contrib-python"}


def test_the_lock_holds_versions_that_the_project_takes():
    content = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*content["dependencies"], *(line for extra in content["optional-dependencies"].values() for line in extra)]
    pins = re.findall(r"^([\w.-]+)(?:\[\S+\])?==(\S+)", (REPOSITORY / "requirements.lock").read_text(), re.MULTILINE)
    locked = {canonicalize_name(name): version for name, version in pins}
    for requirement in map(Requirement, lines):
        if requirement.name != DISTRIBUTION:
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement
