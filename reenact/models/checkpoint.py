"""Reading trained methods. Nothing here constructs anything but tensors and plain values from a file."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from reenact.errors import ReenactError
from reenact.faces.registry import load_face_model
from reenact.models.header import check_header
from reenact.models.module import PortraitModule, ReenactmentModule
from reenact.models.registry import METHODS

WEIGHTS = "weights.safetensors"
SETTINGS = "config.json"
"""The files of an exported method."""


def load_method(path: str | Path, device: torch.device | str = "cpu", *, fold: bool = True) -> ReenactmentModule:
    """A trained method, in evaluation mode.

    Args:
        path: a Lightning checkpoint written by `reenact fit` or `reenact convert`, or a folder of `reenact export`.
        device: where the module goes.
        fold: bring the network into its form for inference: same outputs, faster, not trainable.

    Raises:
        ReenactError: if the file is missing, is no such checkpoint, or is of an unknown method or version.
    """
    module = load_module(path)
    if not isinstance(module, ReenactmentModule):
        raise ReenactError(f"{path} is of {module.method}, which makes no pictures: give the checkpoint of a method")
    if fold:
        module.network = module.network.folded()
    return module.to(device)


def load_module(path: str | Path) -> PortraitModule:
    """Anything that `reenact fit` has trained, in evaluation mode; arguments and errors as of `load_method`."""
    checkpoint = read(Path(path))
    header = check_header(checkpoint, None, str(path))
    module = _build(_method_class(header["method"]), header["arguments"], path)
    _check_weights(checkpoint, module, path)
    module.load_state_dict(checkpoint["state_dict"])
    module.image_size, module.recipe = header["image_size"], header.get("recipe", {})
    return module.eval().requires_grad_(False)


def load_weights(path: Path, module: PortraitModule) -> None:
    """Give a module the weights of a checkpoint or export of its own method and face model.

    Raises:
        ReenactError: as `load_method`, or if the weights are not this module's.
    """
    module.load_state_dict(_of_module(path, module)["state_dict"])


def check_resumable(path: Path, module: PortraitModule) -> None:
    """Hold a checkpoint against the module whose training is to go on from it, before Lightning reads it.

    Raises:
        ReenactError: as `load_weights`, or if there is no state of a training in it.
    """
    checkpoint = _of_module(path, module)
    if not ("fit_loop" in checkpoint.get("loops", {}) and checkpoint.get("optimizer_states")):
        raise ReenactError(
            f"{path} holds weights alone, from which training can't go on: start a new one from them with"
            f" --weights {path}"
        )


def saved_settings(path: Path) -> dict[str, Any]:
    """The model's settings in a checkpoint, as a configuration file has them; the data name the face model.

    Raises:
        ReenactError: as `load_method`.
    """
    header = check_header(read(path), None, str(path))
    arguments = {name: value for name, value in header["arguments"].items() if name != "face_model"}
    return {"model": {"class_path": METHODS[header["method"]].class_path, "init_args": arguments}}


def read(path: Path) -> dict[str, Any]:
    """What is in a checkpoint file or an exported folder, of tensors and plain values only.

    Raises:
        ReenactError: if there is no such file, or it holds anything else.
    """
    if path.is_dir():
        return _read_export(path)
    if not path.is_file():
        raise ReenactError(f"There is no checkpoint {path}: give the .ckpt file of a run")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch thinks of a file's pickle protocol
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a broken file makes it stumble over
        # Torch's own words advise to read the file without this protection.
        raise ReenactError(
            f"{path} is not a checkpoint of tensors and plain values, or it is damaged; nothing in it was run: get it"
            " again, or give the .ckpt file of a run"
        ) from error
    if not isinstance(checkpoint, dict):
        raise ReenactError(f"{path} holds a {type(checkpoint).__name__}, not a checkpoint of reenact")
    return checkpoint


def _read_export(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise ReenactError(
            f"{folder} lacks {Path(error.filename or WEIGHTS).name}: give a .ckpt file or a folder of `reenact export`"
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise ReenactError(f"{folder} is damaged ({_first_line(error)}): export it again") from error
    if not isinstance(content, dict):
        raise ReenactError(f"{folder / SETTINGS} holds no settings: export it again")
    return {**content, "state_dict": weights}


def _of_module(path: Path, module: PortraitModule) -> dict[str, Any]:
    """A checkpoint that is a module's own, by method, face model and weights."""
    checkpoint = read(path)
    header = check_header(checkpoint, module.method, str(path))
    saved, ours = (str(arguments.get("face_model")) for arguments in (header["arguments"], module.arguments))
    # Weights alone may not tell: a variant without codes has the same for every mesh.
    if saved != ours and load_face_model(saved).name != load_face_model(ours).name:
        raise ReenactError(
            f"{path} was trained on parameters of the face model {saved} and the data has those of {ours}: name a store"
            f" with `--data clips --data.root STORE` that was prepared with --face-model {saved.partition('-')[0]}"
        )
    _check_weights(checkpoint, module, path)
    return checkpoint


def _check_weights(checkpoint: Mapping[str, Any], module: PortraitModule, path: str | Path) -> None:
    """Refuse weights of other names or shapes than the module's, naming the first."""
    found, wanted = checkpoint.get("state_dict"), module.state_dict()
    if not isinstance(found, dict):
        raise ReenactError(f"{path} holds no weights: give the .ckpt of a run")
    other = found.keys() ^ wanted.keys() or {
        name for name in wanted if getattr(found[name], "shape", None) != wanted[name].shape
    }
    if other:
        raise ReenactError(
            f"{path} does not fit {module.method} with these settings or in this version of reenact; the weights differ"
            f" in {min(other)} and {len(other) - 1} more: use the settings and version that it was made with"
        )


def _method_class(name: str) -> type[PortraitModule]:
    module, _, attribute = METHODS[name].class_path.rpartition(".")
    found: type[PortraitModule] = getattr(importlib.import_module(module), attribute)
    return found


def _build(cls: type[PortraitModule], arguments: Mapping[str, Any], path: str | Path) -> PortraitModule:
    hints = get_type_hints(cls.__init__)
    try:
        built = {name: _restore(hints[name], value) for name, value in arguments.items()}
        return cls(**built)
    except (KeyError, TypeError) as error:
        raise ReenactError(
            f"{path} has settings that this version of reenact does not know ({_first_line(error)}): use the version"
            " that wrote it"
        ) from error


def _restore(hint: Any, value: Any) -> Any:  # noqa: ANN401 - any argument of any method
    """A dataclass from its plain dictionary, where the argument's type is one; anything else as it is."""
    dataclasses = [option for option in (hint, *get_args(hint)) if isinstance(option, type) and is_dataclass(option)]
    return dataclasses[0](**value) if dataclasses and isinstance(value, dict) else value


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
