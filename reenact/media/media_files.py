"""Opening of video and sound files, the same in every place of the package."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer

MAX_PIXELS = 8192 * 8192
"""Pixels of the largest picture that is decoded; an 8K frame has half as many."""


def open_media(path: Path) -> InputContainer:
    """Open a video or sound file.

    Tags in another encoding than UTF-8 are read with replacement characters. A name with a colon is a file, never a
    protocol. A decoder that is opened on the way refuses pictures of more than `MAX_PIXELS`.

    Raises:
        FFmpegError: if FFmpeg can't read the file.
        OSError: if the file can't be opened.
    """
    return av.open(f"file:{path}", metadata_errors="replace", options={"max_pixels": str(MAX_PIXELS)})


def create_media(path: Path, container: str, options: Mapping[str, str] | None = None) -> OutputContainer:
    """Open a video or sound file for writing. A name with a colon is a file, never a protocol.

    Args:
        path: The file; FFmpeg makes it at the first packet.
        container: FFmpeg's name of the container, as `mp4`.
        options: Options of the container.
    """
    return av.open(f"file:{path}", "w", format=container, container_options=dict(options or {}))


def partial_path(path: Path) -> Path:
    """Return an unused path beside `path` for the file while it is written; short, since names of 255 bytes exist."""
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}{path.suffix}.part")
