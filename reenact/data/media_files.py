"""Opening of video and sound files for reading, the same in every place of the package."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer

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
