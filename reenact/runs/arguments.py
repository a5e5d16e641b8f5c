"""From what a person types to what the parser reads: names become preset files, in a fixed order. No torch here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reenact.errors import ReenactError
from reenact.methods.method import Method
from reenact.methods.registry import check_packages, find_method
from reenact.runs import presets
from reenact.runs.class_limits import check_classes
from reenact.runs.foundations import find_saved_foundation
from reenact.runs.processes import is_first, shared_run
from reenact.runs.request import CHECKPOINTS, Request
from reenact.runs.run_folder import RUNS, checkpoint_of, new_run
from reenact.runs.saved_run import load_settings, run_of, title_of

LOGGER_PACKAGES = {"wandb": "wandb", "tensorboard": "tensorboard"}


def expand_request(request: Request) -> list[str]:
    """The words for the parser: whole settings, presets, the user's other files, the user's options; the later wins.

    A file that names the model's class is whole settings (a run's `config.yaml`), so that a preset named beside it
    changes it. Fills in what was left out: the synthetic world for the data, the scale (`default_scale`), the run
    folder; for a checkpoint without a model, the settings of the run that wrote it, or its own.

    Raises:
        ReenactError: for unknown names, a model, checkpoint or package that is missing, an unusable `--out`.
    """
    _resolve_checkpoint(request)
    if request.command != "fit" and "ckpt_path" not in request.names:
        raise ReenactError("--ckpt_path is missing: give the checkpoint of a run, or `last` for the newest")
    contents = [presets.load_preset(path) for path in request.configs]
    for path, content in zip(request.configs, contents, strict=True):
        check_classes(content, str(path))
        request.classes += _class_paths(content)
    _choose_defaults(request, {key for content in contents for key in content})
    whole = [path for path in request.configs if "class_path" in presets.load_preset(path).get("model", {})]
    tweaks = [path for path in request.configs if path not in whole]
    named = _preset_files(request)
    request.classes += [path for file in named for path in _class_paths(presets.load_preset(file))]
    methods = [method for path in request.classes if (method := find_method(presets.method_of(path) or "")) is not None]
    for method in methods:
        check_packages(method)
    request.title = _run_title(request)
    if "out" not in request.names:
        request.names["out"] = str(new_run(request.title)) if is_first() else shared_run()
    arguments = ["--config", str(presets.find_preset("trainer", "default"))]
    arguments += ["--config", json.dumps(request.saved)] if request.saved else []
    arguments += [word for path in (*whole, *named, *tweaks) for word in ("--config", str(path))]
    for kind in ("model", "data"):
        arguments += _class_path(request, kind)
    arguments += request.rest
    return arguments + _name_files(request, methods, arguments)


def _choose_defaults(request: Request, file_keys: set[str]) -> None:
    """Fill in the data and the scale where neither options nor files name them.

    Raises:
        ReenactError: if nothing names a model.
    """
    keys = file_keys | set(request.names) | set(request.saved)
    if "model" not in keys:
        typos = [word for word in request.rest if get_close_matches(word.partition("=")[0], ["--model"], 1, 0.8)]
        if typos:
            raise ReenactError(f"{typos[0]}: no such option; did you mean --model?")
        preset_names = ", ".join(presets.preset_names("model"))
        raise ReenactError(f"--model is missing: name a method ({preset_names}), or give --ckpt_path or --config")
    if "data" not in keys:
        request.names["data"] = "synthetic"
    if "scale" not in keys and "model" in request.names:
        request.names["scale"] = default_scale(request.names.get("data"))


def _name_files(request: Request, methods: Sequence[Method], arguments: Sequence[str]) -> list[str]:
    """Return the words of the foundation, the logger, the run folder and the checkpoint, which follow all settings."""
    options: list[str] = []
    run = run_of(Path(request.names["ckpt_path"])) if "ckpt_path" in request.names else None
    if run is not None:
        for method in methods:
            options += find_saved_foundation(run, method, [*arguments, *options])
    if request.names.get("logger") == "none":
        options += ["--trainer.logger", "false"]
    # A run whose settings are used may itself have gone on from a checkpoint.
    options += ["--out", request.names["out"], "--ckpt_path", request.names.get("ckpt_path", "null")]
    return [*options, "--weights", request.names["weights"]] if "weights" in request.names else options


def default_scale(data: str | None) -> str:
    """The scale where none is named: what runs on any machine for the synthetic world, the paper's for other data."""
    return "tiny" if data == "synthetic" else "paper"


