"""The pages: every dotted name and every file that they name exists, and the project's own files can be read."""

from __future__ import annotations

import functools
import importlib
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import reenact
from reenact.install import DISTRIBUTION

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))

DOTTED = re.compile(r"(?<![\w./-])reenact(?:\.[A-Za-z_]\w*)+")
ROOMS = r"(?:reenact|docs|tests|benchmarks|configs|examples|\.ci|\.github)"
PATH = re.compile(rf"`({ROOMS}/[^`\s]*)`")
ROOT_FILE = re.compile(r"`((?:README|CONTRIBUTING|CHANGELOG|SECURITY|CODE_OF_CONDUCT)\.md|[\w-]+\.(?:toml|lock|cff))`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
GROUPS = {"reenact.methods"}
"""Dotted names that are no Python names: the group of entry points."""


def relative(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@functools.cache
def resolves(dotted: str) -> bool:
    """Tell if a dotted name is a module, or an attribute or field of one."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            if not hasattr(value, name):
                return name in getattr(value, "__annotations__", {}) and name == parts[-1]
            value = getattr(value, name)
        return True
    return False


def exists(pattern: str) -> bool:
    """Tell if a path of the repository exists; `<name>` stands for any name."""
    return any(REPOSITORY.glob(re.sub(r"<[^>]+>", "*", pattern.rstrip("/"))))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_name_and_file_of_a_page_exists(page):
    text = page.read_text(encoding="utf-8")
    names = set(DOTTED.findall(text)) - GROUPS
    assert {name for name in names if not resolves(name)} == set()
    paths = {*PATH.findall(text), *ROOT_FILE.findall(text)}
    assert {path for path in paths if not exists(path)} == set()
    links = {link for link in LINK.findall(text) if not link.endswith(".md") or "api.md" not in link}
    assert {link for link in links if not (page.parent / link).exists()} == set()


def test_names_and_paths_that_do_not_exist_are_noticed():
    assert resolves("reenact.models.common.base.Reenactor.perform")
    assert resolves("reenact.models.common.base.Reenactment.image")  # a field without a default
    assert not resolves("reenact.models.common.base.Reenactor.drawn")
    assert not resolves("reenact.models.bases")
    assert exists("reenact/models/<name>/network.py")
    assert not exists("reenact/models/<name>/networks.py")


def test_commands_of_make_that_pages_and_workflows_name_are_targets():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    texts = [path.read_text(encoding="utf-8") for path in (*PAGES, *WORKFLOWS, REPOSITORY / ".ci" / "run")]
    called = {name for text in texts for name in re.findall(r"(?:`|^|run: )make ([a-z-]+)", text, re.MULTILINE)}
    assert {"lint", "docs", "test", "quickstart", "coverage", "test-lowest", "test-bare"} <= called
    assert called <= targets


def test_the_citation_has_the_fields_of_its_schema():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["version"] == reenact.__version__
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["name"], project["version"]) == (DISTRIBUTION, reenact.__version__)
    assert citation["license"] == project["license"]
    for entry in (citation, *citation["references"]):
        assert entry["type"] in {"software", "conference-paper", "article"}
        assert all(set(author) in ({"name"}, {"family-names", "given-names"}) for author in entry["authors"])


@pytest.mark.parametrize("path", [*WORKFLOWS, *FORMS], ids=lambda path: path.name)
def test_workflows_and_forms_are_read_and_hold_no_place_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    assert not re.search(r"https?://|(?<![\w.])/(?:home|work|tmp|opt|root)/", text)
    if path in WORKFLOWS:
        runs = [step["run"] for job in content["jobs"].values() for step in job["steps"] if "run" in step]
        assert runs
        assert all(run.startswith("make ") for run in runs)


@pytest.mark.parametrize("page", sorted((REPOSITORY / "docs" / "methods").glob("[!i]*.md")), ids=lambda path: path.stem)
def test_a_method_page_ends_with_a_citation(page):
    section = page.read_text(encoding="utf-8").rpartition("\n## Citation\n")[2]
    (entry,) = re.findall(r"```bibtex\n(@\w+\{.*?\n\})\n```", section, re.DOTALL)
    fields = dict(re.findall(r"^  (\w+)\s*= \{(.*)\},$", entry, re.MULTILINE))
    assert {"title", "author", "year"} <= set(fields)
    assert entry.count("{") == entry.count("}")
