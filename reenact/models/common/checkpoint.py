"""Reading trained methods. Nothing here constructs anything but tensors and plain values from a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from reenact.errors import ReenactError
from reenact.faces.registry import is_same_family, load_face_model
from reenact.models.common.checkpoint_file import SETTINGS, WEIGHTS, read_checkpoint
from reenact.models.common.class_names import config_class_path, find_class
from reenact.models.common.header import Header, check_header, check_same_class
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.portrait_module import PortraitModule
from reenact.models.common.rebuild import build_fitting, check_weights, compare_weights
from reenact.packages import allow_packages

__all__ = [
    "SETTINGS", "WEIGHTS", "check_resumable", "load_method", "load_module", "load_weights", "read_checkpoint",
    "saved_settings",
]  # fmt: skip


def load_method(
    path: str | Path,
    device: torch.device | str = "cpu",
    *,
    fold: bool = True,
    allow_package: Iterable[str] = (),
    settings: Mapping[str, str] = MappingProxyType({}),
) -> ReenactmentModule:
    """Load a trained method, in evaluation mode.

    Args:
        path: a Lightning checkpoint written by `reenact fit` or `reenact convert`, or a folder of `reenact export`.
        device: where the module goes.
        fold: bring the network into its form for inference: same outputs, faster, not trainable.
        allow_package: packages whose classes the checkpoint may name; the zoo's, installed entry points of the group
            `reenact.methods` and classes that are imported already need no leave.
        settings: settings of the method to change, as in `{"network.sampling.steps": "10"}`.

    Raises:
        ReenactError: if the file is missing, is no such checkpoint, or is of an unknown class or version; if a setting
            is unknown or refused.
    """
    with allow_packages(allow_package):
        module = load_module(path, settings)
    if not isinstance(module, ReenactmentModule):
        raise ReenactError(f"{path} is of {module.method}, which makes no pictures: give the checkpoint of a method")
    if fold:
        module.network = module.network.folded()
    return module.to(device)


def load_module(path: str | Path, settings: Mapping[str, str] = MappingProxyType({})) -> PortraitModule:
    """Load anything that `reenact fit` has trained, in evaluation mode; arguments and errors as of `load_method`."""
    checkpoint = read_checkpoint(Path(path))
    header, module = _rebuild_module(checkpoint, str(path), settings=settings)
    check_frozen_parts(header, module, str(path))
    module.image_size, module.recipe = header.image_size, header.recipe
    return module.eval().requires_grad_(False)


def load_weights(path: Path, module: PortraitModule, *, any_class: bool = False) -> None:
    """Give a module the weights of a checkpoint or export of its own class and face model.

    Args:
        path: the checkpoint or export.
        module: the module.
        any_class: take those of another class of the same method, to start a training from them; weights of the
            module's `may_start_fresh` may be missing.

    Raises:
        ReenactError: as `load_method`, or if the weights are not this module's.
    """
    checkpoint = _of_module(path, module, any_class=any_class)
    check_frozen_parts(check_header(checkpoint, str(path)), module, str(path))
    # The names were compared: what is missing may start fresh.
    module.load_state_dict(checkpoint["state_dict"], strict=False)


def check_foundation(path: Path, option: str, method: str, face_model: str) -> None:
    """Refuse a checkpoint that a method can't stand on, before anything is trained.

    Args:
        path: the checkpoint or export.
        option: the option that names it, for messages.
        method: the method that it must be of.
        face_model: the face model of the data, empty for data without parameters.

    Raises:
        ReenactError: if it is of another method, or was trained on another face model.
    """
    header = check_header(read_checkpoint(path), str(path))
    if header.method != method:
        raise ReenactError(
            f"--{option} {path} is of the method {header.method}: give a checkpoint of {method}, or leave the option"
            " out to have one trained"
        )
    if "face_model" in header.arguments:
        _check_face_model(path, str(header.arguments["face_model"]), face_model)


def check_resumable(path: Path, module: PortraitModule) -> dict[str, Any]:
    """Hold a checkpoint against the module whose training is to go on from it, before Lightning reads it.

    Returns:
        The checkpoint.

    Raises:
        ReenactError: as `load_weights`, or if there is no state of a training in it.
    """
    checkpoint = _of_module(path, module)
    loops, optimisers = checkpoint.get("loops"), checkpoint.get("optimizer_states")
    if not (isinstance(loops, dict) and "fit_loop" in loops and isinstance(optimisers, list) and optimisers):
        raise ReenactError(
            f"{path} holds weights alone, from which training can't go on: start a new one from them with"
            f" --weights {path}"
        )
    written_by, step = checkpoint.get("pytorch-lightning_version"), checkpoint.get("global_step")
    if not isinstance(written_by, str) or type(step) is not int:
        raise ReenactError(
            f"{path} was not saved by a training (it has no pytorch-lightning_version or global_step): start a new one"
            f" from its weights with --weights {path}"
        )
    return checkpoint


def check_frozen_parts(header: Header, module: PortraitModule, name: str) -> None:
    """Refuse a checkpoint that was trained with other networks than those that this machine has for its use.

    Args:
        header: the checkpoint's; those of earlier versions record none.
        module: the module, with its networks.
        name: the checkpoint in a message.

    Raises:
        ReenactError: names the first network that differs, or as loading it.
    """
    if not header.frozen_parts:
        return
    parts = module.frozen_parts()
    for part, digest in header.frozen_parts.items():
        if part not in parts or parts[part].digest != digest:
            raise ReenactError(
                f"{name} was trained with another network {part} (sha256 {digest[:12]}) than the one of this machine:"
                " get the file that it was trained with, or train again"
            )


def saved_settings(path: Path) -> dict[str, Any]:
    """Return the model's settings in a checkpoint, as a configuration file has them; the data name the face model.

    Raises:
        ReenactError: as `load_method`, sizes that the weights have not included.
    """
    header, module = _rebuild_module(read_checkpoint(path), str(path), outline=True)
    arguments = {name: value for name, value in header.arguments.items() if name != "face_model"}
    return {"model": {"class_path": config_class_path(type(module)), "init_args": arguments}}


def _rebuild_module(
    checkpoint: dict[str, Any],
    name: str,
    *,
    outline: bool = False,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Header, PortraitModule]:
    header = check_header(checkpoint, name)
    cls, weights = find_class(header, name), checkpoint.get("state_dict")
    return header, build_fitting(cls, header.arguments, weights, name, outline=outline, settings=settings)


def _of_module(path: Path, module: PortraitModule, *, any_class: bool = False) -> dict[str, Any]:
    """Read a checkpoint that is a module's own, by class, face model and weights."""
    checkpoint, name = read_checkpoint(path), str(path)
    header = check_header(checkpoint, name)
    class_path = f"{type(module).__module__}.{type(module).__qualname__}"
    if any_class and header.class_path is not None:
        class_path = header.class_path
    check_same_class(header, module.method, class_path, name)
    # Weights alone may not tell: a variant without codes has the same for every mesh.
    _check_face_model(path, *(str(arguments.get("face_model")) for arguments in (header.arguments, module.arguments)))
    fresh = module.may_start_fresh if any_class else ()
    compare_weights(check_weights(checkpoint.get("state_dict"), name), module, name, fresh)
    return checkpoint


def _check_face_model(path: Path, saved: str, expected: str) -> None:
    """Refuse a checkpoint of another face model than that of the data."""
    if saved == expected:
        return
    # Models of other families differ whatever their files hold, which may be absent.
    if not is_same_family(saved, expected) or load_face_model(saved).name != load_face_model(expected).name:
        raise ReenactError(
            f"{path} was trained on parameters of the face model {saved} and the data has those of {expected}: name"
            " a store with `--data clips --data.root STORE` that was prepared with"
            f" --face-model {saved.partition('-')[0]}"
        )
