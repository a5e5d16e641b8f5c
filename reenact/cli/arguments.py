"""From what a person types to what the parser reads: names become preset files, in a fixed order. No torch here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reenact import presets
from reenact.cli.processes import is_first, shared_run
from reenact.cli.run_folder import RUNS, checkpoint_of, new_run, run_of
from reenact.errors import ReenactError

CHECKPOINTS = ("ckpt_path", "weights")
"""Options that name a checkpoint: to go on from or to test, and to start a new training from."""

OPTION_KINDS = (*presets.KINDS, "out", *CHECKPOINTS)
"""Options read here; their order on the command line does not matter."""

FIXED = {
    "model.face_model": "the data says which face model its parameters live in",
    "trainer.default_root_dir": "it is the run folder; set --out",
    "checkpoint.dirpath": "it lies in the run folder; set --out",
}
"""Options that follow from others, with the reason."""

LOGGER_PACKAGES = {"wandb": "wandb", "tensorboard": "tensorboard"}


@dataclass
class Request:
    """One command line of `fit`, `validate`, `test` or `predict`, taken apart."""

    command: str
    names: dict[str, str] = field(default_factory=dict)
    """The values of `OPTION_KINDS` that were given."""
    configs: list[Path] = field(default_factory=list)
    """The user's own files, in their order."""
    saved: dict[str, Any] = field(default_factory=dict)
    """The model's settings in a checkpoint that lies in no run folder, where nothing else names a model."""
    rest: list[str] = field(default_factory=list)
    """Every other word, in its order."""
    all_options: bool = False
    """Whether `--help-all` was given."""
    title: str = ""
    """The preset's or method's name, for the run folder and the first line; known after `expand`."""
    resumes: bool = False
    """Whether the run goes on in the folder of an earlier one."""

    @property
    def out(self) -> Path:
        """The run folder, known after `expand`."""
        return Path(self.names["out"])


def read(command: str, words: list[str]) -> Request:
    """Sort the words of a command line.

    Raises:
        ReenactError: if an option lacks its value.
    """
    request = Request(command)
    position = 0
    while position < len(words):
        option, equals, value = words[position].partition("=")
        kind = {"-c": "config", "--config": "config"}.get(option, option.removeprefix("--"))
        position += 1
        if option == "--help-all":
            request.all_options = True
            continue
        if kind.replace(".init_args.", ".") in FIXED:
            raise ReenactError(f"{option}: can't be set; {FIXED[kind.replace('.init_args.', '.')]}")
        if not option.startswith("-") or kind not in (*OPTION_KINDS, "config"):
            request.rest.append(words[position - 1])
            continue
        if not equals:
            if position == len(words) or words[position].startswith("-"):
                raise ReenactError(f"{option}: a value is missing{_values(kind)}")
            value = words[position]
            position += 1
        if kind == "config":
            request.configs.append(Path(value))
        else:
            request.names[kind] = value
    return request


def expand(request: Request) -> list[str]:
    """The words for the parser: whole settings, presets, the user's other files, the user's options; the later wins.

    A file that names the model's class is whole settings (a run's `config.yaml`), so that a preset named beside it
    changes it. Fills in what was left out: the synthetic world for the data, the scale (`default_scale`), the run
    folder; for a checkpoint without a model, the settings of the run that wrote it, or its own.

    Raises:
        ReenactError: for unknown names, a model or checkpoint that is missing, an unusable `--out`.
    """
    _resolve_checkpoint(request)
    if request.command != "fit" and "ckpt_path" not in request.names:
        raise ReenactError("--ckpt_path is missing: give the checkpoint of a run, or `last` for the newest")
    contents = [presets.load(path) for path in request.configs]
    given = {key for content in contents for key in content} | set(request.names) | set(request.saved)
    if "model" not in given:
        typo = next(
            (word for word in request.rest if get_close_matches(word.partition("=")[0], ["--model"], 1, 0.8)), None
        )
        if typo is not None:
            raise ReenactError(f"{typo}: no such option; did you mean --model?")
        known = ", ".join(presets.names("model"))
        raise ReenactError(f"--model is missing: name a method ({known}), or give --ckpt_path or --config")
    if "data" not in given:
        request.names["data"] = "synthetic"
    if "scale" not in given and "model" in request.names:
        request.names["scale"] = default_scale(request.names.get("data"))
    whole = [path for path in request.configs if "class_path" in presets.load(path).get("model", {})]
    tweaks = [path for path in request.configs if path not in whole]
    files = [presets.find("trainer", "default"), *whole, *_preset_files(request), *tweaks]
    request.title = _title(request)
    if "out" not in request.names:
        request.names["out"] = str(new_run(request.title)) if is_first() else shared_run()
    words = ["--config", json.dumps(request.saved)] if request.saved else []
    words += [word for path in files for word in ("--config", str(path))]
    words += [word for kind in ("model", "data") for word in _class_path(request, kind)]
    words += request.rest
    if request.names.get("logger") == "none":
        words += ["--trainer.logger", "false"]
    words += ["--out", request.names["out"]]
    # A run whose settings are used may itself have gone on from a checkpoint.
    words += ["--ckpt_path", request.names.get("ckpt_path", "null")]
    if "weights" in request.names:
        words += ["--weights", request.names["weights"]]
    return words