def _resolve_checkpoint(request: Request) -> None:
    """Turn `last` into a file, and take its settings where none are given; the folder of its run, too, to go on."""
    options = [option for option in CHECKPOINTS if option in request.names]
    if not options:
        return
    if len(options) == 2:
        raise ReenactError("--weights and --ckpt_path: give one, to start anew from weights or to go on with a run")
    (option,) = options
    if option == "weights" and request.command != "fit":
        raise ReenactError(f"--weights is for reenact fit; name what to {request.command} with --ckpt_path")
    goes_on = option == "ckpt_path" and request.command == "fit"
    title = request.names.get("model")
    checkpoint = checkpoint_of(
        f"--{option}",
        request.names[option],
        request.names.get("out") if goes_on else None,
        title if title is not None and presets.is_name(title) else None,
    )
    request.names[option] = str(checkpoint)
    run = run_of(checkpoint)
    if "model" not in request.names and not any("model" in presets.load_preset(path) for path in request.configs):
        _take_settings(request, checkpoint, run)
    if run is None or not goes_on:
        return
    out = Path(request.names.get("out", run))
    request.resumes = out.absolute() == run.absolute()
    if request.resumes:
        request.names["out"] = str(run)


def _take_settings(request: Request, checkpoint: Path, run: Path | None) -> None:
    """Take the model's settings of the checkpoint itself, and the values of its run."""
    from reenact.models.common.checkpoint import saved_settings  # imports torch, which the run is about to need

    if run is not None:
        keys = {key for path in request.configs for key in presets.load_preset(path)}
        request.saved = load_settings(run, {*request.names, *keys} & {"data"})
        request.run_title = title_of(run) or ""
    request.saved |= saved_settings(checkpoint)
    request.classes += _class_paths(request.saved)


def _preset_files(request: Request) -> list[Path]:
    named = request.names
    files = []
    method = preset = None
    for kind in ("model", "data"):
        name = named.get(kind)
        if name is not None and presets.is_name(name):
            files.append(presets.find_preset(kind, name))
            preset = name if kind == "model" else preset
        if kind == "model" and name is not None:
            method = presets.method_of(_class_of(name))
    if "scale" in named:
        files += presets.scale_files(named["scale"], method, preset)
    if "trainer" in named:
        files.append(presets.find_preset("trainer", named["trainer"]))
    if named.get("logger", "none") != "none":
        files.append(presets.find_preset("logger", named["logger"]))
        package = LOGGER_PACKAGES.get(named["logger"])
        if package is not None and find_spec(package) is None:
            raise ReenactError(f"--logger {named['logger']}: {package} is not installed; pip install {package}")
    return files


def _class_of(model: str) -> str:
    """The class path behind `--model`, which is a preset's name or itself a class path or a file."""
    if presets.is_name(model):
        return str(presets.load_preset(presets.find_preset("model", model))["model"]["class_path"])
    return model


def _class_path(request: Request, kind: str) -> list[str]:
    """`--model` or `--data` as it is, where it is no preset's name but a class path or a file."""
    name = request.names.get(kind)
    if name is None or presets.is_name(name):
        return []
    if all(part.isidentifier() for part in name.split(".")):
        request.classes.append(name)
    return [f"--{kind}", name]


def _class_paths(content: dict[str, Any]) -> list[str]:
    """The class paths of a preset's model and data."""
    paths = (content.get(kind, {}).get("class_path") for kind in ("model", "data"))
    return [path for path in paths if path]


def _run_title(request: Request) -> str:
    """The preset's name; for settings of an earlier run, the name it had; else the method's or the class's."""
    name = request.names.get("model")
    if name is not None and presets.is_name(name):
        return name
    if name is None and request.run_title:
        return request.run_title
    path = name or request.saved.get("model", {}).get("class_path", "")
    for content in map(presets.load_preset, request.configs):
        earlier = Path(str(content.get("out", ""))).parts
        if name is None and len(earlier) == 3 and earlier[0] == str(RUNS) and presets.is_name(earlier[1]):
            return earlier[1]
        path = path or content.get("model", {}).get("class_path", "")
    return presets.method_of(path) or path.rpartition(".")[2]
