"""What a checkpoint says about itself, from which its module can be rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reenact.errors import ReenactError
from reenact.models.registry import METHODS

FORMAT = 1
"""Raised when a checkpoint of before can't be read any more."""


def check_header(checkpoint: Mapping[str, Any], method: str | None, name: str) -> dict[str, Any]:
    """What a checkpoint says about itself.

    Args:
        checkpoint: its content.
        method: the method it must be of; None takes any known one.
        name: what to call it in a message.

    Raises:
        ReenactError: if it was not written by reenact, or is of another method or version.
    """
    header = checkpoint.get("reenact")
    if not isinstance(header, dict):
        hint = ": bring it in with `reenact convert`" if "generator" in checkpoint else ": give the .ckpt of a run"
        raise ReenactError(f"{name} was not written by reenact{hint}")
    if header.get("format") != FORMAT:
        raise ReenactError(
            f"{name} has checkpoint format {header.get('format')} and this version of reenact reads {FORMAT}: use the"
            " version that wrote it"
        )
    if header.get("method") not in METHODS:
        raise ReenactError(f"{name} is of the method {header.get('method')!r}, not one of {', '.join(METHODS)}")
    if method is not None and header["method"] != method:
        raise ReenactError(
            f"{name} is of the method {header['method']}, not {method}: choose the --model it was made by"
        )
    if not isinstance(header.get("arguments"), dict) or not isinstance(header.get("image_size"), int):
        raise ReenactError(f"{name} lacks the settings of its method: use the version of reenact that wrote it")
    return header
