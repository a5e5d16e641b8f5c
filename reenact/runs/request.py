"""One command line of `fit`, `validate`, `test` or `predict`, taken apart. No torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reenact.errors import ReenactError
from reenact.packages import OPTION
from reenact.runs import presets

CHECKPOINTS = ("ckpt_path", "weights")
"""Options that name a checkpoint: to go on from or to test, and to start a new training from."""

PACKAGE_OPTION = (OPTION.removeprefix("--"), OPTION.removeprefix("--").replace("-", "_"))
"""Spellings of the option that allows the classes of a package."""

OPTION_KINDS = (*presets.KINDS, "out", *CHECKPOINTS)
"""Options read here; their order on the command line does not matter."""

FIXED = {
    "model.face_model": "the data says which face model its parameters live in",
    "trainer.default_root_dir": "it is the run folder; set --out",
    "checkpoint.dirpath": "it lies in the run folder; set --out",
    "data.clip_length": "the method says how long its clips are",
}
"""Options that follow from others, with the reason."""


@dataclass(kw_only=True)
class Request:
    """One command line of `fit`, `validate`, `test` or `predict`, taken apart."""

    command: str
    names: dict[str, str] = field(default_factory=dict)
    """The values of `OPTION_KINDS` that were given."""
    configs: list[Path] = field(default_factory=list)
    """The user's own files, in their order."""
    packages: list[str] = field(default_factory=list)
    """Packages that `--allow-package` names."""
    saved: dict[str, Any] = field(default_factory=dict)
    """Settings that a checkpoint brings where nothing else names a model: its own, and the values of its run."""
    classes: list[str] = field(default_factory=list)
    """Class paths that the person, a preset or the checkpoint names; known after `expand_request`."""
    rest: list[str] = field(default_factory=list)
    """Every other word, in its order."""
    all_options: bool = False
    """True where `--help-all` is among the words."""
    title: str = ""
    """The preset's or method's name, for the run folder and the first line; known after `expand_request`."""
    run_title: str = ""
    """The name that the checkpoint's run had."""
    resumes: bool = False
    """True where the run continues in the folder of an earlier one."""

    @property
    def out(self) -> Path:
        """The run folder, known after `expand_request`."""
        return Path(self.names["out"])

    @property
    def shows_options(self) -> bool:
        """True where the parser prints a page of options, with their descriptions."""
        options = [word.partition("=")[0] for word in self.rest]
        return self.all_options or any(word.endswith(".help") or word == "--print_config" for word in options)


def parse_request(command: str, arguments: list[str]) -> Request:
    """Sort the words of a command line.

    Raises:
        ReenactError: if an option lacks its value.
    """
    request = Request(command=command)
    position = 0
    while position < len(arguments):
        option, equals, value = arguments[position].partition("=")
        kind = {"-c": "config", "--config": "config"}.get(option, option.removeprefix("--"))
        position += 1
        if option == "--help-all":
            request.all_options = True
            continue
        if kind.replace(".init_args.", ".") in FIXED:
            raise ReenactError(f"{option}: can't be set; {FIXED[kind.replace('.init_args.', '.')]}")
        if not option.startswith("-") or kind not in (*OPTION_KINDS, "config", *PACKAGE_OPTION):
            request.rest.append(arguments[position - 1])
            continue
        if not equals:
            if position == len(arguments) or arguments[position].startswith("-"):
                raise ReenactError(f"{option}: a value is missing{_list_choices(kind)}")
            value = arguments[position]
            position += 1
        if kind == "config":
            request.configs.append(Path(value))
        elif kind in PACKAGE_OPTION:
            request.packages.append(value)
        else:
            request.names[kind] = value
    return request


def _list_choices(kind: str) -> str:
    if kind not in presets.KINDS:
        return ""
    return f"; known: {', '.join(presets.preset_names(kind))}"