def default_scale(data: str | None) -> str:
    """The scale where none is named: what runs on any machine for the synthetic world, the paper's for other data."""
    return "tiny" if data == "synthetic" else "paper"


def _resolve_checkpoint(request: Request) -> None:
    """Turn `last` into a file, and take that run's settings where none are given; its folder, too, to go on."""
    options = [option for option in CHECKPOINTS if option in request.names]
    if not options:
        return
    if len(options) == 2:
        raise ReenactError("--weights and --ckpt_path: give one, to start anew from weights or to go on with a run")
    (option,) = options
    if option == "weights" and request.command != "fit":
        raise ReenactError(f"--weights is for reenact fit; name what to {request.command} with --ckpt_path")
    out = request.names.get("out") if option == "ckpt_path" else None
    checkpoint = checkpoint_of(option, request.names[option], out, request.names.get("model"))
    request.names[option] = str(checkpoint)
    run = run_of(checkpoint)
    if "model" not in request.names and not any("model" in presets.load(path) for path in request.configs):
        if run is None:
            request.saved = _saved_settings(checkpoint)
        else:
            request.configs.append(run / "config.yaml")
    if run is None or option == "weights":
        return
    request.resumes = request.command == "fit" and request.names.get("out", str(run)) == str(run)
    if request.resumes:
        request.names["out"] = str(run)


def _saved_settings(checkpoint: Path) -> dict[str, Any]:
    from reenact.models.checkpoint import saved_settings  # imports torch, which the run is about to need

    return saved_settings(checkpoint)


def _preset_files(request: Request) -> list[Path]:
    named = request.names
    files = []
    method = preset = None
    for kind in ("model", "data"):
        name = named.get(kind)
        if name is not None and presets.is_name(name):
            files.append(presets.find(kind, name))
            preset = name if kind == "model" else preset
        if kind == "model" and name is not None:
            method = presets.method_of(_class_of(name))
    if "scale" in named:
        files += presets.scale_files(named["scale"], method, preset)
    if "trainer" in named:
        files.append(presets.find("trainer", named["trainer"]))
    if named.get("logger", "none") != "none":
        files.append(presets.find("logger", named["logger"]))
        package = LOGGER_PACKAGES.get(named["logger"])
        if package is not None and find_spec(package) is None:
            raise ReenactError(f"--logger {named['logger']}: {package} is not installed; pip install {package}")
    return files


def _class_of(model: str) -> str:
    """The class path behind `--model`, which is a preset's name or itself a class path or a file."""
    if presets.is_name(model):
        return str(presets.load(presets.find("model", model))["model"]["class_path"])
    return model


def _class_path(request: Request, kind: str) -> list[str]:
    """`--model` or `--data` as it is, where it is no preset's name but a class path or a file."""
    name = request.names.get(kind)
    return [] if name is None or presets.is_name(name) else [f"--{kind}", name]


def _title(request: Request) -> str:
    """The preset's name; for settings of an earlier run, the name it had; else the method's or the class's."""
    name = request.names.get("model")
    if name is not None and presets.is_name(name):
        return name
    path = name or request.saved.get("model", {}).get("class_path", "")
    for content in map(presets.load, request.configs):
        earlier = Path(str(content.get("out", ""))).parts
        if name is None and len(earlier) == 3 and earlier[0] == str(RUNS):
            return earlier[1]
        path = path or content.get("model", {}).get("class_path", "")
    return presets.method_of(path) or path.rpartition(".")[2]


def _values(kind: str) -> str:
    if kind not in presets.KINDS:
        return ""
    return f"; known: {', '.join(presets.names(kind))}"
